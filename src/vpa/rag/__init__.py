"""Documents above records: chunking, embedding, retrieval, caching, history."""
