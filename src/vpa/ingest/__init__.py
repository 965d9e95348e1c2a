"""Files become documents."""
