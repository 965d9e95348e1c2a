"""Exact search: keys of all rows by one matrix product in float32, final scores of the few in float64.

`planner.py` decides between looking at all rows and gathering the filtered ones first.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from vpa.base.arrays import FloatMatrix, FloatVector, RowMask, RowNumbers, Scores
from vpa.base.records import Metric
from vpa.engine import distance, topk
from vpa.engine.planner import Path, choose_path
from vpa.engine.view import View

_KEYS_BYTES: Final = 64 << 20
_FEW: Final = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The best rows of one query, best first, and how many were scored to find them."""

    rows: RowNumbers
    scores: Scores
    candidates: int


def search(view: View, queries: FloatMatrix, *, top_k: int, mask: RowMask | None) -> list[Found]:
    """The `top_k` best rows where `mask`, for each row of `queries` `(m, d)`; every one of them, with certainty."""
    path = choose_path(view.count, mask)
    if path is Path.NOTHING:
        return [_nothing() for _ in queries]
    rows = None if mask is None or path is Path.SCAN else np.flatnonzero(mask)
    if rows is not None:
        return search_gathered(view, queries, rows, top_k=top_k)
    results: list[Found] = []
    step = max(1, _KEYS_BYTES // (4 * view.count))
    for start in range(0, len(queries), step):
        results.extend(_search_all(view, queries[start : start + step], mask, top_k=top_k))
    return results


def _nothing() -> Found:
    return Found(np.empty(0, dtype=np.int64), np.empty(0), 0)


def _search_all(view: View, queries: FloatMatrix, mask: RowMask | None, *, top_k: int) -> Iterator[Found]:
    errors = [_key_error(view, query) for query in queries]
    if any(error is None for error in errors):
        rows = np.arange(view.count) if mask is None else np.flatnonzero(mask)
        yield from (_finish(view, query, rows, top_k=top_k) for query in queries)
        return
    keys = np.empty((len(queries), view.count), dtype=np.float32)
    for first, matrix in view.rows.matrices(view.count):
        part = keys[:, first : first + len(matrix)]
        if len(queries) == 1:
            np.dot(matrix, queries[0], out=part[0])
        else:
            np.matmul(queries, matrix.T, out=part)
    if view.rows.metric is Metric.EUCLIDEAN:
        keys -= view.rows.half_squares.prefix(view.count)
    if mask is not None:
        np.copyto(keys, np.float32(-np.inf), where=~mask)
    maxima = topk.block_maxima(keys)
    for position, query in enumerate(queries):
        error = errors[position] or 0.0
        rows = topk.candidates(keys[position], maxima[position], k=top_k, error=error)
        yield _finish(view, query, rows, top_k=top_k)


def search_gathered(view: View, queries: FloatMatrix, rows: RowNumbers, *, top_k: int) -> list[Found]:
    """The `top_k` best among `rows`, exactly."""
    matrix = view.rows.gather(rows)
    halves = view.rows.half_squares.prefix(view.count)[rows] if view.rows.metric is Metric.EUCLIDEAN else None
    results = []
    for query in queries:
        error = _key_error(view, query)
        chosen = np.arange(len(rows))
        if error is not None and len(rows) > top_k:
            keys = matrix @ query
            if halves is not None:
                keys -= halves
            few = len(rows) <= _FEW
            chosen = topk.candidates_of_few(keys, k=top_k, error=error) if few else topk.candidates(keys, topk.block_maxima(keys), k=top_k, error=error)  # fmt: skip
        results.append(_rank(view, query, rows=rows[chosen], matrix=matrix[chosen], top_k=top_k))
    return results


def rank_candidates(view: View, queries: FloatMatrix, rows: RowNumbers, *, top_k: int) -> list[Found]:
    """The `top_k` best for each query among its row of `rows` `(q, m)`, as `search_gathered` finds them, in fewer steps."""
    errors = [_key_error(view, query) for query in queries]
    if rows.shape[1] <= top_k or any(error is None for error in errors):
        return [search_gathered(view, query[None], own, top_k=top_k)[0] for query, own in zip(queries, rows, strict=True)]  # fmt: skip
    gathered = view.rows.gather(rows.ravel()).reshape(*rows.shape, -1)
    keys = np.matmul(gathered, queries[:, :, None])[:, :, 0]
    if view.rows.metric is Metric.EUCLIDEAN:
        keys -= view.rows.half_squares.prefix(view.count)[rows]
    least = topk.least_keys(keys, k=top_k, errors=np.asarray(errors, dtype=np.float32))
    places, columns = np.nonzero(keys >= least[:, None])
    final = distance.paired_scores(view.rows.metric, gathered[places, columns], queries[places])
    chosen = rows[places, columns]
    results = []
    for start, end in itertools.pairwise(np.searchsorted(places, np.arange(len(queries) + 1)).tolist()):
        own, scores = chosen[start:end], final[start:end]
        order = topk.best([view.rows.ids[row] for row in own.tolist()], scores, k=top_k)
        results.append(Found(own[order], scores[order], end - start))
    return results


def _key_error(view: View, query: FloatVector) -> float | None:
    norm = math.sqrt(np.dot(wide := query.astype(np.float64), wide))
    return distance.key_error(
        view.rows.metric, query_norm=norm, largest_norm=view.rows.largest_norm, dimension=view.rows.dimension
    )


def _finish(view: View, query: FloatVector, rows: RowNumbers, *, top_k: int) -> Found:
    return _rank(view, query, rows=rows, matrix=view.rows.gather(rows), top_k=top_k)


def _rank(view: View, query: FloatVector, *, rows: RowNumbers, matrix: FloatMatrix, top_k: int) -> Found:
    final = distance.scores(view.rows.metric, matrix, query)
    ids = [view.rows.ids[row] for row in rows.tolist()]
    order = topk.best(ids, final, k=top_k)
    return Found(rows[order], final[order], len(rows))
