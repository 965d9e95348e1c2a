"""Token vectors of chunks for the light reranker: where they are kept, and how they come there and back."""
