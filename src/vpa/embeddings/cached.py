"""Vectors of documents that were embedded lately, so that a call that failed midway does not pay twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np

from vpa.base.arrays import FloatMatrix, FloatVector
from vpa.base.clock import SystemClock
from vpa.kit.cache import TtlCache

# About 20,000 vectors of 384 dimensions: more than any call loses between two batches.
_BYTES: Final = 32 << 20
_SECONDS: Final = 3600.0
_ENTRY_BYTES: Final = 200


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """Where the vectors of documents came from, in texts; equal texts of one call count each.

    `from_memory`: embedded by this process within the hour; `from_disk`: read from the file. The others were
    `embedded`. `uses_disk`: whether this model has a file.
    """

    from_memory: int = 0
    from_disk: int = 0
    embedded: int = 0
    uses_disk: bool = False


class VectorCache:
    """By the BLAKE2b hash of the text. Lives on one event loop; for one embedder."""

    def __init__(self, *, max_bytes: int = _BYTES) -> None:
        self._rows: TtlCache[bytes, FloatVector] = TtlCache(max_bytes=max_bytes, ttl_s=_SECONDS, clock=SystemClock())

    def put(self, texts: Sequence[str], vectors: FloatMatrix) -> None:
        """Remember a row for each text."""
        for text, row in zip(texts, vectors, strict=True):
            kept = np.array(row)
            self._rows.put(_key(text), kept, size_bytes=kept.nbytes + _ENTRY_BYTES)

    def get(self, text: str) -> FloatVector | None:
        """The row of a text, if it is still known."""
        return self._rows.get(_key(text))

    def count(self, texts: Iterable[str]) -> int:
        """How many of these texts have a row."""
        return len(set(self._rows).intersection(map(_key, texts)))

    def discard(self, texts: Iterable[str]) -> int:
        """Remove the rows of these texts; returns how many there were."""
        return self._rows.discard(map(_key, texts))


def _key(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
