"""Keyword search over the rows of a table: which rows hold which terms, how often, and what that scores."""
