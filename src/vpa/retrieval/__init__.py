"""Pure steps over the answers of a store: fusion, and what follows it. They know no store and no model."""
