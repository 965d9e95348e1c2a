"""The hashing embedder: no model, deterministic, LEXICAL. It finds shared words, not shared meaning.

For tests and for machines without any model. Words (weight 1) and their three-letter parts (weight 1/4) are hashed
into signed buckets (feature hashing: Weinberger et al., ICML 2009), with sublinear term counts.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from math import log
from typing import Final

import numpy as np

from vpa.base.arrays import FloatMatrix, unit_rows
from vpa.base.records import EmbeddingIdentity
from vpa.embeddings.blocking import BlockingEmbedder

DIMENSION: Final = 384  # As MiniLM's, so that one can be replaced by the other in a test.
_WORD: Final = re.compile(r"\w+")
# A word counts four times its parts: parts find inflected forms, words decide. A choice, not measured.
_PART_WEIGHT: Final = 0.25


class HashingEmbedder(BlockingEmbedder):
    """Words hashed into 384 buckets; the same on every machine. Has no window: every word counts."""

    def __init__(self) -> None:
        super().__init__(Hashing())

    @property
    def is_lexical(self) -> bool:
        """True: it sees words, not their meaning."""
        return True


class Hashing:
    """The hashing itself, synchronous."""

    identity = EmbeddingIdentity(name="hashing", revision="1", dimension=DIMENSION)

    def encode(self, texts: Sequence[str]) -> FloatMatrix:
        """`(n, 384) float32` unit rows; a text without any word gets one fixed direction."""
        matrix = np.zeros((len(texts), DIMENSION), dtype=np.float32)
        for row, text in zip(matrix, texts, strict=True):
            for feature, count in Counter(_features(text)).items():
                digest = int.from_bytes(blake2b(feature.encode("utf-8", "replace"), digest_size=8).digest(), "little")
                weight = (1.0 if feature[0] == "w" else _PART_WEIGHT) * (1 + log(count))
                row[digest % DIMENSION] += weight if digest >> 63 else -weight
            if not row.any():
                row[0] = 1.0
        return unit_rows(matrix)


def _features(text: str) -> Iterator[str]:
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        yield "w" + word
        padded = f"<{word}>"
        for start in range(len(padded) - 2):
            yield "p" + padded[start : start + 3]
