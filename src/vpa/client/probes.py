"""Questions made of a collection's own records, without and with filters of several shares, and their exact answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from vpa.base.arrays import FloatMatrix
from vpa.base.records import CollectionInfo, Metric, Record
from vpa.base.scope import Scope
from vpa.client.exactly import ExactAnswers, add_to_all
from vpa.client.selectivity import SHARES, filters_by_share
from vpa.filters import NormalFilter, normalize
from vpa.stores.contract import VectorStore
from vpa.stores.requests import ALWAYS, Count, Scan

TOP_K: Final = 10
# Four thousand neighbours: their mean recall is known to about two in a thousand, with filters to three.
_QUERIES: Final = 400
_FILTERED_QUERIES: Final = 200
# Of which at least so many ask each of several scopes.
_LEAST_QUERIES: Final = 100
# Records that become queries and filters.
_SAMPLED: Final = 2_000
# Scopes that are looked at, and of these the ones that are measured.
_SCOPES_SEEN: Final = 16
_SCOPES: Final = 3
# The default scope is measured whatever the others hold, unless it is this small.
_WORTH_MEASURING: Final = 2_000
# Queries are rows moved by as much as rows differ from each other, and a little more; and points so far on the way from
# one row to another. Of a real question the nearest are found a little more often than of these; half way, an index
# loses ten times as many.
_NOISE: Final = 1.2
_ON_THE_WAY: Final = 1 / 3
UNFILTERED: Final = "all"
LEVELS: Final = (UNFILTERED, *SHARES)


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """Queries `(m, d) float32` in one scope under one filter, and their exact answers."""

    scope: Scope
    filter: NormalFilter
    queries: FloatMatrix
    exact: ExactAnswers


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """What is measured together: the probes without a filter, or those under filters of one share, in each scope."""

    name: str
    probes: Sequence[Probe]

    @property
    def is_filtered(self) -> bool:
        """Whether its searches have a filter of their own."""
        return self.name != UNFILTERED


async def make_levels(store: VectorStore, info: CollectionInfo) -> tuple[list[Level], int]:
    """The levels that the collection's records allow, in the order of `LEVELS`, and over how many records they go.

    Reads each of the measured scopes once. None where there are fewer than two records.
    """
    scopes = await _measured_scopes(store, info)
    probes: dict[str, list[Probe]] = {}
    rows = 0
    for scope, count in scopes:
        records = await store.sample(info, count=_SAMPLED, scope=scope)
        if len(records) < 2:
            continue
        own = await asyncio.to_thread(_make_probes, info, records, scope, len(scopes))
        async for batch in store.scan(info, Scan(scope=scope)):
            await asyncio.to_thread(add_to_all, [probe.exact for probe in own.values()], batch)
        for name, probe in own.items():
            probes.setdefault(name, []).append(probe)
        rows += count
    return [Level(name, probes[name]) for name in LEVELS if name in probes], rows


async def _measured_scopes(store: VectorStore, info: CollectionInfo) -> list[tuple[Scope, int]]:
    """The default scope where it holds many records, and the largest of those that were seen; with their counts."""
    seen = await store.scopes(info, limit=_SCOPES_SEEN)
    counts = {scope: await store.count(info, Count(scope=scope)) for scope in dict.fromkeys([Scope(), *seen])}
    largest = sorted(
        (scope for scope in counts if counts[scope]),
        key=lambda scope: (scope == Scope() and counts[scope] >= _WORTH_MEASURING, counts[scope]),
        reverse=True,
    )
    return [(scope, counts[scope]) for scope in largest[:_SCOPES]]


def _make_probes(info: CollectionInfo, records: Sequence[Record], scope: Scope, share: int) -> dict[str, Probe]:
    most, fewer = (max(_LEAST_QUERIES, number // share) for number in (_QUERIES, _FILTERED_QUERIES))
    queries = make_queries(records, count=most, metric=info.metric)
    nodes = {UNFILTERED: ALWAYS} | {name: normalize(node) for name, node in filters_by_share(records).items()}
    probes = {}
    for name, node in nodes.items():
        asked = queries if node is ALWAYS else queries[:fewer]
        exact = ExactAnswers(asked, node, metric=info.metric, top_k=TOP_K)
        probes[name] = Probe(scope, node, asked, exact)
    return probes


def make_queries(records: Sequence[Record], *, count: int, metric: Metric, seed: int | None = None) -> FloatMatrix:
    """`(count, d) float32`: rows that were moved, and every fourth time a point between two rows."""
    rng = np.random.default_rng(len(records) if seed is None else seed)
    rows = np.asarray([record.vector for record in records], dtype=np.float64)
    first, second = rng.integers(0, len(rows), count), rng.integers(0, len(rows), count)
    moved = rows[first] + rng.standard_normal((count, rows.shape[1])) * (_NOISE * rows.std(axis=0))
    between = rows[first] + _ON_THE_WAY * (rows[second] - rows[first])
    queries = np.where((np.arange(count) % 4 < 3)[:, None], moved, between)
    if metric is Metric.COSINE:
        lengths = np.linalg.norm(queries, axis=1, keepdims=True)
        queries = np.where(lengths > 0, queries / np.where(lengths > 0, lengths, 1), rows[first])
    return np.ascontiguousarray(queries, dtype=np.float32)
