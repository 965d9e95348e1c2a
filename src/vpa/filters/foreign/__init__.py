"""Filters in the notation of other libraries: recognised, so that an error names it and shows the same filter in ours.

They are never evaluated: what a foreign filter means differs in detail (missing fields, lists, kinds), so it is for the
caller to decide. `of_value` looks at what is no mapping, `of_mapping` at one, `of_operators` at the conditions of one
field. Each returns the text of the error, or None for what is no known notation.
"""

from vpa.filters.foreign.mappings import MARKS, of_mapping
from vpa.filters.foreign.objects import of_value
from vpa.filters.foreign.operators import WILDCARD, of_operator, of_operators, of_wildcard, respelt

__all__ = ["MARKS", "WILDCARD", "of_mapping", "of_operator", "of_operators", "of_value", "of_wildcard", "respelt"]
