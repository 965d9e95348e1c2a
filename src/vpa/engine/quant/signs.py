"""One bit a dimension, in NumPy: the sign of `x - centre`; near means few different bits.

Two passes. The first counts different bits in a part of the words, for all rows; codes stand by word for that, so that
memory is read in order and whole columns are computed at once. The second counts all bits of the few that are left.
"""

from __future__ import annotations

import struct
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from vpa.base.arrays import FloatMatrix, FloatVector, RowNumbers
from vpa.engine.quant.base import Codes
from vpa.engine.selection import Selection

# Rows of codes looked at together, so that their distances stay in the second-level cache; encoded together,
# so that a float32 copy stays below 25 MB; sampled to find the cut; and the smallest block for many queries.
_BLOCK: Final = 65_536
_ENCODED: Final = 16_384
_SAMPLE: Final = 4_096
_SMALLEST: Final = 4_096
# The first pass leaves so many rows for each one that is wanted.
_LEFT: Final = 4
# So many queries are compared with a block of codes while it is in the cache.
_TOGETHER: Final = 8
# Up to this share of the rows, the codes of those chosen are gathered first.
_SPARSE: Final = 0.25
# From so many rows on, sorting them costs less than reading codes out of order: they come by value, not by number.
_IN_ORDER: Final = 32_768
# So many bits are counted in a byte. 256 different ones would count as none, which makes that row a candidate too many.
_BYTE_WORDS: Final = 4
_HEADER: Final = struct.Struct("<8sQQ")
_MAGIC: Final = b"VPASIGN1"
Words = NDArray[np.uint64]


class SignCodes(Codes):
    """`d / 8` bytes a row."""

    name: ClassVar[str] = "signs"

    def __init__(self, dimension: int) -> None:
        super().__init__(dimension)
        self._words: Final = -(-dimension // 64)
        self._codes: Words = np.empty((self._words, 0), dtype=np.uint64)
        self._count = 0
        self._centre: FloatVector = np.zeros(dimension, dtype=np.float32)

    def __len__(self) -> int:
        return self._count

    @property
    def size_bytes(self) -> int:
        """The part in use."""
        return self._count * self._words * 8

    def fit(self, sample: FloatMatrix) -> None:
        """The centre: the mean of the sample."""
        self._centre = sample.mean(axis=0, dtype=np.float64).astype(np.float32)

    def add(self, vectors: FloatMatrix) -> None:
        """Pack the signs of more rows behind the others."""
        end = self._count + len(vectors)
        if end > self._codes.shape[1]:
            grown = np.empty((self._words, max(end, _SMALLEST, self._codes.shape[1] * 3 // 2)), dtype=np.uint64)
            grown[:, : self._count] = self._codes[:, : self._count]
            self._codes = grown
        for start in range(0, len(vectors), _ENCODED):
            part = self._packed(vectors[start : start + _ENCODED])
            self._codes[:, self._count + start : self._count + start + len(part)] = part.T
        self._count = end

    def compact(self) -> None:
        """To the rows there are."""
        self._codes = np.ascontiguousarray(self._codes[:, : self._count])

    def _packed(self, vectors: FloatMatrix) -> Words:
        packed = np.zeros((len(vectors), self._words * 8), dtype=np.uint8)
        bits = np.packbits(vectors > self._centre, axis=1)
        packed[:, : bits.shape[1]] = bits
        return packed.view(np.uint64)

    def _first_words(self) -> int:
        return self._words if self._words <= _BYTE_WORDS else max(_BYTE_WORDS, self._words // 3)

    def _distances(self, queries: Words, count: int, words: int) -> NDArray[Any]:
        """`(q, count)`: different bits of the first `words` words, of the first `count` rows."""
        codes, many = self._codes, len(queries)
        result: NDArray[Any] = np.empty((many, count), dtype=np.uint8 if words <= _BYTE_WORDS else np.uint16)
        size = min(max(_BLOCK // many, _SMALLEST), count)
        changed = np.empty((many, size), np.uint64)
        ones, part = np.empty((many, size), np.uint8), np.empty((many, size), np.uint8)
        for start in range(0, count, size or 1):
            total = result[:, start : start + size]
            rows = slice(start, start + total.shape[1])
            word, one, sums = (buffer[:, : total.shape[1]] for buffer in (changed, ones, part))
            if result.dtype == np.uint8:
                sums = total
            for first in range(0, words, _BYTE_WORDS):
                for number in range(first, min(words, first + _BYTE_WORDS)):
                    np.bitwise_xor(codes[number, rows], queries[:, number, None], out=word)
                    np.bitwise_count(word, out=sums if number == first else one)
                    if number > first:
                        np.add(sums, one, out=sums)
                if sums is not total:
                    np.add(total, sums, out=total) if first else np.copyto(total, sums)
        return result

    def candidates(self, queries: FloatMatrix, m: int, *, count: int, chosen: Selection | None) -> list[RowNumbers]:
        """By thresholds on the number of different bits, the first estimated from every n-th row."""
        packed = self._packed(queries)
        if chosen is not None and chosen.count <= count * _SPARSE:
            return self._among(packed, m, chosen.rows)
        first = self._first_words()
        wanted = m if first == self._words else _LEFT * m
        found = []
        for start in range(0, len(packed), _TOGETHER):
            part = packed[start : start + _TOGETHER]
            for query, distances in zip(part, self._distances(part, count, first), strict=True):
                rows = _nearest(distances, wanted, chosen)
                if len(rows) > m:
                    bits = distances[rows]
                    if first < self._words:
                        bits = bits + self._bits(query, rows, first)
                    rows = rows[_least(bits, m)]
                found.append(rows)
        return found

    def _among(self, packed: Words, m: int, rows: RowNumbers) -> list[RowNumbers]:
        """Of few rows, by all bits."""
        if len(rows) <= m:
            return [rows] * len(packed)
        if len(rows) > _IN_ORDER:
            rows = np.sort(rows)
        codes = np.take(self._codes, rows, axis=1)
        return [rows[_least(_count_bits(codes, query, out=np.empty_like(codes)), m)] for query in packed]

    def _bits(self, query: Words, rows: RowNumbers, first: int) -> NDArray[Any]:
        """Different bits of these rows, in the words from `first` on."""
        codes = np.take(self._codes[first:], rows, axis=1)
        return _count_bits(codes, query[first:], out=codes)

    def ranks(self, queries: FloatMatrix, rows: RowNumbers, *, limit: int) -> RowNumbers:
        """Ties count as before it; a row that the first pass loses at depth m has a rank above m."""
        result = np.empty(rows.shape, dtype=np.int64)
        first = self._first_words()
        packed = self._packed(queries)
        for place in range(len(packed)):
            [distances] = self._distances(packed[place : place + 1], self._count, self._words)
            result[place] = _places(distances, rows[place])
            if first < self._words:
                [distances] = self._distances(packed[place : place + 1], self._count, first)
                early = _places(distances, rows[place])
                np.maximum(result[place], early // _LEFT, out=result[place])
        return np.minimum(result, limit)

    def dump(self) -> bytes:
        """Header, centre, then the columns."""
        header = _HEADER.pack(_MAGIC, self.dimension, self._count)
        columns = np.ascontiguousarray(self._codes[:, : self._count])
        return b"".join((header, self._centre.tobytes(), bytes(-self.dimension * 4 % 8), columns.tobytes()))

    @classmethod
    def load(cls, data: memoryview, dimension: int) -> SignCodes:
        """Shares memory with `data` until rows are added."""
        magic, stored, count = _HEADER.unpack(data[: _HEADER.size])
        result = cls(dimension)
        start = _HEADER.size + dimension * 4
        columns = start + -dimension * 4 % 8
        if magic != _MAGIC or stored != dimension or len(data) != columns + count * result._words * 8:
            raise ValueError("these are no sign codes of this dimension")
        result._centre = np.frombuffer(data[_HEADER.size : start], dtype=np.float32)
        result._codes = np.frombuffer(data[columns:], dtype=np.uint64).reshape(result._words, count)
        result._count = count
        return result


def _count_bits(codes: Words, query: Words, *, out: Words) -> NDArray[Any]:
    """`(n,)`: different bits of each column of `codes` `(w, n)`."""
    np.bitwise_xor(codes, query[:, None], out=out)
    total: NDArray[Any] = np.add.reduce(np.bitwise_count(out), axis=0, dtype=np.uint16)
    return total


def _nearest(distances: NDArray[Any], m: int, chosen: Selection | None) -> RowNumbers:
    """About `m` of the rows chosen, with the least distances; more where distances are equal. Writes into
    `distances`.
    """
    far = np.iinfo(distances.dtype).max
    if chosen is not None:
        np.copyto(distances, far, where=~chosen.mask)
    if len(distances) > m:
        # Sixteen bits are partitioned by vector instructions, eight are not.
        sample = distances[:: max(1, len(distances) // _SAMPLE)].astype(np.uint16)
        place = min(len(sample) - 1, int(m * 1.1 * len(sample) / len(distances)) + 2)
        threshold = np.partition(sample, place)[place]
        if threshold < far:
            rows: RowNumbers = np.flatnonzero(distances <= threshold)
            if len(rows) >= m:
                return rows
    marked = np.flatnonzero(distances < far)
    return marked if len(marked) <= m else marked[_least(distances[marked], m)]


def _least(distances: NDArray[Any], m: int) -> RowNumbers:
    """Places of the `m` least distances, and of those that equal the last of them."""
    wide = distances.astype(np.uint16, copy=False)
    places: RowNumbers = np.flatnonzero(wide <= np.partition(wide, m - 1)[m - 1])
    return places


def _places(distances: NDArray[Any], rows: RowNumbers) -> RowNumbers:
    below = np.cumsum(np.bincount(distances))
    places: RowNumbers = below[distances[rows]] - 1
    return places
