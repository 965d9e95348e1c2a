"""Small tools without business of their own."""
