"""Metadata as typed columns: a dictionary of distinct values and `(row, code)` entries for each path and kind.

An entry is a value of a row's set; a list has several. Entries stand in row order, so a view of the first n rows is a
prefix (the memory rule of `engine.writer.Writer`). A ranking (rows by value, so that a value or a range of values is
one slice of it) is made when a filter first needs it.
"""

from __future__ import annotations

import operator
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from vpa.base.arrays import IntColumn, RowMask, RowNumbers
from vpa.base.metadata import Scalar, Value, kind_of, leaves
from vpa.base.tables import Column as TypedColumn
from vpa.base.tables import MetadataColumns
from vpa.engine.growable import GrowableArray
from vpa.engine.ranking import PLAIN, Entries, Form, Ranking, form_of, is_behind, rank
from vpa.engine.slices import slices
from vpa.filters.ast import Comparison, Field

_HOLDS: Final[dict[Comparison, Callable[[Any, Any], bool]]] = {
    Comparison.GT: operator.gt,
    Comparison.GTE: operator.ge,
    Comparison.LT: operator.lt,
    Comparison.LTE: operator.le,
}


class ColumnKey(NamedTuple):
    """Which column: a field, and one of the kinds boolean, number, string."""

    field: Field
    kind: str


class Rows(NamedTuple):
    """Rows that a leaf holds for, in pieces; `distinct` says that none stands in them twice.

    `contains`, where it is there, tells of single rows whether the leaf holds for them.
    """

    pieces: list[IntColumn]
    distinct: bool
    contains: Callable[[RowNumbers], RowMask] | None = None


class Column:
    """All values of one field and kind. Values of one kind compare and hash as SEMANTICS asks: Python does it
    exactly.
    """

    __slots__ = ("_codes", "_entry_codes", "_folds", "_form", "_lock", "_pending", "_ranking", "_rows", "values")

    def __init__(self, values: list[Any], entries: Entries, form: Form = PLAIN) -> None:
        self.values = values
        self._form = form
        self._codes: dict[Any, int] | None = None
        self._rows = GrowableArray(entries.rows)
        self._entry_codes = GrowableArray(entries.codes)
        self._ranking: Ranking | None = None
        # A ranking, and the places of its values by their folded form.
        self._folds: tuple[Ranking, dict[str, list[int]]] | None = None
        # Values that came as arrays and have no codes yet: nobody has asked.
        self._pending: list[tuple[IntColumn, TypedColumn]] = []
        self._lock = threading.RLock()

    @property
    def codes(self) -> dict[Any, int]:
        """Code by value; made when first used, so that opening a stored collection need not."""
        if self._codes is None:
            # Readers come here too: two dictionaries, of which one knows less, must never be made.
            with self._lock:
                if self._codes is None:
                    self._codes = {value: code for code, value in enumerate(self.values)}
        return self._codes

    def extend_typed(self, rows: IntColumn, values: TypedColumn) -> None:
        """Append one entry a row, all values there; they get codes when somebody asks for the first time."""
        with self._lock:
            self._pending.append((rows, values))

    def _settle(self) -> None:
        with self._lock:
            if not self._pending:
                return
            parts: list[IntColumn] = []
            for _, values in self._pending:
                distinct, places = values.distinct()
                codes = np.fromiter((self._code(value) for value in distinct), dtype=np.int32, count=len(distinct))
                parts.append(codes[places])
            # All at once: where memory ends, all of them are still pending, and none is entered.
            self._append(np.concatenate([rows for rows, _ in self._pending]), np.concatenate(parts))
            self._pending.clear()

    def code_for(self, value: Any) -> int:
        """The code of `value`, a new one if it was not there."""
        if self._pending:
            self._settle()
        return self._code(value)

    def _code(self, value: Any) -> int:
        codes = self.codes
        code = codes.get(value)
        if code is None:
            code = len(self.values)
            self.values.append(value)
            try:
                codes[value] = code
            except BaseException:
                # The next value would be given the place of this one.
                self.values.pop()
                raise
        return code

    def extend(self, rows: Sequence[int], codes: Sequence[int]) -> None:
        """Append entries."""
        self._append(np.asarray(rows, dtype=np.int32), np.asarray(codes, dtype=np.int32))

    def _append(self, rows: IntColumn, codes: IntColumn) -> None:
        """Both or neither. The rows go last: readers take their length first."""
        length = self._entry_codes.length
        self._entry_codes.extend(codes)
        try:
            self._rows.extend(rows)
        except BaseException:
            self._entry_codes.length = length
            raise

    def entries(self, row_count: int) -> Entries:
        """The entries of the first `row_count` rows."""
        if self._pending:
            self._settle()
        return self._coded(row_count)

    def _coded(self, row_count: int) -> Entries:
        length = self._rows.length
        rows: IntColumn = self._rows.prefix(length)
        if length and rows[-1] >= row_count:
            length = int(np.searchsorted(rows, row_count))
        return Entries(rows[:length], self._entry_codes.prefix(length))

    def compacted(self, live: RowMask, new_row: IntColumn) -> Column | None:
        """What it holds of the rows where `live`, under their numbers in `new_row`; None for nothing.

        Values without codes go along as they are: giving them codes would keep other threads waiting.
        """
        with self._lock:
            entries, pending = self._coded(len(live)), list(self._pending)
        keep = live[entries.rows]
        used, codes = np.unique(entries.codes[keep], return_inverse=True)
        values = list(map(self.values.__getitem__, used.tolist()))
        result = Column(values, Entries(new_row[entries.rows[keep]], codes.astype(np.int32)), self._form)
        for rows, typed in pending:
            places = np.flatnonzero(live[rows[: np.searchsorted(rows, len(live))]])
            if len(places):
                result.extend_typed(new_row[rows[places]], typed.take(places))
        return result if values or result._pending else None

    def equal(self, values: Collection[Any], row_count: int) -> Rows:
        """Rows that hold one of `values`, which are hashable, among the first `row_count`."""
        seen = self._form.compared
        wanted = frozenset(map(seen, values))
        entries = self.entries(row_count)
        ranking = self._ranked(entries)
        spans = []
        for value in wanted:
            first = bisect_left(ranking.values, value)
            if first < len(ranking.values) and ranking.values[first] == value:
                spans.append((first, bisect_right(ranking.values, value, lo=first)))
        tail = self._tail(entries, ranking, lambda other: seen(other) in wanted)
        return self._spans_found(spans, tail, entries=entries, ranking=ranking)

    def _spans_found(
        self, spans: Sequence[tuple[int, int]], tail: IntColumn, *, entries: Entries, ranking: Ranking
    ) -> Rows:
        # One value stands in a row once, also in a list.
        once = sum(last - first for first, last in spans) <= 1 and not len(tail)
        pieces = [ranking.span(first, last) for first, last in spans]
        return self._rows_found(pieces, tail, entries=entries, ranking=ranking, distinct=ranking.single or once)

    def starting(self, prefix: str, row_count: int) -> Rows:
        """Rows that hold a text which begins with `prefix`, among the first `row_count`."""
        seen = self._form.compared
        prefix = seen(prefix)
        entries = self.entries(row_count)
        ranking = self._ranked(entries)
        first = bisect_left(ranking.values, prefix)
        # From there on, those that begin with it stand together.
        last = bisect_left(ranking.values, True, lo=first, key=lambda text: not text.startswith(prefix))
        tail = self._tail(entries, ranking, lambda other: seen(other).startswith(prefix))
        return self._spans_found([(first, last)], tail, entries=entries, ranking=ranking)

    def equal_ignoring_case(self, value: str, row_count: int) -> Rows:
        """Rows that hold a text which is `value` but for its case, among the first `row_count`."""
        fold = self._form.folded
        wanted = fold(value)
        entries = self.entries(row_count)
        ranking = self._ranked(entries)
        spans = [(place, place + 1) for place in self._places_by_fold(ranking).get(wanted, ())]
        tail = self._tail(entries, ranking, lambda other: fold(other) == wanted)
        return self._spans_found(spans, tail, entries=entries, ranking=ranking)

    def _places_by_fold(self, ranking: Ranking) -> dict[str, list[int]]:
        with self._lock:
            if self._folds is None or self._folds[0] is not ranking:
                places: dict[str, list[int]] = {}
                for place, text in enumerate(ranking.values):
                    places.setdefault(self._form.folded(text), []).append(place)
                self._folds = ranking, places
            return self._folds[1]

    def between(self, comparison: Comparison, value: Any, row_count: int) -> Rows:
        """Rows that hold a value which compares so with `value`, among the first `row_count`."""
        seen = self._form.compared
        value = seen(value)
        entries = self.entries(row_count)
        ranking = self._ranked(entries)
        bisect = bisect_right if comparison in (Comparison.GT, Comparison.LTE) else bisect_left
        place = bisect(ranking.values, value)
        upward = comparison in (Comparison.GT, Comparison.GTE)
        found = ranking.span(place, len(ranking.values)) if upward else ranking.span(0, place)
        holds = _HOLDS[comparison]
        tail = self._tail(entries, ranking, lambda other: holds(seen(other), value))
        rows = self._rows_found([found], tail, entries=entries, ranking=ranking, distinct=ranking.single)
        codes, places = ranking.codes, ranking.places
        if codes is None or len(tail) or ranking.length != row_count:
            return rows

        def contains(rows_asked: RowNumbers) -> RowMask:
            inside: RowMask = places[codes[rows_asked]] >= place
            return inside if upward else ~inside

        return rows._replace(contains=contains)

    def _rows_found(
        self, pieces: list[IntColumn], tail: IntColumn, *, entries: Entries, ranking: Ranking, distinct: bool
    ) -> Rows:
        if ranking.length > len(entries.rows):
            # It knows of rows that came after the reader's view.
            last = entries.rows[-1] if len(entries.rows) else -1
            pieces = [piece[piece <= last] for piece in pieces]
        if len(tail):
            distinct = distinct and bool((np.diff(tail) > 0).all())
            pieces = [*pieces, tail]
        return Rows(pieces, distinct)

    def present(self, row_count: int) -> Rows:
        """Rows that hold any value."""
        return Rows([self.entries(row_count).rows], distinct=False)

    def _tail(self, entries: Entries, ranking: Ranking, holds: Callable[[Any], bool]) -> IntColumn:
        """Rows of the entries behind the ranking whose value holds; a row may stand twice."""
        rows, codes = entries.rows[ranking.length :], entries.codes[ranking.length :]
        if not len(rows):
            return rows
        used, places = np.unique(codes, return_inverse=True)
        wanted = np.fromiter((holds(self.values[code]) for code in used.tolist()), dtype=np.bool_, count=len(used))
        found: IntColumn = rows[wanted[places]]
        return found

    @property
    def is_ready(self) -> bool:
        """Whether all values have codes, and a ranking stands that `equal` and `between` would use as it is."""
        ranking = self._ranking
        return not self._pending and ranking is not None and not is_behind(ranking, self._rows.length)

    def _ranked(self, entries: Entries) -> Ranking:
        known = self._ranking
        length = len(entries.rows)
        if known is None or is_behind(known, length):
            with self._lock:
                known = self._ranking
                if known is None or is_behind(known, length):
                    self._ranking = known = rank(entries, self.values, self._form.compared)
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

    def are_ready(self, field: Field) -> bool:
        """Whether those of exactly this field are."""
        for kind in ("string", "number", "boolean"):
            column = self._columns.get(ColumnKey(field, kind))
            if column is not None and not column.is_ready:
                return False
        return True

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
        self, first_row: int, metadata: Sequence[Mapping[str, Any]], system: Sequence[Mapping[str, Scalar]] | None
    ) -> None:
        """Add the values of rows `first_row`, `first_row + 1`, …"""
        if isinstance(metadata, MetadataColumns):
            self._append_typed(first_row, metadata)
            metadata = ()
        for part in slices(max(len(metadata), len(system or ()))):
            self._append_part(first_row + part.start, metadata[part], None if system is None else system[part])

    def _append_part(
        self, first_row: int, metadata: Sequence[Mapping[str, Any]], system: Sequence[Mapping[str, Scalar]] | None
    ) -> None:
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
                    found = plain[key, kind] = self._pending(pending, Field(key), kind_of(value))
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

    def _append_typed(self, first_row: int, metadata: MetadataColumns) -> None:
        for key, column in metadata.columns.items():
            rows = np.arange(first_row, first_row + len(column), dtype=np.int32)
            if column.valid is not None:
                rows, column = rows[column.valid], column.take(np.flatnonzero(column.valid))
            if len(rows):
                found = ColumnKey(Field(key), column.kind)
                self._made(found).extend_typed(rows, column)

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
            pending[key] = (self._made(key), [], [])
        return pending[key]

    def _made(self, key: ColumnKey) -> Column:
        column = self._columns.get(key)
        if column is None:
            nothing = Entries(np.empty(0, np.int32), np.empty(0, np.int32))
            column = self._columns[key] = Column([], nothing, form_of(*key))
        return column

    def compacted(self, live: RowMask) -> Columns:
        """New columns holding only the rows where `live`, renumbered; values that no row has any more are gone."""
        result = Columns()
        new_row = np.cumsum(live, dtype=np.int32) - 1
        for key, column in self.items():
            found = column.compacted(live, new_row)
            if found is not None:
                result.add(key, found)
        return result
