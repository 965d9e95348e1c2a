"""Durability: one seam for file calls, a write-ahead log, snapshots, recovery, a lock."""
