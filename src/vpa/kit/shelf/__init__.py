"""Bytes by key, bounded, the oldest dropped first: in memory, or in a SQLite file that processes share."""
