"""Rows that lie as embeddings do: in clusters, with directions of different weight."""

from __future__ import annotations

import numpy as np

from vpa.base.index_options import IndexOptions
from vpa.base.query import OnConflict, SearchRequest
from vpa.base.records import CollectionInfo, RecordBatch
from vpa.base.scope import Scope
from vpa.engine.table import Table
from vpa.filters.ast import ALWAYS, Filter

Matrix = np.ndarray


def clustered(count: int, dimension: int, *, seed: int = 0) -> Matrix:
    rng = np.random.default_rng(seed)
    weights = 1 / np.sqrt(1 + np.arange(dimension))
    centres = np.random.default_rng(99).standard_normal((50, dimension)) * weights
    rows = centres[rng.integers(50, size=count)] + rng.standard_normal((count, dimension)) * weights
    return rows.astype(np.float32)


def unit(matrix: Matrix) -> Matrix:
    return (matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).astype(np.float32)


def collection(rows: Matrix, *, metric: str = "cosine", **options: object) -> Table:
    """A collection of these rows under the ids "0", "1", …, with codes where the engine makes them."""
    info = CollectionInfo(name="docs", dimension=rows.shape[1], metric=metric, index=IndexOptions(**options))  # type: ignore[arg-type]
    made = Table(info)
    write(made, rows)
    made.upkeep.run(stop=lambda: False)
    return made


def write(made: Table, rows: Matrix, *, first: int = 0) -> None:
    batch = RecordBatch(
        ids=[str(n) for n in range(first, first + len(rows))],
        vectors=rows,
        metadata=[{"n": n, "tenth": n % 10} for n in range(first, first + len(rows))],
    )
    made.upsert(batch, scope=Scope(), on_conflict=OnConflict.REPLACE, replacing=None)


def recall(made: Table, queries: Matrix, *, node: Filter = ALWAYS, top_k: int = 10) -> float:
    """Mean share of the exact answers; a row as near as the last of them counts as one."""
    exact = made.search(SearchRequest(vectors=queries, top_k=top_k, exact=True), node)
    usual = made.search(SearchRequest(vectors=queries, top_k=top_k), node)
    shares = []
    for truth, found in zip(exact, usual, strict=True):
        assert truth.exact
        assert len(found.matches) == len(truth.matches)
        least = truth.matches[-1].score
        shares.append(sum(match.score >= least for match in found.matches) / len(truth.matches))
    return float(np.mean(shares))
