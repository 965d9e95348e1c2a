"""Four bits a dimension, by the compiled package turbovec (extra `fast`)."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from vpa.base.arrays import FloatMatrix, RowNumbers
from vpa.engine.quant.compiled import CompiledCodes
from vpa.engine.selection import Selection

if TYPE_CHECKING:
    from turbovec import TurboQuantIndex

_BITS: Final = 4  # Of each dimension; fewer need more candidates for the same recall.
# turbovec packs eight dimensions at a time.
_MULTIPLE: Final = 8
# Rows a call, so that a search never waits long for a writer.
_CHUNK: Final = 2_048


class TurboCodes(CompiledCodes):
    """Rotated and quantised by TurboQuant (Zandieh et al. 2025, arXiv 2504.19874); the compiled code does the pass."""

    name: ClassVar[str] = "turbovec"
    wants_centred: ClassVar[bool] = True
    multiple: ClassVar[int] = _MULTIPLE

    def __init__(self, dimension: int) -> None:
        super().__init__(dimension)
        from turbovec import TurboQuantIndex

        self._index: TurboQuantIndex = TurboQuantIndex(dim=self._width, bit_width=_BITS)
        # The compiled index refuses a search while rows are added, and the other way round.
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._index)

    @property
    def size_bytes(self) -> int:
        """Codes and one factor a row."""
        return len(self) * (self._width * _BITS // 8 + 4)

    def fit(self, sample: FloatMatrix) -> None:
        """A shift and a scale for each rotated dimension."""
        # Rows that are all alike have nothing to calibrate, and turbovec says so.
        with self._lock, contextlib.suppress(ValueError):
            self._index.calibrate(self._padded(sample))

    def add(self, vectors: FloatMatrix) -> None:
        """In parts, between which searches run."""
        for start in range(0, len(vectors), _CHUNK):
            part = self._padded(vectors[start : start + _CHUNK])
            with self._lock:
                self._index.add(part)

    def nearest(self, queries: FloatMatrix, k: int, chosen: Selection | None) -> RowNumbers:
        """By the compiled search."""
        padded = self._padded(queries)
        mask = None if chosen is None else chosen.mask
        with self._lock:
            if mask is not None and len(mask) < len(self._index):
                mask = np.concatenate([mask, np.zeros(len(self._index) - len(mask), dtype=np.bool_)])
            found: RowNumbers = self._index.search(padded, k, mask=mask)[1]
        return found

    def dump(self) -> bytes:
        """turbovec's own format, which carries its version and checks itself."""
        with self._lock:
            data: bytes = self._index.to_bytes()
        return data

    @classmethod
    def load(cls, data: memoryview, dimension: int) -> TurboCodes:
        """Raises ValueError for bytes of another kind or dimension."""
        from turbovec import TurboQuantIndex

        result = cls(dimension)
        index = TurboQuantIndex.from_bytes(bytes(data))
        if index.dim != result._width:
            raise ValueError(f"these codes have {index.dim} dimensions, not {result._width}")
        result._index = index
        return result
