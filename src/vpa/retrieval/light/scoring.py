"""What token vectors say of a question and of texts: whether each of its tokens has its like there, and whether a
stretch of a text as a whole is near to it.

MaxSim: Khattab and Zaharia, "ColBERT" (2020), here weighed by how much each token tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vpa.base.arrays import FloatMatrix, FloatVector, Scores
from vpa.kit.blas import single_threaded
from vpa.retrieval.light.codes import TokenCodes

# Windows of 32 and 64 tokens, as the stretches that they consist of are 16 tokens long.
WINDOWS: Final = (2, 4)


@dataclass(frozen=True, slots=True, eq=False)
class AskedTokens:
    """The question: its token vectors `(q, w)`, how much each counts `(q,)`, and the sum over all of it `(v,)`."""

    rows: FloatMatrix
    weights: Scores
    whole: FloatVector


class Parts(NamedTuple):
    """For each text `(n,) float64`: MaxSim, and the cosine of the nearest window."""

    maxsim: Scores
    window: Scores


def judge(question: AskedTokens, texts: Sequence[TokenCodes]) -> Parts:
    """Both parts for each of the texts, which have a token at least. All tokens are one matrix, and one product."""
    with single_threaded():
        return Parts(_maxsim(question, texts), _nearest_window(question.whole, texts))


def _maxsim(question: AskedTokens, texts: Sequence[TokenCodes]) -> Scores:
    """Σ weight · greatest cosine, divided by the sum of the weights."""
    counts = [len(text.tokens.codes) for text in texts]
    starts = np.cumsum([0, *counts[:-1]])
    codes = np.concatenate([text.tokens.codes for text in texts]).astype(np.float32)
    scales = np.concatenate([text.tokens.scales for text in texts]).astype(np.float32)
    counted = question.weights > 0
    # A row for each token of the question: the maxima run along what lies together.
    products = question.rows[counted] @ codes.T
    products *= scales
    weights = question.weights[counted]
    greatest: Scores = np.maximum.reduceat(products, starts, axis=1).astype(np.float64)
    return weights @ greatest / weights.sum()  # type: ignore[no-any-return]


def _nearest_window(whole: FloatVector, texts: Sequence[TokenCodes]) -> Scores:
    """The greatest cosine of the question and a window of 2 or 4 stretches, or of the whole of a shorter text."""
    counts = [len(text.stretches.codes) for text in texts]
    codes = np.concatenate([text.stretches.codes for text in texts]).astype(np.float32)
    codes *= np.concatenate([text.stretches.scales for text in texts]).astype(np.float32)[:, None]
    until = np.concatenate([np.zeros((1, codes.shape[1])), np.cumsum(codes, axis=0, dtype=np.float64)])
    edges, starts = [], []
    place = offset = 0
    for count in counts:
        starts.append(place)
        for pair in windows(count):
            edges.append(pair + offset)
            place += len(pair)
        offset += count
    first, last = np.concatenate(edges).T
    sums = until[last] - until[first]
    norms = np.sqrt(np.einsum("ij,ij->i", sums, sums)) * max(float(np.linalg.norm(whole)), 1e-12)
    cosines = sums @ whole.astype(np.float64) / np.maximum(norms, 1e-12)
    return np.maximum.reduceat(cosines, starts)


def windows(count: int) -> Iterator[NDArray[np.int64]]:
    """`(m, 2)` for each size: the first stretch of every window of a text of so many, and the one after its last."""
    for size in WINDOWS:
        first = np.arange(max(1, count - size + 1))
        yield np.stack([first, np.minimum(first + size, count)], axis=1)


def neighbour_weights(vectors: FloatMatrix, *, count: int, power: int) -> Scores:
    """`(n, n)`: what each of the nearest `count` others counts for each candidate, by the power of the cosine; the
    rows sum to 1, or are 0 where none is near.
    """
    with single_threaded():
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit = vectors / np.maximum(norms, np.float32(1e-12))
        cosines = (unit @ unit.T).astype(np.float64)
    np.fill_diagonal(cosines, -1)
    near = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
    weights = np.zeros_like(cosines)
    np.put_along_axis(weights, near, np.maximum(np.take_along_axis(cosines, near, axis=1), 0) ** power, axis=1)
    np.fill_diagonal(weights, 0)
    sums = weights.sum(axis=1, keepdims=True)
    normal: Scores = weights / np.where(sums > 0, sums, 1)
    return normal
