"""Ways to find the rows nearest to a query."""
