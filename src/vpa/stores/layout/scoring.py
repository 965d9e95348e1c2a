"""What stores call score or distance, in our terms; and exact search over a scan, for stores that have none."""

from __future__ import annotations

import heapq
import math
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from vpa.base import distances
from vpa.base.arrays import FloatVector, unit_rows
from vpa.base.records import Metric

if TYPE_CHECKING:
    from vpa.stores.layout.driver import StoredRow


def cosine(similarity: float) -> tuple[float, float]:
    """Score and distance of a cosine similarity, which rounding may have carried beyond 1."""
    score = min(1.0, max(-1.0, float(similarity)))
    return score, 1.0 - score


def dot(product: float) -> tuple[float, float]:
    """Score and distance of an inner product."""
    return float(product), -float(product)


def euclidean(distance_l2: float) -> tuple[float, float]:
    """Score and distance of an L2 distance, not squared."""
    return 1.0 / (1.0 + float(distance_l2)), float(distance_l2)


def root(squared: float) -> float:
    """The L2 distance of a squared one, which rounding may have carried below 0."""
    return math.sqrt(max(0.0, squared))


async def nearest_by_scan(
    metric: Metric,
    pages: AsyncIterator[Sequence[StoredRow]],
    *,
    query: FloatVector,
    limit: int,
    raw_of: Callable[[Metric, float, float], float],
    keep_vectors: bool,
) -> list[StoredRow]:
    """The best `limit` of everything that the pages hold, scored in float64, best first; memory holds `limit` and a
    page.
    """
    best: list[tuple[float, str, StoredRow]] = []
    async for page in pages:
        matrix = np.asarray([stored.vector for stored in page], dtype=np.float32)
        if metric is Metric.COSINE:
            # Ours have length 1 already; those that others wrote may not, and a zero one has no direction at all.
            matrix = unit_rows(np.where(matrix.any(axis=1).reshape(-1, 1), matrix, np.float32(1)))
        scores = distances.scores(metric, matrix, query)
        for stored, score in zip(page, scores.tolist(), strict=True):
            kept = stored if keep_vectors else replace(stored, vector=None)
            best.append((-score, stored.key, kept))
        best = heapq.nsmallest(limit, best, key=lambda entry: entry[:2])
    found = []
    for negative, _, stored in best:
        score = -negative
        found.append(replace(stored, raw=raw_of(metric, score, distances.distance_of(metric, score))))
    return found


async def nearest_of_candidates(
    metric: Metric,
    candidates: Sequence[StoredRow],
    *,
    query: FloatVector,
    limit: int,
    raw_of: Callable[[Metric, float, float], float],
    keep_vectors: bool,
) -> list[StoredRow]:
    """The best `limit` of rows that a store found by codes, by their vectors."""

    async def page() -> AsyncIterator[Sequence[StoredRow]]:
        if candidates:
            yield candidates

    return await nearest_by_scan(metric, page(), query=query, limit=limit, raw_of=raw_of, keep_vectors=keep_vectors)
