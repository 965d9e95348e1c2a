"""Vectors of documents that were embedded lately, so that a call that failed midway does not pay twice."""

from __future__ import annotations

from collections.abc import Sequence
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


def _key(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
