"""Sign codes first, then four or eight bits of the few that are left: so few of the originals are read."""

from __future__ import annotations

import struct
from typing import ClassVar, Final

import numpy as np

from vpa.base.arrays import FloatMatrix, RowNumbers
from vpa.base.index_options import Quantization
from vpa.engine.quant.compiled import CompiledCodes
from vpa.engine.quant.scalar import CodedRows, Scalar
from vpa.engine.quant.signs import SignCodes
from vpa.engine.selection import Selection

# The signs give so many, or so many for each that is wanted.
_ROUGH, _FOR_EACH = 1_500, 6
_HEADER: Final = struct.Struct("<8sQQ")
_MAGIC: Final = b"VPAREFI1"


class RefinedCodes(CompiledCodes):
    """`d / 8` bytes of signs a row, and `d` or `d / 2` bytes more, by which candidates are ranked."""

    kind: ClassVar[Quantization]

    def __init__(self, dimension: int) -> None:
        super().__init__(dimension)
        self._signs = SignCodes(dimension)
        self._scalar = Scalar(self.kind, np.zeros(dimension, dtype=np.float32), unit=False)
        self._rows = CodedRows(np.empty((0, self._scalar.width), dtype=np.uint8), np.empty(0, dtype=np.float32))

    def __len__(self) -> int:
        return len(self._signs)

    @property
    def size_bytes(self) -> int:
        """Signs, codes and scales."""
        return self._signs.size_bytes + len(self) * (self._scalar.width + 4)

    def fit(self, sample: FloatMatrix) -> None:
        """The centre, for both."""
        self._signs.fit(sample)
        self._scalar = Scalar(self.kind, sample.mean(axis=0, dtype=np.float64).astype(np.float32), unit=False)

    def add(self, vectors: FloatMatrix) -> None:
        """The codes first, so that whatever the signs find can be ranked."""
        count, end = len(self), len(self) + len(vectors)
        if end > len(self._rows):
            room = max(end, len(self._rows) * 3 // 2)
            codes, scales = np.empty((room, self._scalar.width), dtype=np.uint8), np.empty(room, dtype=np.float32)
            codes[:count], scales[:count] = self._rows.codes[:count], self._rows.scales[:count]
            self._rows = CodedRows(codes, scales)
        coded = self._scalar.encode(vectors)
        self._rows.codes[count:end], self._rows.scales[count:end] = coded.codes, coded.scales
        self._signs.add(vectors)

    def compact(self) -> None:
        """To the rows there are."""
        self._signs.compact()
        self._rows = CodedRows(self._rows.codes[: len(self)].copy(), self._rows.scales[: len(self)].copy())

    def nearest(self, queries: FloatMatrix, k: int, chosen: Selection | None) -> RowNumbers:
        """The best by codes of those that the signs give."""
        result = np.full((len(queries), k), -1, dtype=np.int64)
        total = len(self) if chosen is None else chosen.total
        rough = self._signs.candidates(queries, max(_ROUGH, _FOR_EACH * k), count=total, chosen=chosen)
        for place, (query, rows) in enumerate(zip(queries, rough, strict=True)):
            keys = self._scalar.decode(self._rows[rows]) @ query
            best = np.argsort(-keys, kind="stable")[:k]
            result[place, : len(best)] = rows[best]
        return result

    def candidates(self, queries: FloatMatrix, m: int, *, count: int, chosen: Selection | None) -> list[RowNumbers]:
        """The `m` greatest products with what the codes hold."""
        found = self.nearest(queries, min(m, len(self)), chosen)
        return [rows[(rows >= 0) & (rows < count)] for rows in found]

    def dump(self) -> bytes:
        """Header, signs, centre, scales, codes."""
        signs, count = self._signs.dump(), len(self)
        parts = (self._scalar.centre, self._rows.scales[:count], self._rows.codes[:count])
        return b"".join((_HEADER.pack(_MAGIC, len(signs), count), signs, *(part.tobytes() for part in parts)))

    @classmethod
    def load(cls, data: memoryview, dimension: int) -> RefinedCodes:
        """Shares memory with `data` until rows are added."""
        magic, length, count = _HEADER.unpack(data[: _HEADER.size])
        result = cls(dimension)
        width = result._scalar.width
        start = _HEADER.size + length
        if magic != _MAGIC or len(data) != start + 4 * dimension + count * (4 + width):
            raise ValueError("these are no refined codes of this dimension")
        result._signs = SignCodes.load(data[_HEADER.size : start], dimension)
        centre = np.frombuffer(data[start : start + 4 * dimension], dtype=np.float32)
        scales = np.frombuffer(data[start + 4 * dimension : start + 4 * (dimension + count)], dtype=np.float32)
        codes = np.frombuffer(data[start + 4 * (dimension + count) :], dtype=np.uint8).reshape(count, width)
        result._scalar = Scalar(cls.kind, centre, unit=False)
        result._rows = CodedRows(codes, scales)
        return result


class Int8Codes(RefinedCodes):
    """Eight bits a dimension beside the sign."""

    name: ClassVar[str] = "int8"
    kind: ClassVar[Quantization] = Quantization.INT8


class Int4Codes(RefinedCodes):
    """Four bits a dimension beside the sign."""

    name: ClassVar[str] = "int4"
    kind: ClassVar[Quantization] = Quantization.INT4
