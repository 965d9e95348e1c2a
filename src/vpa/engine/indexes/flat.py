"""Exact search: keys of all rows by one matrix product in float32, final scores of the few in float64.

`planner.py` decides between looking at all rows and gathering the filtered ones first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from vpa.base import distances
from vpa.base.arrays import FloatMatrix, FloatVector, RowMask, RowNumbers, Scores
from vpa.base.records import Metric
from vpa.engine import topk
from vpa.engine.planner import Path, choose_path
from vpa.engine.selection import Selection
from vpa.engine.view import View
from vpa.kit.blas import within_quota

# More would be new memory from the system each time.
_KEYS_BYTES: Final = 24 << 20
# So many queries share one pass over the rows; more gain nothing.
_TOGETHER: Final = 64
_FEW: Final = 4096
_WIDE: Final = 128


@dataclass(frozen=True, slots=True, eq=False)
class BestRows:
    """The best rows of one query, best first, and how many were scored to find them."""

    rows: RowNumbers
    scores: Scores
    candidates: int


def search(view: View, queries: FloatMatrix, *, top_k: int, chosen: Selection | None) -> list[BestRows]:
    """The `top_k` best rows of those chosen, for each row of `queries` `(m, d)`; every one of them, with certainty."""
    path = choose_path(view.count, chosen)
    if path is Path.NOTHING:
        return [_nothing() for _ in queries]
    if chosen is not None and path is Path.GATHER:
        return search_gathered(view, queries, chosen.rows, top_k=top_k)
    mask = None if chosen is None else chosen.mask
    results: list[BestRows] = []
    for start in range(0, len(queries), _TOGETHER):
        results.extend(_search_all(view, queries[start : start + _TOGETHER], mask, top_k=top_k))
    return results


def _nothing() -> BestRows:
    return BestRows(np.empty(0, dtype=np.int64), np.empty(0), 0)


def _search_all(view: View, queries: FloatMatrix, mask: RowMask | None, *, top_k: int) -> Iterator[BestRows]:
    errors = [error for query in queries if (error := _key_error(view, query)) is not None]
    if len(errors) < len(queries):
        rows = np.arange(view.count) if mask is None else np.flatnonzero(mask)
        yield from search_gathered(view, queries, rows, top_k=top_k)
        return
    kept: list[list[topk.Contenders]] = [[] for _ in queries]
    for first, keys in _keys(view, queries, mask):
        maxima = topk.block_maxima(keys)
        for position, error in enumerate(errors):
            rows = topk.candidates(keys[position], maxima[position], k=top_k, error=error)
            kept[position].append(topk.Contenders(rows + first, keys[position][rows]))
    for query, error, parts in zip(queries, errors, kept, strict=True):
        rows = topk.candidates_of_parts(parts, k=top_k, error=error)
        yield _rank(view, query, rows=rows, matrix=view.rows.gather(rows), top_k=top_k)


def _keys(view: View, queries: FloatMatrix, mask: RowMask | None) -> Iterator[tuple[int, FloatMatrix]]:
    """`(number of the first row, keys (m, n))` of so many rows that the keys stay small; those outside the mask have
    -inf.
    """
    most = max(1, _KEYS_BYTES // (4 * len(queries)))
    room = np.empty(len(queries) * min(most, view.count), dtype=np.float32)
    for first, matrix in view.rows.vectors.matrices(view.count):
        for start in range(first, first + len(matrix), most):
            part = matrix[start - first : start - first + most]
            keys = room[: len(queries) * len(part)].reshape(len(queries), len(part))
            with within_quota():
                if len(queries) == 1:
                    np.dot(part, queries[0], out=keys[0])
                else:
                    np.matmul(queries, part.T, out=keys)
            if view.rows.vectors.metric is Metric.EUCLIDEAN:
                keys -= view.rows.half_squares.prefix(view.count)[start : start + len(part)]
            if mask is not None:
                np.copyto(keys, np.float32(-np.inf), where=~mask[start : start + len(part)])
            yield start, keys


def search_gathered(view: View, queries: FloatMatrix, rows: RowNumbers, *, top_k: int) -> list[BestRows]:
    """The `top_k` best among `rows`, exactly."""
    matrix = view.rows.gather(rows)
    return [_rank(view, query, rows=rows, matrix=matrix, top_k=top_k) for query in queries]


def rank_candidates(
    view: View, queries: FloatMatrix, candidates: Sequence[RowNumbers], *, top_k: int
) -> list[BestRows]:
    """The `top_k` best for each query among its own candidates, exactly."""
    matrix = view.rows.gather(candidates[0] if len(candidates) == 1 else np.concatenate(candidates))
    results, start = [], 0
    for query, rows in zip(queries, candidates, strict=True):
        part = matrix[start : start + len(rows)]
        results.append(_rank(view, query, rows=rows, matrix=part, top_k=top_k))
        start += len(rows)
    return results


def _rank(view: View, query: FloatVector, *, rows: RowNumbers, matrix: FloatMatrix, top_k: int) -> BestRows:
    """The best of `rows`, whose vectors `matrix` holds: where they are many, float32 finds the few that can be."""
    count = len(rows)
    error = _key_error(view, query) if count > max(top_k, _WIDE) else None
    if error is not None:
        keys = matrix @ query
        if view.rows.vectors.metric is Metric.EUCLIDEAN:
            keys -= view.rows.half_squares.prefix(view.count)[rows]
        few = count <= _FEW
        kept = (
            topk.candidates_of_few(keys, k=top_k, error=error)
            if few
            else topk.candidates(keys, topk.block_maxima(keys), k=top_k, error=error)
        )
        rows, matrix = rows[kept], matrix[kept]
    return _best(view, rows, distances.scores(view.rows.vectors.metric, matrix, query), top_k=top_k, candidates=count)


def _best(view: View, rows: RowNumbers, scores: Scores, *, top_k: int, candidates: int) -> BestRows:
    """The best of `rows` by their final scores, equal ones in id order."""
    order = topk.best(scores, k=top_k, ids=lambda place: view.rows.ids[rows[place]])
    return BestRows(rows[order], scores[order], candidates)


def _key_error(view: View, query: FloatVector) -> float | None:
    norm = math.sqrt(np.dot(wide := query.astype(np.float64), wide))
    return distances.key_error(
        view.rows.vectors.metric,
        query_norm=norm,
        largest_norm=view.rows.largest_norm,
        dimension=view.rows.vectors.dimension,
    )
