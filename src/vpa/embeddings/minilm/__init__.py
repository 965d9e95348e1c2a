"""all-MiniLM-L6-v2 without PyTorch: weights, forward pass, and the embedder over them."""
