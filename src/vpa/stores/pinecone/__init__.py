"""Pinecone: a service over HTTP; a collection is an index, a scope a namespace."""
