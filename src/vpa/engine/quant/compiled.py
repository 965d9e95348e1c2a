"""What first passes of compiled libraries share: they answer searches, and say nothing of single rows."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Final

import numpy as np

from vpa.base.arrays import FloatMatrix, RowNumbers
from vpa.engine.quant.base import Codes
from vpa.engine.selection import Selection

_SHALLOW: Final = 256  # Candidates asked for first; most searches need no more.


class CompiledCodes(Codes):
    """`nearest` is all that a library has to give."""

    # Deep searches of many queries leave buffers behind, in every thread of the library.
    deepest: ClassVar[int] = 1024

    # Dimensions that the library takes at a time.
    multiple: ClassVar[int] = 1

    def __init__(self, dimension: int) -> None:
        super().__init__(dimension)
        self._width: Final = -(-dimension // self.multiple) * self.multiple

    def _padded(self, vectors: FloatMatrix) -> FloatMatrix:
        """With zeros behind, up to the width."""
        if self._width == self.dimension:
            return np.ascontiguousarray(vectors)
        result = np.zeros((len(vectors), self._width), dtype=np.float32)
        result[:, : self.dimension] = vectors
        return result

    @abstractmethod
    def nearest(self, queries: FloatMatrix, k: int, chosen: Selection | None) -> RowNumbers:
        """`(m, k) int64`: the rows with the greatest estimates of `x·q`, best first, -1 where there are no more."""

    def candidates(self, queries: FloatMatrix, m: int, *, count: int, chosen: Selection | None) -> list[RowNumbers]:
        """The `m` greatest estimates of `x·q`."""
        found = self.nearest(queries, min(m, len(self)), chosen)
        if (len(self) > count and chosen is None) or m > count:
            return [rows[(rows < count) & (rows >= 0)] for rows in found]
        return list(found)

    def ranks(self, queries: FloatMatrix, rows: RowNumbers, *, limit: int) -> RowNumbers:
        """From searches, deeper where that finds more: deep ones cost much."""
        depth = min(limit, _SHALLOW)
        while True:
            found = self.nearest(queries, min(depth, len(self)), None)
            result = np.full(rows.shape, limit, dtype=np.int64)
            for place, (order, wanted) in enumerate(zip(found, rows, strict=True)):
                same = order[None, :] == wanted[:, None]
                there = same.any(axis=1)
                result[place, there] = same[there].argmax(axis=1)
            if depth == limit or not (result == limit).any():
                return result
            depth = min(limit, depth * 4)
