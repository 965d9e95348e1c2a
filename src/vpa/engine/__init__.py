"""The embedded engine: synchronous NumPy, exact search, optional durability. No asyncio, HTTP or settings."""
