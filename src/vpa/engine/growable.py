"""Append-only columns: arrays that grow, and texts that may start on a mapped file.

One writer appends; readers see a prefix. Nothing that was written is ever changed, so readers need no lock: they take
the length first and the array after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

_SMALLEST = 256
Buffer: TypeAlias = "bytes | memoryview"


class GrowableArray:
    """A 1-D array that is appended to; growing copies, readers keep the old one."""

    __slots__ = ("_array", "length")

    def __init__(self, initial: NDArray[Any]) -> None:
        self._array = initial
        self.length = len(initial)

    def extend(self, values: NDArray[Any]) -> None:
        """Append `values`."""
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


class Heap:
    """One optional byte string a row: a mapped part (blob and offsets) and a tail of Python objects."""

    __slots__ = ("_base", "_lengths", "_offsets", "_tail")

    def __init__(self, base: Buffer = b"", lengths: NDArray[np.int64] | None = None) -> None:
        self._base = memoryview(base)
        self._lengths = np.empty(0, dtype=np.int64) if lengths is None else lengths
        self._offsets = np.concatenate(([0], np.cumsum(np.maximum(self._lengths, 0))))
        self._tail: list[bytes | None] = []

    def __len__(self) -> int:
        return len(self._lengths) + len(self._tail)

    def __getitem__(self, row: int) -> bytes | None:
        mapped = len(self._lengths)
        if row >= mapped:
            return self._tail[row - mapped]
        if self._lengths[row] < 0:
            return None
        return bytes(self._base[self._offsets[row] : self._offsets[row + 1]])

    def extend(self, values: Iterable[bytes | None]) -> None:
        """Append a row for each value."""
        self._tail.extend(values)


def pack_heap(values: Sequence[bytes | None]) -> tuple[NDArray[np.int64], bytes]:
    """Lengths (-1 for None) and the joined bytes."""
    lengths = np.fromiter((-1 if value is None else len(value) for value in values), dtype=np.int64, count=len(values))
    return lengths, b"".join(value for value in values if value is not None)


def unpack_heap(lengths: NDArray[np.int64], blob: Buffer) -> list[bytes | None]:
    """What `pack_heap` was given."""
    heap = Heap(blob, lengths)
    return [heap[row] for row in range(len(heap))]


def as_bytes(array: NDArray[Any]) -> Buffer:
    """The bytes of an array in C order; not copied if it is in that order already."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data if array.size else b""
