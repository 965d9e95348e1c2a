"""JSON values as text that reads: a row for each record of a table, or a line `path.to.key: value` for each value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vpa.ingest.contract import Part, UnreadableError


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
    """A row for each record."""
    for number, row in enumerate(rows, 1):
        cells = ((key, cell_text(cell)) for key, cell in row.items())
        yield Part("; ".join(f"{key}: {cell}" for key, cell in cells if cell), "row", {"row": number})


def line_parts(value: Any, *, most: int) -> Iterator[Part]:
    """A line for each value, in order, without recursion; raises UnreadableError for more than `most` characters of
    paths.
    """
    waiting: list[tuple[str, Any]] = [("", value)]
    spent = 0
    while waiting:
        path, here = waiting.pop()
        spent += len(path)
        if spent > most:
            raise UnreadableError("is nested so deeply that its paths are longer than its values: flatten it")
        if isinstance(here, dict):
            waiting += reversed([(f"{path}.{key}" if path else key, child) for key, child in here.items()])
        elif isinstance(here, list) and any(isinstance(element, list | dict) for element in here):
            waiting += reversed([(f"{path}[{number}]", child) for number, child in enumerate(here)])
        elif cell := cell_text(here):
            yield Part(f"{path}: {cell}" if path else cell, "row")


def cell_text(value: Any) -> str:
    """A value as a person reads it; empty for null."""
    if isinstance(value, list):
        return ", ".join(filter(None, map(cell_text, value)))
    if value is None:
        return ""
    return ("true" if value else "false") if isinstance(value, bool) else str(value).strip()
