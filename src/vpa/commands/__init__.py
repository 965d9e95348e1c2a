"""The commands of the program `vpa`, one module each."""
