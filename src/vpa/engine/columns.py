"""Metadata as typed columns: a dictionary of distinct values and `(row, code)` entries for each path and kind.

An entry is a value of a row's set; a list has several. Entries stand in row order, so a view of the first n rows is a
prefix. Inverted lists (rows by code) and the sort order of the distinct values are made when a filter first needs them.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vpa.base.arrays import IntColumn, RowMask
from vpa.base.metadata import Scalar, Value, kind_of, leaves
from vpa.engine.growable import GrowableArray
from vpa.filters.ast import Comparison, Field

_INVERT_FROM: Final = 4096


class ColumnKey(NamedTuple):
    """Which column: a field, and one of the kinds boolean, number, string."""

    field: Field
    kind: str


class Entries(NamedTuple):
    """`(row, code)` pairs of a column, in row order."""

    rows: IntColumn
    codes: IntColumn


class _Inverted(NamedTuple):
    length: int
    rows: IntColumn
    starts: NDArray[np.int64]


class _Order(NamedTuple):
    values: list[Any]
    codes: NDArray[np.int64]


class Column:
    """All values of one field and kind. Values of one kind compare and hash as SEMANTICS asks: Python does it exactly."""

    __slots__ = ("_codes", "_entry_codes", "_inverted", "_lock", "_order", "_rows", "_whole", "values")

    def __init__(self, values: list[Any], entries: Entries) -> None:
        self.values = values
        self._codes: dict[Any, int] | None = None
        self._rows = GrowableArray(entries.rows)
        self._entry_codes = GrowableArray(entries.codes)
        self._inverted: _Inverted | None = None
        self._order: _Order | None = None
        # How many entries are known to be one for each row, from the first on; -1 if that ends somewhere.
        self._whole = 0
        self._lock = threading.Lock()

    @property
    def codes(self) -> dict[Any, int]:
        """Code by value; made when first used, so that opening a stored collection need not."""
        if self._codes is None:
            # Readers come here too: two dictionaries, of which one knows less, must never be made.
            with self._lock:
                if self._codes is None:
                    self._codes = {value: code for code, value in enumerate(self.values)}
        return self._codes

    def code_for(self, value: Any) -> int:
        """The code of `value`, a new one if it was not there."""
        codes = self.codes
        code = codes.get(value)
        if code is None:
            code = codes[value] = len(self.values)
            self.values.append(value)
        return code

    def extend(self, rows: Sequence[int], codes: Sequence[int]) -> None:
        """Append entries. The rows go last: readers take their length first."""
        self._entry_codes.extend(np.asarray(codes, dtype=np.int32))
        self._rows.extend(np.asarray(rows, dtype=np.int32))

    def entries(self, row_count: int) -> Entries:
        """The entries of the first `row_count` rows."""
        length = self._rows.length
        rows: IntColumn = self._rows.prefix(length)
        if length and rows[-1] >= row_count:
            length = int(np.searchsorted(rows, row_count))
        return Entries(rows[:length], self._entry_codes.prefix(length))

    def mark_equal(self, values: Sequence[Any], mask: RowMask) -> None:
        """Set `mask` where some value of the row is among `values`."""
        wanted = [code for code in (self.codes.get(value) for value in values) if code is not None]
        if wanted:
            self._mark_codes(np.asarray(wanted, dtype=np.int64), mask)

    def mark_range(self, comparison: Comparison, value: Any, mask: RowMask) -> None:
        """Set `mask` where some value of the row compares so with `value`."""
        order = self._sorted()
        if comparison is Comparison.GT:
            span = slice(bisect_right(order.values, value), None)
        elif comparison is Comparison.GTE:
            span = slice(bisect_left(order.values, value), None)
        elif comparison is Comparison.LT:
            span = slice(0, bisect_left(order.values, value))
        else:
            span = slice(0, bisect_right(order.values, value))
        wanted = order.codes[span]
        if len(wanted):
            self._mark_codes(wanted, mask)

    def mark_present(self, mask: RowMask) -> None:
        """Set `mask` where the row has any value."""
        mask[self.entries(len(mask)).rows] = True

    def _mark_codes(self, wanted: NDArray[np.int64], mask: RowMask) -> None:
        entries = self.entries(len(mask))
        done = 0
        if len(wanted) <= 64 and len(entries.rows) >= _INVERT_FROM:
            inverted = self._invert(entries)
            done = inverted.length
            for code in wanted.tolist():
                if code < len(inverted.starts) - 1:
                    rows = inverted.rows[inverted.starts[code] : inverted.starts[code + 1]]
                    mask[rows[: np.searchsorted(rows, len(mask))] if len(rows) and rows[-1] >= len(mask) else rows] = (
                        True
                    )
        if done >= len(entries.rows):
            return
        flags = np.zeros(len(self.values), dtype=np.bool_)
        flags[wanted] = True
        if done == 0 and self._is_whole(entries):
            np.logical_or(mask[: len(entries.rows)], flags[entries.codes], out=mask[: len(entries.rows)])
            return
        mask[entries.rows[done:][flags[entries.codes[done:]]]] = True

    def _is_whole(self, entries: Entries) -> bool:
        """Whether entry n is that of row n, so that a mask of entries is a mask of rows."""
        known, length = self._whole, len(entries.rows)
        if 0 <= known < length:
            whole = np.array_equal(entries.rows[known:], np.arange(known, length, dtype=np.int32))
            self._whole = known = length if whole else -1
        return known >= length

    def _invert(self, entries: Entries) -> _Inverted:
        known = self._inverted
        if known is None or len(entries.rows) > known.length * 5 // 4:
            order = np.argsort(entries.codes, kind="stable")
            counts = np.bincount(entries.codes, minlength=len(self.values))
            known = _Inverted(len(order), entries.rows[order], np.concatenate(([0], np.cumsum(counts))))
            self._inverted = known
        return known

    def _sorted(self) -> _Order:
        known = self._order
        size = len(self.values)
        if known is None or len(known.values) < size:
            values = self.values[:size]
            codes = sorted(range(size), key=values.__getitem__)
            known = _Order([values[code] for code in codes], np.asarray(codes, dtype=np.int64))
            self._order = known
        return known


class Columns:
    """Every column of a collection."""

    def __init__(self) -> None:
        self._columns: dict[ColumnKey, Column] = {}

    def add(self, key: ColumnKey, column: Column) -> None:
        """Put in a column that was read from a file."""
        self._columns[key] = column

    def get(self, field: Field, kind: str) -> Column | None:
        """The column, if any row ever had such a value."""
        return self._columns.get(ColumnKey(field, kind))

    def items(self) -> list[tuple[ColumnKey, Column]]:
        """All columns; a copy, for readers."""
        return list(self._columns.items())

    def at_or_below(self, field: Field) -> Iterator[Column]:
        """The columns of a field and, for metadata, of the paths below it."""
        prefix = field.path + "."
        for (found, _), column in self.items():
            below = not field.system and not found.system and found.path.startswith(prefix)
            if found == field or below:
                yield column

    def append(
        self, first_row: int, metadata: Sequence[Mapping[str, Value]], system: Sequence[Mapping[str, Scalar]] | None
    ) -> None:
        """Add the values of rows `first_row`, `first_row + 1`, …"""
        pending: dict[ColumnKey, tuple[Column, list[int], list[int]]] = {}
        plain: dict[tuple[str, type], tuple[Column, list[int], list[int]]] = {}
        for row, mapping in enumerate(metadata, first_row):
            for key, value in mapping.items():
                kind = type(value)
                found = plain.get((key, kind))
                if found is None:
                    if kind is dict or kind is list:
                        self._append_nested(pending, row, {key: value})
                        continue
                    if value is None:
                        continue
                    found = plain[key, kind] = self._pending(pending, Field(key), kind_of(value))  # type: ignore[arg-type]
                found[1].append(row)
                found[2].append(found[0].code_for(value))
        for row, fields in enumerate(system or (), first_row):
            for name, scalar in fields.items():
                if scalar is not None:
                    column, rows, codes = self._pending(pending, Field(name, system=True), kind_of(scalar))
                    rows.append(row)
                    codes.append(column.code_for(scalar))
        for column, rows, codes in pending.values():
            column.extend(rows, codes)

    def _append_nested(
        self, pending: dict[ColumnKey, tuple[Column, list[int], list[int]]], row: int, mapping: Mapping[str, Value]
    ) -> None:
        for path, values in leaves(mapping):
            column, rows, codes = self._pending(pending, Field(path), kind_of(values[0]))
            for code in {column.code_for(value) for value in values}:
                rows.append(row)
                codes.append(code)

    def _pending(
        self, pending: dict[ColumnKey, tuple[Column, list[int], list[int]]], field: Field, kind: str
    ) -> tuple[Column, list[int], list[int]]:
        key = ColumnKey(field, kind)
        if key not in pending:
            column = self._columns.get(key)
            if column is None:
                column = self._columns[key] = Column([], Entries(np.empty(0, np.int32), np.empty(0, np.int32)))
            pending[key] = (column, [], [])
        return pending[key]

    def kept(self, live: RowMask) -> Columns:
        """New columns holding only the rows where `live`, renumbered; values that no row has any more are gone."""
        result = Columns()
        new_row = np.cumsum(live, dtype=np.int32) - 1
        for key, column in self.items():
            entries = column.entries(len(live))
            keep = live[entries.rows]
            if keep.any():
                used, codes = np.unique(entries.codes[keep], return_inverse=True)
                values = [column.values[code] for code in used.tolist()]
                result.add(key, Column(values, Entries(new_row[entries.rows[keep]], codes.astype(np.int32))))
        return result
