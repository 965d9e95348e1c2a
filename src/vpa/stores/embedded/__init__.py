"""The embedded engine as a store: in memory, or durable when a path is set."""
