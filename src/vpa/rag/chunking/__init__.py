"""Cuts documents into chunks that cover them without gaps."""
