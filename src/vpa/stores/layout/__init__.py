"""One layout for stores without a filter language as rich as ours: rows, predicates over them, and the verbs."""
