"""Append-only columns: arrays that grow, and texts that may start on a mapped file.

What may be appended to in place beside readers is said once, in `engine.writer.Writer`. Readers take the length first
and the array after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vpa.base.arrays import RowNumbers
from vpa.engine.slices import rest

_SMALLEST = 256  # The first room, so that small collections do not grow row by row.
# So many objects at once: seven hundred would set off Python's search for garbage.
_TOGETHER = 250
_PIECES = 1024
# So many of them between two rests.
_REST_AFTER = 8
Buffer: TypeAlias = "bytes | memoryview"


class GrowableArray:
    """A 1-D array that is appended to; growing copies, readers keep the old one."""

    __slots__ = ("_array", "length")

    def __init__(self, initial: NDArray[Any]) -> None:
        self._array = initial
        self.length = len(initial)

    def extend(self, values: NDArray[Any]) -> None:
        """Append `values`; a longer array is made when the room is used up."""
        if not len(values):
            return
        end = self.length + len(values)
        if end > len(self._array):
            grown = np.empty(max(end, _SMALLEST, len(self._array) * 3 // 2), dtype=self._array.dtype)
            grown[: self.length] = self._array[: self.length]
            self._array = grown
        self._array[self.length : end] = values
        self.length = end

    def prefix(self, length: int) -> NDArray[Any]:
        """The first `length` values, not copied."""
        return self._array[:length]

    @property
    def whole(self) -> NDArray[Any]:
        """The values, and the room behind them."""
        return self._array


class Packed(NamedTuple):
    """Byte strings in one piece: their lengths `(n,) int64`, -1 for None, and all of them joined."""

    lengths: NDArray[np.int64]
    blob: Buffer

    @classmethod
    def of(cls, values: Iterable[bytes | None]) -> Packed:
        """Joined some at a time, so that no object a value is left behind."""
        lengths: list[int] = []
        blobs: list[bytes] = []
        values = iter(values)
        while part := list(islice(values, _TOGETHER)):
            lengths += [-1 if value is None else len(value) for value in part]
            blobs.append(b"".join([value for value in part if value is not None]))
            if len(blobs) % _REST_AFTER == 0:
                rest()
        return cls(np.asarray(lengths, dtype=np.int64), b"".join(blobs))

    @classmethod
    def repeat(cls, value: bytes | None, count: int) -> Packed:
        """`count` times the same."""
        return cls(np.full(count, -1 if value is None else len(value), dtype=np.int64), (value or b"") * count)

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def ends(self) -> NDArray[np.int64]:
        """Where in `blob` each one ends."""
        return np.maximum(self.lengths, 0).cumsum()

    def unpack(self) -> list[bytes | None]:
        """What `of` was given."""
        ends = self.ends.tolist()
        return [
            None if length < 0 else bytes(self.blob[end - length : end])
            for length, end in zip(self.lengths.tolist(), ends, strict=True)
        ]

    def take(self, positions: Sequence[int]) -> Packed:
        """Those at `positions`, in that order."""
        values = self.unpack()
        return Packed.of(values[position] for position in positions)


class Heap:
    """One optional byte string a row: a part that may be mapped, and behind it one that grows."""

    __slots__ = ("_base", "_bytes", "_ends", "_lengths", "_mapped", "_mapped_ends", "largest")

    def __init__(self, mapped: Packed | None = None) -> None:
        self._mapped = Packed.of(()) if mapped is None else mapped
        self._base = memoryview(self._mapped.blob)
        self._mapped_ends = self._mapped.ends
        # Bytes of the longest row; 0 where every row holds nothing.
        self.largest = max(0, int(self._mapped.lengths.max(initial=0)))
        self._lengths = GrowableArray(np.empty(0, dtype=np.int64))
        self._ends = GrowableArray(np.empty(0, dtype=np.int64))
        self._bytes = GrowableArray(np.empty(0, dtype=np.uint8))

    def __len__(self) -> int:
        return len(self._mapped) + self._lengths.length

    def __getitem__(self, row: int) -> Buffer | None:
        return self.take([row])[0]

    def take(self, rows: Sequence[int]) -> list[Buffer | None]:
        """Of each of these rows; shares memory."""
        mapped = len(self._mapped)
        # In this order: what was published last is read first.
        lengths, ends, grown = self._lengths.whole, self._ends.whole, self._bytes.whole.data
        found: list[Buffer | None] = []
        for row in rows:
            if row < mapped:
                length, end, source = self._mapped.lengths.item(row), self._mapped_ends.item(row), self._base
            else:
                length, end, source = lengths.item(row - mapped), ends.item(row - mapped), grown
            found.append(None if length < 0 else source[end - length : end] if length else b"")
        return found

    @property
    def is_blank(self) -> bool:
        """Whether every row holds nothing: None or no bytes."""
        return not self.largest

    def extend(self, values: Packed) -> None:
        """Append a row for each value."""
        blob = np.frombuffer(values.blob, dtype=np.uint8)
        start = self._bytes.length
        self._bytes.extend(blob)
        self._ends.extend(values.ends + start)
        self._lengths.extend(values.lengths)
        if len(blob):
            self.largest = max(self.largest, int(values.lengths.max()))

    def packed(self, rows: RowNumbers) -> Packed:
        """A copy of these rows. By arrays: objects by the thousand set off Python's search for garbage, for which every
        thread waits.
        """
        lengths, ends, grown = self._lengths.whole, self._ends.whole, self._bytes.whole
        found = _of_two(self._mapped.lengths, lengths, rows)
        if not self.largest:
            return Packed(found, b"")
        lasts = _of_two(self._mapped_ends, ends, rows)
        inside = rows < len(self._mapped)
        base = np.frombuffer(self._base, dtype=np.uint8)
        firsts = lasts - np.maximum(found, 0)
        blobs = [np.empty(0, dtype=np.uint8)]
        for start in range(0, len(rows), _PIECES):
            part = slice(start, start + _PIECES)
            if start:
                rest()
            places = zip(inside[part].tolist(), firsts[part].tolist(), lasts[part].tolist(), strict=True)
            blobs.append(
                np.concatenate([base[first:last] if old else grown[first:last] for old, first, last in places])
            )
        return Packed(found, as_bytes(np.concatenate(blobs)))


def _of_two(mapped: NDArray[np.int64], grown: NDArray[np.int64], rows: RowNumbers) -> NDArray[np.int64]:
    """The values of these rows, where those of `grown` stand behind those of `mapped`."""
    inside = rows < len(mapped)
    result = np.empty(len(rows), dtype=np.int64)
    result[inside] = mapped[rows[inside]]
    result[~inside] = grown[rows[~inside] - len(mapped)]
    return result


def as_bytes(array: NDArray[Any]) -> Buffer:
    """The bytes of an array in C order; not copied if it is in that order already."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data if array.size else b""
