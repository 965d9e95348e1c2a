"""Texts become vectors: one contract, several models."""
