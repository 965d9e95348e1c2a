"""Metadata as typed columns: many records without a Python object a value. Each column is also a sequence of plain
values.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from vpa.base.arrays import RowMask, RowNumbers
from vpa.base.metadata import INT_MAX, ValueRuleError, canonical_scalar, check_key
from vpa.base.showing import shown

_NUL: Final = "holds NUL; remove it"


@dataclass(frozen=True, slots=True, eq=False)
class NumberColumn(Sequence[Any]):
    """`values` `(n,)` of int64, float64 or bool; `valid` marks those that are there, None stands for all."""

    values: NDArray[Any]
    valid: RowMask | None = None

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return [self[place] for place in range(*row.indices(len(self)))]
        return None if self.valid is not None and not self.valid[row] else self.values.item(row)

    @property
    def kind(self) -> str:
        """`"boolean"` or `"number"`, by the dtype."""
        return "boolean" if self.values.dtype == np.bool_ else "number"

    def part(self, start: int, stop: int) -> NumberColumn:
        """Rows `start` to `stop`, not copied."""
        return NumberColumn(self.values[start:stop], None if self.valid is None else self.valid[start:stop])

    def take(self, rows: RowNumbers) -> NumberColumn:
        """A copy of these rows."""
        return NumberColumn(self.values[rows], None if self.valid is None else self.valid[rows])

    def distinct(self) -> tuple[list[Any], NDArray[np.int64]]:
        """Each value once, and for each row which of them it has; for columns whose values are all there."""
        values, places = np.unique(self.values, return_inverse=True)
        return values.tolist(), places


@dataclass(frozen=True, slots=True, eq=False)
class TextColumn(Sequence[str | None]):
    """Texts in UTF-8, as Arrow keeps them: text n is `data[offsets[n]:offsets[n + 1]]`; those that are not valid have
    no bytes.
    """

    offsets: NDArray[np.int64]
    data: NDArray[np.uint8]
    valid: RowMask | None = None

    @classmethod
    def of(cls, texts: Sequence[str | None]) -> TextColumn:
        """From Python's own; raises UnicodeEncodeError."""
        encoded = [b"" if text is None else text.encode() for text in texts]
        lengths = np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded))
        valid = np.fromiter((text is not None for text in texts), dtype=np.bool_, count=len(texts))
        data = np.frombuffer(b"".join(encoded), dtype=np.uint8)
        return cls(np.concatenate(([0], np.cumsum(lengths))), data, None if valid.all() else valid)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, row: int) -> str | None: ...
    @overload
    def __getitem__(self, row: slice) -> list[str | None]: ...
    def __getitem__(self, row: int | slice) -> Any:
        if isinstance(row, slice):
            return [self[place] for place in range(*row.indices(len(self)))]
        row = range(len(self))[row]
        if self.valid is not None and not self.valid[row]:
            return None
        return self.data[self.offsets[row] : self.offsets[row + 1]].tobytes().decode()

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Bytes of each text, -1 for one that is not there."""
        lengths = np.diff(self.offsets)
        return lengths if self.valid is None else np.where(self.valid, lengths, -1)

    @property
    def kind(self) -> str:
        """`"string"`, as every dictionary of texts."""
        return "string"

    def part(self, start: int, stop: int) -> TextColumn:
        """Rows `start` to `stop`; offsets begin at 0 again, the bytes are not copied."""
        offsets = self.offsets[start : stop + 1]
        data = self.data[offsets[0] : offsets[-1]]
        return TextColumn(offsets - offsets[0], data, None if self.valid is None else self.valid[start:stop])

    def take(self, rows: RowNumbers) -> TextColumn:
        """A copy of these rows."""
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate(([0], np.cumsum(lengths)))
        places = np.repeat(self.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return TextColumn(offsets, self.data[places], None if self.valid is None else self.valid[rows])

    def distinct(self) -> tuple[list[str], NDArray[np.int64]]:
        """Each value once, and for each row which of them it has; for columns whose values are all there."""
        known: dict[bytes, int] = {}
        data, offsets = self.data.tobytes(), self.offsets.tolist()
        texts = (data[start:end] for start, end in pairwise(offsets))
        places = np.fromiter((known.setdefault(text, len(known)) for text in texts), dtype=np.int64, count=len(self))
        return [text.decode() for text in known], places

    def check(self) -> None:
        """Raise ValueRuleError, with the row, for a text that not every store can hold."""
        found = np.flatnonzero(self.data == 0)
        if len(found):
            raise ColumnRuleError(_NUL, int(np.searchsorted(self.offsets, found[0], side="right")) - 1)


Column: TypeAlias = NumberColumn | TextColumn


class ColumnRuleError(ValueRuleError):
    """A value of a column breaks a rule; `row` says where."""

    def __init__(self, message: str, row: int) -> None:
        super().__init__(message)
        self.row = row


class MetadataColumns(Sequence[dict[str, Any]]):
    """The metadata of many records as one column a key, and at the same time a sequence of mappings, made when they are
    asked for.

    A value that is not there is no key of its mapping.
    """

    def __init__(self, columns: Mapping[str, Any], *, length: int | None = None) -> None:
        """Columns by key: NumPy arrays, masked arrays, lists of plain values of one type, or columns of this module.

        `length` is needed where there is no column. Raises ValueRuleError, naming the column, for values that no store
        can hold and for columns of different lengths.
        """
        self.columns: dict[str, Column] = {}
        for key, values in columns.items():
            try:
                self.columns[check_key(key)] = as_column(values)
            except ColumnRuleError as error:
                raise ColumnRuleError(f"column {key!r} {error}", error.row) from None
            except ValueRuleError as error:
                raise ValueRuleError(f"column {key!r} {error}") from None
        lengths = {key: len(column) for key, column in self.columns.items()}
        self._length = next(iter(lengths.values()), 0) if length is None else length
        wrong = next((key for key, found in lengths.items() if found != self._length), None)
        if wrong is not None:
            raise ValueRuleError(f"column {wrong!r} has {lengths[wrong]} values, not {self._length}")

    def __len__(self) -> int:
        return self._length

    def part(self, start: int, stop: int) -> MetadataColumns:
        """The columns of rows `start` to `stop`, not copied and not checked again."""
        result = MetadataColumns({}, length=stop - start)
        result.columns = {key: column.part(start, stop) for key, column in self.columns.items()}
        return result

    @overload
    def __getitem__(self, row: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, row: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, row: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(row, slice):
            return [self[place] for place in range(*row.indices(self._length))]
        row = range(self._length)[row]
        values = ((key, column[row]) for key, column in self.columns.items())
        return {key: value for key, value in values if value is not None}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[row] for row in range(self._length))


def as_column(values: Any) -> Column:
    """The column of these values, checked; raises ValueRuleError. Nothing is shared with the caller: a store keeps
    columns as they are, and an array of the caller may be filled anew for the next batch.
    """
    if isinstance(values, TextColumn):
        values.check()
        valid = None if values.valid is None else values.valid.copy()
        return TextColumn(values.offsets.copy(), values.data.copy(), valid)
    if isinstance(values, NumberColumn):
        return _numbers(values.values, values.valid)
    # numpy.ma is loaded late: what nobody loaded, nobody made an array with.
    if "numpy.ma" in sys.modules and isinstance(values, np.ma.MaskedArray):
        return _numbers(np.asarray(values.data), ~np.ma.getmaskarray(values))
    if isinstance(values, np.ndarray) and values.dtype.kind != "O":
        return _texts(values.tolist()) if values.dtype.kind == "U" else _numbers(values, None)
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise ValueRuleError(f"is {shown(values)}; a column is an array or a list with a value for each record")
    return _of_objects(list(values))


def _numbers(values: NDArray[Any], valid: RowMask | None) -> NumberColumn:
    if values.ndim != 1:
        raise ValueRuleError(f"must have one dimension, it has shape {values.shape}")
    kind = values.dtype.kind
    if kind == "M":
        raise ValueRuleError(
            "holds datetimes without a time zone; give them one, in pandas column.dt.tz_localize('UTC'), or pass text"
        )
    if kind not in "biuf" or values.dtype.itemsize > 8:
        raise ValueRuleError(f"has type {values.dtype}, which is not a boolean, an integer, a float or text")
    if valid is not None:
        values = np.where(valid, values, np.zeros(1, dtype=values.dtype))
        valid = None if valid.all() else valid
    if kind == "u" and len(values) and values.max() > INT_MAX:
        raise ColumnRuleError("is an integer beyond 64 bits; use a float or text", int(np.argmax(values > INT_MAX)))
    if kind == "f":
        finite = np.isfinite(values)
        if not finite.all():
            row = int(np.argmin(finite))
            raise ColumnRuleError(f"is {values[row]}; only finite numbers can be stored", row)
    wanted = {"b": np.bool_, "f": np.float64}.get(kind, np.int64)
    column: NDArray[Any] = values.astype(wanted)
    column.setflags(write=False)
    return NumberColumn(column, None if valid is None else valid.copy())


def _texts(values: list[str | None]) -> TextColumn:
    try:
        column = TextColumn.of(values)
    except UnicodeEncodeError as error:
        row = next(row for row, text in enumerate(values) if text is not None and not _is_unicode(text))
        raise ColumnRuleError(
            f"holds a lone surrogate at position {error.start}; it is not valid Unicode", row
        ) from None
    column.check()
    return column


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _of_objects(values: list[Any]) -> Column:
    plain = []
    for row, value in enumerate(values):
        try:
            plain.append(canonical_scalar(value))
        except ValueRuleError as error:
            raise ColumnRuleError(str(error), row) from None
    kinds = {type(value) for value in plain if value is not None}
    if len(kinds) > 1:
        names = " and ".join(sorted(kind.__name__ for kind in kinds))
        raise ValueRuleError(f"mixes {names}; a column has one type, mappings may differ")
    if kinds == {str}:
        return _texts(plain)  # type: ignore[arg-type]
    valid = np.fromiter((value is not None for value in plain), dtype=np.bool_, count=len(plain))
    kind: Any = np.bool_ if kinds == {bool} else np.float64 if kinds == {float} else np.int64
    array: NDArray[Any] = np.asarray([0 if value is None else value for value in plain], dtype=kind)
    return NumberColumn(array, None if valid.all() else valid)
