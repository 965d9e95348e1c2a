"""Selection: the few rows that can be among the best k, from keys that may be off by a known error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vpa.base.arrays import FloatVector, RowNumbers, Scores

# Scores under one maximum; ten of 100,000 took 21 to 23 µs with 16, 32 or 64, and more with larger blocks.
_BLOCK: Final = 64


def block_maxima(keys: NDArray[np.float32]) -> NDArray[np.float32]:
    """Maximum of each block of keys `(n,)` or `(m, n)`, n > 0. Block b is every key whose place is b modulo the number
    of whole
    blocks of 64, so that whole rows are compared at once; what is left behind those is one more block.
    """
    count = keys.shape[-1] // _BLOCK
    whole = count * _BLOCK
    maxima: NDArray[np.float32] = keys[..., :whole].reshape(*keys.shape[:-1], _BLOCK, count).max(axis=-2)
    if whole == keys.shape[-1]:
        return maxima
    return np.concatenate([maxima, keys[..., whole:].max(axis=-1, keepdims=True)], axis=-1)


def candidates(keys: FloatVector, maxima: FloatVector, *, k: int, error: float) -> RowNumbers:
    """Every row that can be among the k greatest *true* keys, when each key is at most `error` off; unordered.

    Rows with key -inf are never candidates. With k-th greatest key t, a row below t - 2 * error cannot be among the k.
    The k-th greatest block maximum is a lower bound for t: only blocks above it are looked into.
    """
    margin = np.float32(2 * error)
    bound = np.float32(-np.inf)
    if len(maxima) > k:
        bound = np.partition(maxima, len(maxima) - k)[len(maxima) - k]
    count = len(keys) // _BLOCK
    blocks = np.flatnonzero(maxima[:count] >= _below(bound, margin))
    rows = (blocks[:, None] + count * np.arange(_BLOCK)).ravel()
    if len(maxima) > count:
        rows = np.concatenate([rows, np.arange(count * _BLOCK, len(keys))])
    found = keys[rows]
    keep = found > -np.inf
    if not keep.all():
        rows, found = rows[keep], found[keep]
    if len(rows) > k:
        kth = np.partition(found, len(found) - k)[len(found) - k]
        rows = rows[found >= _below(kth, margin)]
    return rows


class Contenders(NamedTuple):
    """Rows that may be among the best of all, from one part of them, with their keys."""

    rows: RowNumbers
    keys: FloatVector


def candidates_of_parts(parts: Sequence[Contenders], *, k: int, error: float) -> RowNumbers:
    """Every row that can be among the k greatest of all parts, where each part kept those that can be among its own."""
    if len(parts) == 1:
        return parts[0].rows
    keys = np.concatenate([part.keys for part in parts])
    rows: RowNumbers = np.concatenate([part.rows for part in parts])[candidates_of_few(keys, k=k, error=error)]
    return rows


def candidates_of_few(keys: FloatVector, *, k: int, error: float) -> RowNumbers:
    """As `candidates`, for few keys: no blocks are worth their cost."""
    if len(keys) <= k:
        return np.arange(len(keys))
    kth = np.partition(keys, len(keys) - k)[len(keys) - k]
    found: RowNumbers = np.flatnonzero(keys >= _below(kth, np.float32(2 * error)))
    return found


def _below(value: np.float32, margin: np.float32) -> np.float32:
    # One step further down, because the subtraction itself is rounded.
    return np.float32(np.nextafter(value - margin, np.float32(-np.inf)))


def best(scores: Scores, *, k: int, ids: Callable[[int], str]) -> RowNumbers:
    """Places of the k best: greater score first, equal scores in id order, also at the cut. `ids` gives the id of a
    place.
    """
    order: RowNumbers = np.argsort(-scores, kind="stable")
    falling = scores[order[: k + 1]]
    if not (falling[1:] == falling[:-1]).any():
        return order[:k]
    tied = order if len(order) <= k else order[scores[order] >= falling[k - 1]]
    values = scores.tolist()
    return np.asarray(sorted(tied.tolist(), key=lambda place: (-values[place], ids(place)))[:k], dtype=np.int64)
