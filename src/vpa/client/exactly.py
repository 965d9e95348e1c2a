"""The exact nearest records of many queries, found in one pass over a collection."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vpa.base.arrays import FloatMatrix
from vpa.base.recall import least_enough
from vpa.base.records import Matches, Metric, RecordBatch
from vpa.filters import NormalFilter, which_hold
from vpa.stores.requests import ALWAYS


class ExactAnswers:
    """Of `queries` `(m, d)` under one filter: the ids and scores of the best `top_k`, as far as batches were added."""

    def __init__(self, queries: FloatMatrix, node: NormalFilter, *, metric: Metric, top_k: int) -> None:
        # Distances do not change, and squares of numbers far from nought would leave nothing of their differences.
        self._origin = queries.mean(axis=0) if metric is Metric.EUCLIDEAN and len(queries) else np.float32(0)
        self._queries = queries - self._origin
        self._filter = node
        self._metric = metric
        self._top_k = top_k
        self._scores = np.empty((len(queries), 0), dtype=np.float32)
        self._ids = np.empty((len(queries), 0), dtype=object)

    def add(self, batch: RecordBatch) -> None:
        """Take the batch's records into account; its vectors are of unit length for cosine."""
        add_to_all([self], batch)

    def _add(self, batch: RecordBatch, chosen: np.ndarray) -> None:
        if batch.vectors is None or not len(chosen):
            return
        scores = _scores(self._metric, self._queries, batch.vectors[chosen] - self._origin)
        if scores.shape[1] > self._top_k:
            best = np.argpartition(-scores, self._top_k - 1, axis=1)[:, : self._top_k]
        else:
            best = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
        ids = np.asarray(batch.ids, dtype=object)[chosen]
        both = np.concatenate([self._scores, np.take_along_axis(scores, best, axis=1)], axis=1)
        named = np.concatenate([self._ids, ids[best]], axis=1)
        order = np.argsort(-both, axis=1, kind="stable")[:, : self._top_k]
        self._scores = np.take_along_axis(both, order, axis=1)
        self._ids = np.take_along_axis(named, order, axis=1)

    def shares(self, answers: Sequence[Matches]) -> list[float]:
        """For each of the first queries, as many as there are answers, the share of its exact answer that was found; 1
        where there is nothing to find.
        """
        result = []
        for scores, ids, answer in zip(self._scores, self._ids, answers, strict=False):
            if not len(ids):
                result.append(1.0)
                continue
            least = least_enough(float(scores[-1]))
            exact = set(ids.tolist())
            matching = sum(match.id in exact or match.score >= least for match in answer)
            result.append(min(1.0, matching / len(ids)))
        return result


def add_to_all(answers: Sequence[ExactAnswers], batch: RecordBatch) -> None:
    """`add` for answers under several filters; the batch's metadata is read once for all of them."""
    for one, chosen in zip(answers, _chosen(answers, batch), strict=True):
        one._add(batch, chosen)


def _chosen(answers: Sequence[ExactAnswers], batch: RecordBatch) -> list[np.ndarray]:
    """For each of the answers the positions of the records that satisfy its filter."""
    nodes = [one._filter for one in answers if one._filter is not ALWAYS]
    everything = np.arange(len(batch))
    if not nodes:
        return [everything] * len(answers)
    metadata, system = batch.metadata or [{}] * len(batch), batch.system or [{}] * len(batch)
    rows = [which_hold(nodes, one, other) for one, other in zip(metadata, system, strict=True)]
    holds = iter(np.asarray(rows, dtype=np.bool_).reshape(len(batch), len(nodes)).T)
    return [everything if one._filter is ALWAYS else np.flatnonzero(next(holds)) for one in answers]


def _scores(metric: Metric, queries: FloatMatrix, vectors: FloatMatrix) -> FloatMatrix:
    products = queries @ vectors.T
    if metric is not Metric.EUCLIDEAN:
        return products
    squares = (queries**2).sum(axis=1)[:, None] + (vectors**2).sum(axis=1)[None, :] - 2 * products
    distances: FloatMatrix = 1 / (1 + np.sqrt(np.maximum(squares, 0)))
    return distances
