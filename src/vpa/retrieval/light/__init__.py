"""The light reranker: late interaction with token vectors that the embedding model made with the texts."""
