"""A view: one consistent state of a collection that readers may use for as long as they like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vpa.base.arrays import RowMask, RowNumbers
from vpa.base.records import Match, Record, RecordBatch
from vpa.base.scope import AllScopes, Scope
from vpa.engine.predicate import row_mask
from vpa.engine.rows import RowStore, decode_mapping
from vpa.filters.ast import ALWAYS, Filter


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """The first `count` rows of `rows`, without the dead ones. `live` None: none is dead."""

    rows: RowStore
    count: int
    live: RowMask | None
    live_count: int

    def mask(self, node: Filter, scope: Scope | AllScopes) -> RowMask | None:
        """`(count,) bool`: live rows of the scope where the filter holds; None stands for every row."""
        mask = self.live
        everywhere = isinstance(scope, AllScopes) or self.rows.scopes == [scope]
        if not everywhere:
            inside = self._in_scope(scope)  # type: ignore[arg-type]
            mask = inside if mask is None else mask & inside
        if node is not ALWAYS:
            found = row_mask(node, self.rows.columns, self.count)
            mask = found if mask is None else mask & found
        return mask

    def _in_scope(self, scope: Scope) -> RowMask:
        if scope not in self.rows.scopes:
            return np.zeros(self.count, dtype=np.bool_)
        inside: RowMask = self.rows.scope_column(self.count) == self.rows.scopes.index(scope)
        return inside

    def select(self, node: Filter, scope: Scope | AllScopes) -> RowNumbers:
        """Numbers of the rows that `mask` marks."""
        mask = self.mask(node, scope)
        return np.arange(self.count) if mask is None else np.flatnonzero(mask)

    def is_live(self, row: int) -> bool:
        """Whether a row is part of this view."""
        return row < self.count and (self.live is None or bool(self.live[row]))

    def record(self, row: int, *, include_vectors: bool) -> Record:
        """One row as a record; its vector is a copy."""
        rows = self.rows
        return Record(
            rows.ids[row],
            vector=rows.gather(np.asarray([row]))[0] if include_vectors else None,
            text=rows.text(row),
            metadata=decode_mapping(rows.metadata[row]),
            system=decode_mapping(rows.system[row]),
        )

    def batch(self, numbers: Sequence[int], *, include_vectors: bool, scope: Scope, cursor: str) -> RecordBatch:
        """Rows as columns; vectors are copied."""
        rows = self.rows
        return RecordBatch(
            ids=[rows.ids[row] for row in numbers],
            vectors=rows.gather(np.asarray(numbers, dtype=np.int64)) if include_vectors else None,
            texts=[rows.text(row) for row in numbers],
            metadata=[decode_mapping(rows.metadata[row]) for row in numbers],
            system=[decode_mapping(rows.system[row]) for row in numbers],
            scope=scope,
            cursor=cursor,
        )

    def match(self, row: int, *, score: float, distance: float, include_vectors: bool) -> Match:
        """One row as the answer to a search."""
        rows = self.rows
        return Match(
            rows.ids[row],
            score,
            distance,
            rows.text(row),
            decode_mapping(rows.metadata[row]),
            rows.gather(np.asarray([row]))[0] if include_vectors else None,
            decode_mapping(rows.system[row]),
        )
