"""Which setting of a store's own search keeps a promised recall: measured against exact answers on its own records."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from vpa.base.arrays import FloatMatrix
from vpa.base.calibration import EXACT, Calibration
from vpa.base.clock import Clock
from vpa.base.records import CollectionInfo, Matches
from vpa.base.scope import ALL_SCOPES, Scope
from vpa.client import residual
from vpa.client.probes import LEVELS, TOP_K, Level, Probe, make_levels
from vpa.filters import NormalFilter
from vpa.stores.contract import VectorStore
from vpa.stores.requests import Count, Search

_AT_ONCE: Final = 10
# A setting that is this unlikely to be good enough, in standard errors, after so many queries is given up.
_FIRST_LOOK: Final = 40
_HOPE: Final = 3.0
# A slow setting is judged by the queries that it answered in this time.
_TRIAL_S: Final = 60.0
# Exact searches that are timed, how often, and how many times too slow one round must be for it to be the last.
_TIMED: Final = 5
_ROUNDS: Final = 3
_HOPELESS: Final = 3.0
# Where no setting keeps the promise, exact searches do; they may take this many times as long.
_DEARER: Final = 3.0
# A store may search the records under such a filter one by one instead of by its index, as it does for its users.
_FEW: Final = "few"


@dataclass(frozen=True, slots=True)
class _Trial:
    """One setting at one level. `margin`: the standard error of `recall`, in the scope where this is least."""

    effort: int | None
    recall: float
    margin: float
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
        total = await self._store.count(self._info, Count(scope=ALL_SCOPES))
        if not self._store.is_approximate(self._info):
            # Where an index is only left out for now, searches stay as they were measured.
            effort = EXACT if self._rungs != [None] else None
            measured = dict.fromkeys(LEVELS, 1.0) if total else {}
            return Calibration(effort=effort, filtered=effort, measured=measured, rows=total, total=total, top_k=TOP_K)
        levels, rows = await make_levels(self._store, self._info)
        if not levels:
            return Calibration(rows=rows, total=total, top_k=TOP_K)
        chosen: dict[str, _Trial] = {}
        rungs = self._rungs
        for level in levels:
            # Each starts where the one before ended: one setting serves all filters, those that keep nearly all too.
            chosen[level.name] = trial = await self._climb(level, rungs)
            rungs = rungs[rungs.index(trial.effort) :]
        return replace(await self._conclude(levels, chosen), rows=rows, total=total)

    async def _conclude(self, levels: Sequence[Level], chosen: dict[str, _Trial]) -> Calibration:
        whole, *others = levels
        effort = chosen[whole.name].effort
        under = chosen[levels[-1].name].effort
        for level in others[:-1]:
            if chosen[level.name].effort != under:
                chosen[level.name] = await self._try(level, under)
        if await self._is_better_exact([whole], chosen):
            effort = EXACT
        # Where no filter could be measured, what holds without one is all that is known.
        if await self._is_better_exact(others, chosen) or (not others and effort == EXACT):
            under = EXACT
        exact = [level.name for level in levels if (under if level.is_filtered else effort) == EXACT]
        measured = {name: trial.recall for name, trial in chosen.items()} | dict.fromkeys(exact, 1.0)
        return Calibration(
            effort=effort,
            filtered=under,
            measured={name: round(recall, 4) for name, recall in measured.items()},
            missed=tuple(name for name, recall in measured.items() if recall < self._promised),
            top_k=TOP_K,
        )

    # Exact searches

    async def _is_better_exact(self, levels: Sequence[Level], chosen: dict[str, _Trial]) -> bool:
        """Whether the promise is missed under one of the filters, and exact searches cost little more under each."""
        if all(chosen[level.name].recall >= self._promised for level in levels):
            return False
        for level in levels:
            if not await self._takes_at_most(_DEARER * chosen[level.name].time_s, level.probes[0]):
                return False
        return True

    async def _takes_at_most(self, seconds: float, probe: Probe) -> bool:
        """Whether an exact search does, in the fastest of a few rounds: the first may find caches cold.

        A first query alone may show that it is hopeless, where five would take minutes.
        """
        for count in (1, *[_TIMED] * _ROUNDS):
            queries = probe.queries[:count]
            started = self._clock.monotonic()
            await self._search(queries, probe.filter, probe.scope, info=self._info, exact=True)
            per_query_s = (self._clock.monotonic() - started) / len(queries)
            if count > 1 and per_query_s <= seconds:
                return True
            if per_query_s > (_HOPELESS if count > 1 else _HOPELESS**2) * seconds:
                return False
        return False

    # The store's own

    async def _climb(self, level: Level, rungs: Sequence[int | None]) -> _Trial:
        """The cheapest setting that is good enough, or the best."""
        best: _Trial | None = None
        for effort in rungs:
            trial = await self._try(level, effort)
            # Many settings are tried, and one that is as good as promised by luck must not win; with filters each
            # level has the luck of the others against it.
            margin = 0.0 if level.is_filtered else trial.margin
            if trial.recall >= min(1.0, self._promised + margin):
                return trial
            if best is None or trial.recall > best.recall:
                best = trial
        assert best is not None
        return best

    async def _try(self, level: Level, effort: int | None) -> _Trial:
        """In the scope that it serves worst."""
        trial = level.name != _FEW
        info = replace(self._info, calibration=Calibration(effort=effort, filtered=effort, trial=trial))
        await self._store.use_effort(info)
        trials = []
        for probe in level.probes:
            trials.append(await self._try_probe(probe, effort, info=info))
            if self._is_hopeless(trials[-1]):
                break
        worst = min(trials, key=lambda tried: tried.recall)
        return replace(worst, time_s=max(tried.time_s for tried in trials))

    async def _try_probe(self, probe: Probe, effort: int | None, *, info: CollectionInfo) -> _Trial:
        answers: list[Matches] = []
        started = self._clock.monotonic()
        for start in range(0, len(probe.queries), _AT_ONCE):
            part = probe.queries[start : start + _AT_ONCE]
            answers += await self._search(part, probe.filter, probe.scope, info=info)
            trial = _trial(effort, probe.exact.shares(answers), time_s=self._clock.monotonic() - started)
            if len(answers) % _FIRST_LOOK == 0 and self._is_hopeless(trial):
                break
            if trial.time_s * len(answers) > _TRIAL_S:
                break
        return trial

    def _is_hopeless(self, trial: _Trial) -> bool:
        return trial.recall + _HOPE * trial.margin < self._promised

    async def _search(
        self, queries: FloatMatrix, node: NormalFilter, scope: Scope, *, info: CollectionInfo, exact: bool = False
    ) -> list[Matches]:
        request = Search(vectors=queries, top_k=TOP_K, exact=exact, scope=scope, filter=node)
        return await residual.search(self._store, info, request)


def _trial(effort: int | None, shares: Sequence[float], *, time_s: float) -> _Trial:
    margin = float(np.std(shares)) / math.sqrt(len(shares))
    return _Trial(effort, float(np.mean(shares)), margin, time_s / len(shares))
