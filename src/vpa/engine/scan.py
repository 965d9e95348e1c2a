"""Scanning a view in id order, in batches, with a cursor that outlives the iterator."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from vpa.base.arrays import RowNumbers
from vpa.base.cursor import decode_cursor, encode_cursor
from vpa.base.records import RecordBatch
from vpa.base.scope import AllScopes, Scope
from vpa.engine.slices import sliced, slices
from vpa.engine.view import View
from vpa.filters.ast import Filter

# About so many ids are sorted at once, which takes a millisecond; each part is bounded by every so many ids of a
# sample.
_SORTED: Final = 4_096
_SAMPLED: Final = 16


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
        ids = view.rows.ids
        ordered = _ordered(view.select(node, current), ids, after=after)
        while chosen := list(islice(ordered, batch_size)):
            batch_cursor = encode_cursor(current, ids[chosen[-1]])
            yield view.batch(chosen, include_vectors=include_vectors, scope=current, cursor=batch_cursor)


def _ordered(numbers: RowNumbers, ids: Sequence[str], *, after: str) -> Iterator[int]:
    """Rows with ids above `after` in id order. Divided by ids of a sample and then sorted part by part, because one
    sort of all
    would keep the interpreter from every other thread for as long as it takes.
    """
    rows = sliced(numbers.tolist(), lambda part: [row for row in part if ids[row] > after])
    if len(rows) <= _SORTED:
        yield from sorted(rows, key=ids.__getitem__)
        return
    bounds = sorted(ids[row] for row in rows[:: max(1, _SORTED // _SAMPLED)])[_SAMPLED - 1 :: _SAMPLED]
    parts: list[list[int]] = [[] for _ in range(len(bounds) + 1)]
    for span in slices(len(rows)):
        for row in rows[span]:
            parts[bisect_right(bounds, ids[row])].append(row)
    del rows
    for part in parts:
        yield from sorted(part, key=ids.__getitem__)
