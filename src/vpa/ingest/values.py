"""Nested values of JSON as lines `path.to.key: value`, and cells of tables as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vpa.ingest.contract import UnreadableError


def flat_values(value: Any, *, most: int, path: str = "") -> Iterator[str]:
    """A line for each value, in order, without recursion.

    Raises UnreadableError where the paths together are longer than `most` characters.
    """
    waiting: list[tuple[str, Any]] = [(path, value)]
    spent = 0
    while waiting:
        path, here = waiting.pop()
        spent += len(path)
        if spent > most:
            raise UnreadableError("is nested so deeply that its paths are longer than its values: flatten it")
        if isinstance(here, dict):
            waiting += reversed([(f"{path}.{key}" if path else str(key), child) for key, child in here.items()])
        elif isinstance(here, list) and any(isinstance(element, list | dict) for element in here):
            waiting += reversed([(f"{path}[{number}]", child) for number, child in enumerate(here)])
        elif cell := cell_text(here):
            yield f"{path}: {cell}" if path else cell


def cell_text(value: Any) -> str:
    """A flat value as text; empty for null."""
    if isinstance(value, list):
        return ", ".join(filter(None, map(cell_text, value)))
    if value is None:
        return ""
    return ("true" if value else "false") if isinstance(value, bool) else str(value).strip()
