"""Moving collections between stores and files, and proving that they arrived."""
