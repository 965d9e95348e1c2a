"""Filters: one tree, two notations, and the function that says what it means.

`expressions` (Python) and `parse` (JSON) build the same tree; `normalize` rewrites it, `evaluate` is its meaning,
`split` divides it between a store and us, `render` writes it back as JSON.
"""

from __future__ import annotations

from vpa.filters.ast import Filter
from vpa.filters.evaluate import matches, which_hold
from vpa.filters.expressions import F
from vpa.filters.normalize import NormalFilter, normalize
from vpa.filters.parse import FilterLike, as_filter, holds_always, normal
from vpa.filters.render import canonical_text, to_json
from vpa.filters.split import Split, split

__all__ = [
    "F",
    "Filter",
    "FilterLike",
    "NormalFilter",
    "Split",
    "as_filter",
    "canonical_text",
    "holds_always",
    "matches",
    "normal",
    "normalize",
    "split",
    "to_json",
    "which_hold",
]
