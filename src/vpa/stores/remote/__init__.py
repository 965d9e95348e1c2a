"""What stores that are reached over a network share: one way to send a request, connections that are replaced."""
