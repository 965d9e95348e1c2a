"""Files into a collection: what was read is known there, so that only what changed is read again."""
