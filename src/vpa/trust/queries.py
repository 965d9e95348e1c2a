"""What a measurement of recall asks with: records drawn from a whole scan, and queries that lie near them and between
them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from vpa.base.arrays import FloatMatrix
from vpa.base.errors import InvalidQueryError
from vpa.base.records import Metric, Record
from vpa.base.scope import Scope
from vpa.client.collection import Collection
from vpa.client.validating import checked_queries

_READ: Final = 20_000  # Records of a scan that are looked at.
_DRAWN: Final = 2_000  # Of these the ones that are held, for queries and filters.
# As a promised recall is measured (vpa.client.calibrating): a record moved by as much as it is long, and every fourth
# time a point this far on the way from one record to another.
_NOISE: Final = 1.0
_ON_THE_WAY: Final = 1 / 3
_EVERY: Final = 4


@dataclass(frozen=True, slots=True)
class Queries:
    """`vectors` `(m, d)`, and for each row its kind: "moved", "between", or "own" for a caller's own."""

    vectors: FloatMatrix
    kinds: tuple[str, ...]


async def draw(collection: Collection, *, scope: Scope, seed: int) -> list[Record]:
    """Up to 2,000 records, each of the first 20,000 of the scope equally likely (reservoir sampling)."""
    rng = random.Random(seed)
    drawn: list[Record] = []
    read = 0
    async for batch in collection.scan_batches(scope=scope, batch_size=1_000):
        for record in batch:
            place = read if read < _DRAWN else rng.randrange(read + 1)
            read += 1
            if place < _DRAWN:
                # A copy: a row of the batch's matrix would keep all of it in memory.
                copied = replace(record, vector=np.array(record.vector))
                drawn[place : place + 1] = [copied]
        if read >= _READ:
            break
    return drawn


async def own_queries(collection: Collection, vectors: ArrayLike) -> Queries:
    """A caller's `(m, d)` vectors, checked as for `search_batch`; raises InvalidQueryError."""
    matrix = await checked_queries(vectors, info=collection.info)
    if not len(matrix):
        raise InvalidQueryError("queries holds no vector; give an (m, d) array of real queries, or leave it out")
    return Queries(matrix, ("own",) * len(matrix))


def made_queries(records: Sequence[Record], *, count: int, metric: Metric, seed: int) -> Queries:
    """`count` queries at most, no more than there are records: moved copies of records, and points between two."""
    rng = np.random.default_rng(seed)
    count = min(count, len(records))
    rows = np.asarray([record.vector for record in records], dtype=np.float64)
    first, second = rows[rng.permutation(len(rows))[:count]], rows[rng.integers(0, len(rows), count)]
    spread = np.abs(first).mean(axis=1, keepdims=True)
    moved = first + rng.standard_normal(first.shape) * (_NOISE * np.where(spread > 0, spread, 1.0))
    between = first + _ON_THE_WAY * (second - first)
    is_between = np.arange(count) % _EVERY == _EVERY - 1
    vectors = np.where(is_between[:, None], between, moved)
    if metric is Metric.COSINE:
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors = np.where(lengths > 0, vectors / np.where(lengths > 0, lengths, 1), first)
    limit = float(np.finfo(np.float32).max)
    kinds = tuple("between" if flag else "moved" for flag in is_between)
    return Queries(np.ascontiguousarray(np.clip(vectors, -limit, limit), dtype=np.float32), kinds)
