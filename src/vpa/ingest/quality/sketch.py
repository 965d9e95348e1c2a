"""MinHash: a few numbers for a text, of which two texts share as many as they share runs of words.

After A. Broder, "On the resemblance and containment of documents" (1997). Bands of numbers are compared as in
J. Ullman, "Mining of Massive Datasets", section 3.4: two texts with a resemblance of .9 share a band with a probability
of .92, with one of .5 with .006.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

_BANDS: Final = 6
_ROWS: Final = 10
_RUN: Final = 3  # Words of a run.
_WORDS: Final = 20_000
_FEWEST: Final = 20
_WORD: Final = re.compile(r"\w+")
_GENERATOR: Final = np.random.default_rng(20261128)
_FACTORS: Final = _GENERATOR.integers(1, 1 << 62, size=_BANDS * _ROWS, dtype=np.uint64) | np.uint64(1)
_SUMMANDS: Final = _GENERATOR.integers(0, 1 << 62, size=_BANDS * _ROWS, dtype=np.uint64)
_AT_ONCE: Final = 4096


def sketch_of(text: str) -> list[str]:
    """A name for each band; texts of fewer than 20 words have none, as they resemble too many."""
    words = _WORD.findall(text.encode("utf-8", "replace").decode().casefold())[:_WORDS]
    if len(words) < _FEWEST:
        return []
    smallest = _smallest(_runs(words)).reshape(_BANDS, _ROWS)
    return [blake2b(band.tobytes(), digest_size=8).hexdigest() for band in smallest]


def _runs(words: list[str]) -> NDArray[np.uint64]:
    """Hashes of all runs of three words, each once."""
    hashes = np.fromiter(map(crc32, map(str.encode, words)), dtype=np.uint64, count=len(words))
    runs = hashes[: -_RUN + 1].copy()
    for shift in range(1, _RUN):
        runs = runs * np.uint64(0x9E3779B97F4A7C15) + hashes[shift : len(hashes) - _RUN + 1 + shift]
    return np.unique(runs)


def _smallest(runs: NDArray[np.uint64]) -> NDArray[np.uint64]:
    smallest = np.full(_BANDS * _ROWS, np.iinfo(np.uint64).max, dtype=np.uint64)
    for start in range(0, len(runs), _AT_ONCE):
        # Modulo 2 ** 64, and mixed, as the low bits of a product know little of the high ones of its factors.
        mixed = runs[start : start + _AT_ONCE, None] * _FACTORS + _SUMMANDS
        mixed ^= mixed >> np.uint64(32)
        smallest = np.minimum(smallest, mixed.min(axis=0))
    return smallest
