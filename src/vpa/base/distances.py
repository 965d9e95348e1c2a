"""Kernels. A cheap float32 pass gives each row a *key* (greater is nearer); float64 gives the few the final score.

key: cosine and dot: x·q; euclidean: x·q - |x|²/2, which orders rows as -|x - q| does.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpa.base.arrays import FloatMatrix, FloatVector, Scores
from vpa.base.records import Metric

_UNIT_ROUNDOFF: Final = 2.0**-24  # Of float32: half the distance from 1 to the next number.
_FLOAT32_SAFE: Final = 1e37  # Below float32's largest number, 3.4e38, with room for the sum of the products.
_BLOCK_ROWS: Final = 4096  # Rows at once: at 384 dimensions their float64 copy is 12 MB.


def half_squares(matrix: FloatMatrix) -> Scores:
    """|x|²/2 of each row, float64."""
    result = np.empty(len(matrix), dtype=np.float64)
    for start in range(0, len(matrix), _BLOCK_ROWS):
        block = matrix[start : start + _BLOCK_ROWS].astype(np.float64)
        result[start : start + _BLOCK_ROWS] = np.einsum("ij,ij->i", block, block) / 2
    return result


def key_error(metric: Metric, *, query_norm: float, largest_norm: float, dimension: int) -> float | None:
    """A bound on |float32 key - true key|; None where float32 could overflow and must not be used.

    The bound on an inner product of length d is γ_d |x||q| with γ_d = d u / (1 - d u), u = 2⁻²⁴
    (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1).
    """
    product = query_norm * largest_norm
    square = largest_norm * largest_norm if metric is Metric.EUCLIDEAN else 0.0
    if max(product, square) > _FLOAT32_SAFE:
        return None
    gamma = (dimension + 4) * _UNIT_ROUNDOFF / (1 - (dimension + 4) * _UNIT_ROUNDOFF)
    # Below 2**-126 rounding is absolute, not relative: one smallest step for each term.
    return gamma * (product + square) + dimension * 2.0**-149


def scores(metric: Metric, rows: FloatMatrix, query: FloatVector) -> Scores:
    """Final scores, float64, each row on its own: equal vectors get equal scores wherever they stand.

    cosine: similarity in [-1, 1] (rows and query have unit length); dot: inner product; euclidean: 1 / (1 + d).
    """
    result = np.empty(len(rows), dtype=np.float64)
    wide_query = query.astype(np.float64)
    for start in range(0, len(rows), _BLOCK_ROWS):
        block = rows[start : start + _BLOCK_ROWS].astype(np.float64)
        result[start : start + _BLOCK_ROWS] = _block_scores(metric, block, wide_query)
    return result


def _block_scores(metric: Metric, block: NDArray[np.float64], query: NDArray[np.float64]) -> Scores:
    if metric is Metric.EUCLIDEAN:
        block -= query
        similarity: Scores = 1.0 / (1.0 + np.sqrt(np.einsum("ij,ij->i", block, block)))
        return similarity
    products: Scores = np.einsum("ij,j->i", block, query)
    return products.clip(-1.0, 1.0) if metric is Metric.COSINE else products


def distance_of(metric: Metric, score: float) -> float:
    """The distance that belongs to a score: 1 - cosine, -dot, or d. (d is also known more exactly: see `l2`.)"""
    if metric is Metric.COSINE:
        return 1.0 - score
    return -score if metric is Metric.DOT else 1.0 / score - 1.0


def l2(rows: FloatMatrix, query: FloatVector) -> Scores:
    """Euclidean distances `(n,) float64` of rows `(n, d)` to one query `(d,)`."""
    difference = rows.astype(np.float64) - query.astype(np.float64)
    distances: Scores = np.sqrt(np.einsum("ij,ij->i", difference, difference))
    return distances
