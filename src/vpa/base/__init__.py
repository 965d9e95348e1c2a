"""Ground floor: values and errors. No input or output, and no knowledge of any layer above."""
