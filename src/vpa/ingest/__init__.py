"""Files become documents: one reader a format, found by the name's ending."""
