"""Compact codes of vectors: a cheap pass over them finds the few rows that are worth an exact look."""
