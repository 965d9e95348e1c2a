"""The hashing embedder: no model, deterministic, LEXICAL. It finds shared words, not shared meaning.

For tests and for machines without any model. Words (weight 1) and their three-letter parts (weight 1/4) are hashed
into signed buckets (feature hashing: Weinberger et al., ICML 2009), with sublinear term counts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpa.base.arrays import FloatMatrix, unit_rows
from vpa.base.records import EmbeddingIdentity
from vpa.embeddings.blocking import BlockingEmbedder

DIMENSION: Final = 384  # As MiniLM's, so that one can be replaced by the other in a test.
_WORD: Final = re.compile(r"\w+")
# A word counts four times its parts: parts find inflected forms, words decide. A choice, not measured.
_PART_WEIGHT: Final = 0.25
# Texts that are computed at once, in a few milliseconds.
_TOGETHER: Final = 32
_NUMBER: Final = np.dtype(np.int32)
# Some 20 MB; then they are forgotten and numbered anew.
_MOST_FEATURES: Final = 1 << 17


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

    def __init__(self) -> None:
        self._features = _Features()
        self._lock = Lock()

    def encode(self, texts: Sequence[str]) -> FloatMatrix:
        """`(n, 384) float32` unit rows; a text without any word gets one fixed direction."""
        matrix = np.zeros((len(texts), DIMENSION), dtype=np.float32)
        for start in range(0, len(texts), _TOGETHER):
            part = texts[start : start + _TOGETHER]
            words = [_WORD.findall(unicodedata.normalize("NFKC", text).casefold()) for text in part]
            with self._lock:
                matrix[start : start + len(words)] = self._features.sums(words)
        matrix[~matrix.any(axis=1), 0] = 1.0
        return unit_rows(matrix)


class _Features:
    """Numbers of the features that were seen, and the bucket and signed weight of each: most words come again."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._of_words: dict[str, bytes] = {}
        self._new: list[str] = []
        self._buckets = np.empty(0, dtype=np.intp)
        self._weights = np.empty(0, dtype=np.float64)

    def sums(self, texts: Sequence[Sequence[str]]) -> NDArray[np.float64]:
        """`(n, 384)`: what the words of each text add to each bucket."""
        if len(self._numbers) > _MOST_FEATURES:
            self.__init__()  # type: ignore[misc]
        for words in texts:
            self._learn(word for word in words if word not in self._of_words)
        self._place_new()
        numbers = [b"".join(map(self._of_words.__getitem__, words)) for words in texts]
        # A feature of one text and of another are two; one sort brings each of them together.
        owners = np.repeat(np.arange(len(texts)), [len(one) // _NUMBER.itemsize for one in numbers])
        joined = np.frombuffer(b"".join(numbers), dtype=_NUMBER)
        distinct, counts = np.unique(owners * len(self._numbers) + joined, return_counts=True)
        owners, features = np.divmod(distinct, max(1, len(self._numbers)))
        weights = self._weights[features] * (1 + np.log(counts))
        sums = np.bincount(
            owners * DIMENSION + self._buckets[features], weights=weights, minlength=len(texts) * DIMENSION
        )
        return sums.astype(np.float64).reshape(len(texts), DIMENSION)

    def _learn(self, words: Iterable[str]) -> None:
        """Number the features of new words; the numbers are kept as they stand in an array."""
        for word in words:
            numbers = [self._number(feature) for feature in _features(word)]
            self._of_words[word] = np.array(numbers, dtype=_NUMBER).tobytes()

    def _number(self, feature: str) -> int:
        number = self._numbers.get(feature)
        if number is None:
            number = self._numbers[feature] = len(self._numbers)
            self._new.append(feature)
        return number

    def _place_new(self) -> None:
        """Hash the features that have a number and no place yet."""
        if self._new:
            buckets, weights = zip(*map(_placed, self._new), strict=True)
            self._buckets = np.append(self._buckets, np.array(buckets, dtype=np.intp))
            self._weights = np.append(self._weights, weights)
            self._new.clear()


def _placed(feature: str) -> tuple[int, float]:
    digest = int.from_bytes(blake2b(feature.encode("utf-8", "replace"), digest_size=8).digest(), "little")
    weight = 1.0 if feature[0] == "w" else _PART_WEIGHT
    return digest % DIMENSION, weight if digest >> 63 else -weight


def _features(word: str) -> Iterator[str]:
    yield "w" + word
    padded = f"<{word}>"
    for start in range(len(padded) - 2):
        yield "p" + padded[start : start + 3]
