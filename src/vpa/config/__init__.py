"""Settings from `VPA_*` variables and files: reading them, and saying what is wrong with them."""
