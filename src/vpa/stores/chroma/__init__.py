"""Chroma: its server over HTTP, or the engine in this process, in memory or in a directory."""
