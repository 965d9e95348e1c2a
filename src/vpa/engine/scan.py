"""Scanning a view in id order, in batches, with a cursor that outlives the iterator."""

from __future__ import annotations

from collections.abc import Iterator

from vpa.base.cursor import decode_cursor, encode_cursor
from vpa.base.records import RecordBatch
from vpa.base.scope import AllScopes, Scope
from vpa.engine.view import View
from vpa.filters.ast import Filter


def scan_view(
    view: View, node: Filter, *, scope: Scope | AllScopes, batch_size: int, cursor: str | None, include_vectors: bool
) -> Iterator[RecordBatch]:
    """Yield every match once, ordered by scope and id."""
    start = None if cursor is None else decode_cursor(cursor)
    scopes = sorted(view.rows.scopes) if isinstance(scope, AllScopes) else [scope]
    for current in scopes:
        if start is not None and current < start[0]:
            continue
        after = start[1] if start is not None and current == start[0] else ""
        numbers = view.select(node, current).tolist()
        ids = view.rows.ids
        ordered = sorted((row for row in numbers if ids[row] > after), key=ids.__getitem__)
        for position in range(0, len(ordered), batch_size):
            chosen = ordered[position : position + batch_size]
            batch_cursor = encode_cursor(current, ids[chosen[-1]])
            yield view.batch(chosen, include_vectors=include_vectors, scope=current, cursor=batch_cursor)
