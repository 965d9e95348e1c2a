"""Qdrant: a server over HTTP, or the client's local mode, in memory or in a directory."""
