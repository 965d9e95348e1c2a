"""Stores behind one contract, and the manager in front of them."""
