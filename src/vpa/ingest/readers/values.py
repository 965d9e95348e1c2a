"""JSON values as text that reads: a row for each record of a table, or a line `path.to.key: value` for each value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vpa.ingest.contract import Part
from vpa.ingest.tables import Columns
from vpa.ingest.values import cell_text, flat_values


def is_table(value: Any) -> bool:
    """Whether a value is a list of flat objects with the same keys."""
    if not isinstance(value, list) or not value or not isinstance(value[0], dict) or not value[0]:
        return False
    keys = value[0].keys()
    return all(
        isinstance(row, dict)
        and row.keys() == keys
        and not any(isinstance(cell, dict) or _nested(cell) for cell in row.values())
        for row in value
    )


def _nested(cell: Any) -> bool:
    return isinstance(cell, list) and any(isinstance(element, list | dict) for element in cell)


def table_parts(rows: Sequence[Mapping[str, Any]]) -> Iterator[Part]:
    """A row for each record, and the names of columns that no row has a value in."""
    columns = Columns(list(rows[0]))
    for number, row in enumerate(rows, 1):
        # All rows have the same keys, not always in the same order.
        yield Part(columns.row_text([cell_text(row[key]) for key in rows[0]]), "row", {"row": number})
    yield from columns.unused({})


def line_parts(value: Any, *, most: int) -> Iterator[Part]:
    """A line for each value; raises UnreadableError for more than `most` characters of paths."""
    yield from (Part(line, "row") for line in flat_values(value, most=most))
