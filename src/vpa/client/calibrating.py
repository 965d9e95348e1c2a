"""Which setting of a store's own search keeps a promised recall: measured against exact answers on its own records."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from vpa.base.arrays import FloatMatrix
from vpa.base.calibration import EXACT, Calibration
from vpa.base.clock import Clock
from vpa.base.records import CollectionInfo, Matches, Metric, Record
from vpa.base.scope import ALL_SCOPES, Scope
from vpa.client import residual
from vpa.client.exactly import ExactAnswers, add_to_all
from vpa.client.selectivity import SHARES, filters_by_share
from vpa.filters import NormalFilter, normalize
from vpa.stores.contract import VectorStore
from vpa.stores.requests import ALWAYS, Count, Scan, Search

# Records that are read, and of these the ones that become queries and filters.
_READ: Final = 20_000
_SAMPLED: Final = 2_000
# A thousand neighbours: the mean recall of them is known to about three in a thousand.
_QUERIES: Final = 100
_FILTERED_QUERIES: Final = 50
_AT_ONCE: Final = 10
# Exact searches that are timed, how often, and how many times too slow one round must be for it to be the last.
_TIMED: Final = 5
_ROUNDS: Final = 3
_HOPELESS: Final = 3.0
_TOP_K: Final = 10
# Where no setting keeps the promise, exact searches do; they may take this many times as long.
_DEARER: Final = 3.0
# Queries are rows moved by as much as they are long, and points so far on the way from one row to another. Of a real
# question the nearest are found a little more often than of these; half way, an index loses ten times as many.
_NOISE: Final = 1.0
_ON_THE_WAY: Final = 1 / 3


@dataclass(frozen=True, slots=True)
class _Level:
    """Queries under one filter, and their exact answers."""

    name: str
    filter: NormalFilter
    queries: FloatMatrix
    exact: ExactAnswers


@dataclass(frozen=True, slots=True)
class _Trial:
    effort: int | None
    recall: float
    time_s: float


class Calibrating:
    """One measurement of one collection."""

    def __init__(self, store: VectorStore, info: CollectionInfo, *, promised: float, clock: Clock) -> None:
        self._store = store
        self._info = info
        self._clock = clock
        self._promised = promised
        self._rungs: list[int | None] = list(store.efforts(info)) or [None]

    async def run(self) -> Calibration:
        """Measure; the collection then uses the settings that were found, and they are stored with it by the caller."""
        if not self._store.is_approximate(self._info):
            rows = await self._store.count(self._info, Count())
            # Where an index is only left out for now, searches stay as they were measured.
            effort = EXACT if self._rungs != [None] else None
            measured = dict.fromkeys(("all", *SHARES), 1.0) if rows else {}
            return Calibration(effort=effort, filtered=effort, measured=measured, rows=rows, total=rows, top_k=_TOP_K)
        scope, records, share = await self._sample()
        rows = await self._store.count(self._info, Count(scope=scope))
        total = round(rows / share)
        if len(records) < 2:
            return Calibration(rows=rows, total=total, top_k=_TOP_K)
        whole, *filtered = levels = await asyncio.to_thread(self._levels, records)
        async for batch in self._store.scan(self._info, Scan(scope=scope)):
            await asyncio.to_thread(add_to_all, [level.exact for level in levels], batch)
        first = await self._climb(whole, scope, self._rungs)
        chosen = {whole.name: first}
        rungs = self._rungs[self._rungs.index(first.effort) :]
        for level in filtered:
            # Each starts where the one before ended: one setting serves all filters, those that keep nearly all too.
            chosen[level.name] = trial = await self._climb(level, scope, rungs)
            rungs = rungs[rungs.index(trial.effort) :]
        found = await self._conclude(levels, chosen, scope)
        return replace(found, rows=rows, total=total)

    async def _conclude(self, levels: Sequence[_Level], chosen: dict[str, _Trial], scope: Scope) -> Calibration:
        whole, *others = levels
        effort = chosen[whole.name].effort
        under = chosen[levels[-1].name].effort
        for level in others[:-1]:
            if chosen[level.name].effort != under:
                chosen[level.name] = await self._try(level, scope, under)
        if await self._is_better_exact([whole], chosen, scope):
            effort = EXACT
        # Where no filter could be measured, what holds without one is all that is known.
        if await self._is_better_exact(others, chosen, scope) or (not others and effort == EXACT):
            under = EXACT
        exact = [level.name for level in levels if (effort if level is whole else under) == EXACT]
        measured = {name: trial.recall for name, trial in chosen.items()} | dict.fromkeys(exact, 1.0)
        return Calibration(
            effort=effort,
            filtered=under,
            measured={name: round(recall, 4) for name, recall in measured.items()},
            missed=tuple(name for name, recall in measured.items() if recall < self._promised),
            top_k=_TOP_K,
        )

    async def _is_better_exact(self, levels: Sequence[_Level], chosen: dict[str, _Trial], scope: Scope) -> bool:
        """Whether the promise is missed under one of the filters, and exact searches cost little more under each."""
        if all(chosen[level.name].recall >= self._promised for level in levels):
            return False
        for level in levels:
            usual_s = chosen[level.name].time_s / len(level.queries)
            if not await self._takes_at_most(_DEARER * usual_s, level, scope):
                return False
        return True

    async def _takes_at_most(self, seconds: float, level: _Level, scope: Scope) -> bool:
        """Whether an exact search does, in the fastest of a few rounds: the first may find caches cold."""
        queries = level.queries[:_TIMED]
        for _ in range(_ROUNDS):
            started = self._clock.monotonic()
            await self._search(queries, level.filter, scope, info=self._info, exact=True)
            per_query_s = (self._clock.monotonic() - started) / len(queries)
            if per_query_s <= seconds:
                return True
            if per_query_s > _HOPELESS * seconds:
                return False
        return False

    async def _climb(self, level: _Level, scope: Scope, rungs: Sequence[int | None]) -> _Trial:
        """The cheapest setting that is good enough, or the best."""
        best: _Trial | None = None
        for effort in rungs:
            trial = await self._try(level, scope, effort)
            if trial.recall >= self._promised:
                return trial
            if best is None or trial.recall > best.recall:
                best = trial
        assert best is not None
        return best

    async def _try(self, level: _Level, scope: Scope, effort: int | None) -> _Trial:
        info = replace(self._info, calibration=Calibration(effort=effort, filtered=effort, trial=True))
        await self._store.use_effort(info)
        started = self._clock.monotonic()
        usual = await self._search(level.queries, level.filter, scope, info=info)
        time_s = self._clock.monotonic() - started
        return _Trial(effort, float(np.mean(level.exact.shares(usual))), time_s)

    async def _search(
        self, queries: FloatMatrix, node: NormalFilter, scope: Scope, *, info: CollectionInfo, exact: bool = False
    ) -> list[Matches]:
        found: list[Matches] = []
        for start in range(0, len(queries), _AT_ONCE):
            request = Search(
                vectors=queries[start : start + _AT_ONCE], top_k=_TOP_K, exact=exact, scope=scope, filter=node
            )
            found += await residual.search(self._store, info, request)
        return found

    # What is asked

    async def _sample(self) -> tuple[Scope, list[Record], float]:
        """The scope with the most records among the first ones, some of its records, and its share among the first."""
        by_scope: dict[Scope, list[Record]] = {}
        read = 0
        async for batch in self._store.scan(self._info, Scan(scope=ALL_SCOPES)):
            by_scope.setdefault(batch.scope or Scope(), []).extend(batch)
            read += len(batch)
            if read >= _READ:
                break
        if not by_scope:
            return Scope(), [], 1.0
        scope, records = max(by_scope.items(), key=lambda pair: len(pair[1]))
        return scope, random.Random(read).sample(records, min(_SAMPLED, len(records))), len(records) / read

    def _levels(self, records: list[Record]) -> list[_Level]:
        queries = self._queries(records)
        levels = [self._level("all", ALWAYS, queries)]
        for name, node in filters_by_share(records).items():
            levels.append(self._level(name, normalize(node), queries[:_FILTERED_QUERIES]))
        return levels

    def _level(self, name: str, node: NormalFilter, queries: FloatMatrix) -> _Level:
        return _Level(name, node, queries, ExactAnswers(queries, node, metric=self._info.metric, top_k=_TOP_K))

    def _queries(self, records: list[Record]) -> FloatMatrix:
        """Rows that were moved, and every fourth time a point between two rows."""
        rng = np.random.default_rng(len(records))
        rows = np.asarray([record.vector for record in records], dtype=np.float64)
        first, second = rng.integers(0, len(rows), _QUERIES), rng.integers(0, len(rows), _QUERIES)
        moved = rows[first] + rng.standard_normal((_QUERIES, rows.shape[1])) * (
            _NOISE * np.abs(rows[first]).mean(axis=1, keepdims=True)
        )
        between = rows[first] + _ON_THE_WAY * (rows[second] - rows[first])
        queries = np.where((np.arange(_QUERIES) % 4 < 3)[:, None], moved, between)
        if self._info.metric is Metric.COSINE:
            lengths = np.linalg.norm(queries, axis=1, keepdims=True)
            queries = np.where(lengths > 0, queries / np.where(lengths > 0, lengths, 1), rows[first])
        return np.ascontiguousarray(queries, dtype=np.float32)
