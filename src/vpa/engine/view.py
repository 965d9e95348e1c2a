"""A view: one consistent state of a collection that readers may use for as long as they like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vpa.base.arrays import FloatMatrix, RowMask, RowNumbers
from vpa.base.records import Match, Record, RecordBatch
from vpa.base.scope import AllScopes, Scope
from vpa.engine.predicate import is_ready, leaf_rows, row_mask
from vpa.engine.rows import RowStore
from vpa.engine.selection import Selection
from vpa.engine.slices import sliced
from vpa.filters.ast import ALWAYS, Filter


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """The first `count` rows of `rows`, without the dead ones. `live` None: none is dead."""

    rows: RowStore
    count: int
    live: RowMask | None
    live_count: int

    def selection(self, node: Filter, scope: Scope | AllScopes) -> Selection | None:
        """Live rows of the scope where the filter holds; None stands for every row."""
        found = None if node is ALWAYS else leaf_rows(node, self.rows.columns, self.count)
        if found is None:
            mask = self._mask(node, scope)
            return None if mask is None else Selection(self.count, mask=mask)
        [numbers] = found.pieces
        code = self._scope_code(scope)
        if code is None and self.live is None:
            return Selection(self.count, rows=numbers, contains=found.contains)
        if self.live is not None:
            numbers = numbers[self.live[numbers]]
        if code is not None:
            numbers = numbers[self.rows.scope_column(self.count)[numbers] == code]
        return Selection(self.count, rows=numbers)

    def _mask(self, node: Filter, scope: Scope | AllScopes) -> RowMask | None:
        mask = self.live
        code = self._scope_code(scope)
        if code is not None:
            inside = self.rows.scope_column(self.count) == code
            mask = inside if mask is None else mask & inside
        if node is not ALWAYS:
            found = row_mask(node, self.rows.columns, self.count)
            mask = found if mask is None else mask & found
        return mask

    def _scope_code(self, scope: Scope | AllScopes) -> int | None:
        """What rows of the scope have in the scope column; None where all rows are of it."""
        scopes = self.rows.scopes
        if isinstance(scope, AllScopes) or scopes == [scope]:
            return None
        return scopes.index(scope) if scope in scopes else -1

    def select(self, node: Filter, scope: Scope | AllScopes) -> RowNumbers:
        """Numbers of the rows of `selection`."""
        chosen = self.selection(node, scope)
        return np.arange(self.count) if chosen is None else chosen.rows

    def is_ready(self, node: Filter) -> bool:
        """Whether a filter is small, and every column it reads is ranked already, so that `selection` does array work
        only.
        """
        return node is ALWAYS or is_ready(node, self.rows.columns)

    def is_live(self, row: int) -> bool:
        """Whether a row is part of this view."""
        return row < self.count and (self.live is None or bool(self.live[row]))

    def records(self, numbers: Sequence[int], *, include_vectors: bool) -> list[Record]:
        """Rows as records; vectors are copies."""
        return sliced(numbers, lambda part: self._records(part, include_vectors=include_vectors))

    def _records(self, numbers: Sequence[int], *, include_vectors: bool) -> list[Record]:
        rows = self.rows
        return [
            Record(rows.ids[row], vector=vector, text=text, metadata=metadata, system=system)
            for row, vector, text, metadata, system in zip(
                numbers,
                self._vectors(numbers, include=include_vectors),
                rows.texts_of(numbers),
                rows.metadata_of(numbers),
                rows.system_of(numbers),
                strict=True,
            )
        ]

    def _vectors(self, numbers: Sequence[int], *, include: bool) -> FloatMatrix | list[None]:
        return self.rows.gather(np.asarray(numbers, dtype=np.int64)) if include else [None] * len(numbers)

    def batch(self, numbers: Sequence[int], *, include_vectors: bool, scope: Scope, cursor: str) -> RecordBatch:
        """Rows as columns; vectors are copied."""
        rows = self.rows
        return RecordBatch(
            ids=[rows.ids[row] for row in numbers],
            vectors=rows.gather(np.asarray(numbers, dtype=np.int64)) if include_vectors else None,
            texts=sliced(numbers, rows.texts_of),
            metadata=sliced(numbers, rows.metadata_of),
            system=sliced(numbers, rows.system_of),
            scope=scope,
            cursor=cursor,
        )

    def matches(
        self, numbers: Sequence[int], *, scores: Sequence[float], distances: Sequence[float], include_vectors: bool
    ) -> list[Match]:
        """Rows as the answer to a search."""
        rows = self.rows
        ids = [rows.ids[row] for row in numbers]
        vectors = self._vectors(numbers, include=include_vectors)
        texts = sliced(numbers, rows.texts_of)
        metadata = sliced(numbers, rows.metadata_of)
        system = sliced(numbers, rows.system_of)
        return list(map(Match, ids, scores, distances, texts, metadata, vectors, system))
