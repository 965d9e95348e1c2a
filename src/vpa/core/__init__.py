"""The porch: import paths that are promised. Nothing is defined here, so both spellings give the same classes."""
