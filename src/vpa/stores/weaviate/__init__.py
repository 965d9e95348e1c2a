"""Weaviate: a server over REST and gRPC; a collection is a class, a scope a token."""
