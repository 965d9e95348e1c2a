"""Which values and types a field has, type-exact: from the columns where these are faithful, else from the rows' own
metadata.

Columns of strings and booleans hold each value as it is. A column of numbers holds 1 and 1.0 as one value, so numbers
are read from the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from vpa.base.arrays import RowMask, RowNumbers
from vpa.base.metadata import Scalar, leaves
from vpa.base.scope import Scope
from vpa.engine.slices import slices
from vpa.engine.view import View
from vpa.filters.ast import Field, Filter

# Rows between two rests: their JSON is read, and each of their values looked at.
_TOGETHER: Final = 256


def distinct_values(view: View, node: Filter, *, scope: Scope, field: str) -> list[Scalar]:
    """The values of a metadata path in the rows where the filter holds, each once: `1`, `1.0`, `"1"` and `True` are
    four; unordered.
    """
    chosen = view.selection(node, scope)
    mask = np.ones(view.count, dtype=np.bool_) if chosen is None else chosen.mask
    found: list[Scalar] = []
    for kind in ("string", "boolean"):
        column = view.rows.columns.get(Field(field), kind)
        if column is not None:
            entries = column.entries(view.count)
            found += [column.values[code] for code in np.unique(entries.codes[mask[entries.rows]]).tolist()]
    numbers: dict[tuple[str, str], Scalar] = {}
    for mapping in _mappings(view, _rows_with_number(view, mask, field)):
        for path, values in leaves(mapping):
            if path == field:
                # The text of a float tells -0.0 from 0.0 and 1 from 1.0, as equality does not.
                numbers.update({(type(value).__name__, repr(value)): value for value in values})
    found += [value for value in numbers.values() if not isinstance(value, str | bool)]
    # In slices: letting go of very many texts at once keeps every other thread waiting.
    for part in slices(len(numbers)):
        for _ in range(part.start, min(part.stop, part.start + len(numbers))):
            numbers.popitem()
    return found


def _rows_with_number(view: View, mask: RowMask, field: str) -> RowNumbers:
    column = view.rows.columns.get(Field(field), "number")
    if column is None:
        return np.empty(0, dtype=np.int64)
    rows = column.entries(view.count).rows
    found: RowNumbers = np.unique(rows[mask[rows]]).astype(np.int64)
    return found


def field_types(view: View, node: Filter, *, scope: Scope) -> dict[str, dict[str, int]]:
    """Path -> type name -> number of rows that hold such a value there, of the rows where the filter holds."""
    found: dict[str, Counter[str]] = {}
    for mapping in _mappings(view, view.select(node, scope)):
        for path, values in leaves(mapping):
            found.setdefault(path, Counter()).update({type(value).__name__ for value in values})
    return {path: dict(sorted(found[path].items())) for path in sorted(found)}


def _mappings(view: View, rows: RowNumbers) -> Iterator[dict[str, Any]]:
    for part in slices(len(rows), _TOGETHER):
        yield from view.rows.metadata_of(rows[part].tolist())
