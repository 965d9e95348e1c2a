"""Test servers that speak a store's wire protocol to its real client, and refuse what the real one refuses."""
