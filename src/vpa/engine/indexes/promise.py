"""Recall measured, not assumed: how many candidates the first pass must give on this collection's own vectors."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from vpa.base.arrays import FloatMatrix, RowNumbers, Scores
from vpa.base.records import Metric
from vpa.base.scope import ALL_SCOPES
from vpa.engine.indexes import flat
from vpa.engine.quant.base import Codes
from vpa.engine.quant.space import Space
from vpa.engine.view import View
from vpa.filters.ast import ALWAYS

# The engine measures at these, and draws a line between and beyond them.
DEPTHS_AT: Final = (10, 100)
# Queries of each kind.
_QUERIES: Final = 100
_NOISE: Final = 0.25
_LARGEST_SHARE: Final = 0.25
# Queries of the users may be harder than those drawn here, and the more so the more rows there are: with a million of
# them, the
# depth drawn for a recall of 0.99 gave real questions 0.981, twice that depth 0.995.
_MARGIN, _MARGIN_ROWS, _MARGIN_GROWTH = 1.3, 100_000, 0.3
_STEP: Final = 20


@dataclass(frozen=True, slots=True)
class Measured:
    """At `top_k`: so many `candidates` held this share of the exact answers; `kept` says whether that is what was
    promised.
    """

    top_k: int
    candidates: int
    recall: float
    kept: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """How searches are done since the last measurement, over `rows` rows. `reason` says why all are exact, if they
    are.
    """

    rows: int
    promised: float
    measured: tuple[Measured, ...]
    # Of a search of all rows, and of one among a tenth of them.
    seconds: float = 0.0
    sparse_seconds: float = 0.0
    reason: str = ""

    def depth(self, top_k: int) -> int | None:
        """How many candidates `top_k` needs; None where searching exactly is the better way."""
        if self.reason:
            return None
        few, many = self.measured
        if not (few.kept if top_k <= few.top_k else few.kept and many.kept):
            return None
        if top_k <= few.top_k:
            depth = few.candidates
        elif top_k <= many.top_k:
            share = (top_k - few.top_k) / (many.top_k - few.top_k)
            depth = int(few.candidates + max(0, many.candidates - few.candidates) * share)
        else:
            depth = many.candidates * top_k // many.top_k
        return depth if depth <= self.rows * _LARGEST_SHARE else None

    def to_json(self) -> dict[str, Any]:
        """For statistics and `explain`: what was promised and what was measured."""
        return {
            "promised_recall": self.promised,
            "measured_at_rows": self.rows,
            "measured": [asdict(one) for one in self.measured],
            "seconds": self.seconds,
            "sparse_seconds": self.sparse_seconds,
            "exact_because": self.reason or None,
        }

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Plan:
        """What `to_json` made; raises KeyError or TypeError for anything else."""
        measured = tuple(Measured(**one) for one in facts["measured"])
        return cls(
            facts["measured_at_rows"],
            facts["promised_recall"],
            measured,
            facts["seconds"],
            facts["sparse_seconds"],
            facts["exact_because"] or "",
        )


class _Group(NamedTuple):
    """Queries of one kind, their exact answers `(q, k)`, and at which place of the first pass each stands."""

    queries: FloatMatrix
    truth: RowNumbers
    ranks: RowNumbers

    def joined(self, other: _Group) -> _Group:
        return _Group(*(np.concatenate([one, more]) for one, more in zip(self, other, strict=True)))


class Survey:
    """Draws queries from a view, finds their exact answers once, and sees how deep these stand in one first pass or
    another.
    """

    def __init__(self, view: View, *, seed: int = 0) -> None:
        self.view = view
        self._rng = np.random.default_rng(seed)
        self._live = np.arange(view.count) if view.live is None else np.flatnonzero(view.live)
        self._everything = view.selection(ALWAYS, ALL_SCOPES)
        self._answered: list[tuple[FloatMatrix, RowNumbers]] | None = None

    def plan(self, codes: Codes, space: Space, promised: float, *, stop: Callable[[], bool]) -> Plan | None:
        """The plan for a promised recall, or None if `stop` said so meanwhile."""
        if self._answered is None:
            self._answered = self._answers(stop)
        if self._answered is None:
            return None
        limit = int(min(codes.deepest, len(self._live) * _LARGEST_SHARE))
        groups = []
        for queries, truth in self._answered:
            asked = space.queries(queries)
            ranks = [
                codes.ranks(asked[n : n + _STEP], truth[n : n + _STEP], limit=limit)
                for n in range(0, len(asked), _STEP)
                if not stop()
            ]
            if stop():
                return None
            groups.append(_Group(asked, truth, np.concatenate(ranks)))
        measured = []
        for k in DEPTHS_AT:
            if stop():
                return None
            measured.append(self._measured(codes, groups, top_k=k, promised=promised, limit=limit))
        few = measured[0]
        reason = (
            ""
            if few.kept
            else f"codes ({codes.name}) reach recall {few.recall:.4f} of the top {few.top_k} with {limit} candidates"
        )
        return Plan(len(self._live), promised, tuple(measured), reason=reason)

    def _measured(self, codes: Codes, groups: list[_Group], *, top_k: int, promised: float, limit: int) -> Measured:
        """Of the groups of queries the one that needs most decides. What it gives is then seen by asking for so
        many.
        """
        needed = max(_depth_for(group.ranks[:, :top_k], promised) for group in groups)
        margin = _MARGIN * max(1.0, len(self._live) / _MARGIN_ROWS) ** _MARGIN_GROWTH
        candidates = min(limit, int(needed * margin) + 2 * top_k)
        while True:
            recall = min(self._recall(codes, group, top_k=top_k, candidates=candidates) for group in groups)
            if recall >= promised or candidates >= limit:
                return Measured(top_k, candidates, recall, kept=recall >= promised)
            # A compiled pass may lose a row that a deeper one finds far in front.
            candidates = min(limit, candidates * 3 // 2)

    def _recall(self, codes: Codes, group: _Group, *, top_k: int, candidates: int) -> float:
        chosen = self._everything if codes.takes_selections else None
        shares: list[float] = []
        marks = np.zeros(self.view.count, dtype=np.bool_)
        for start in range(0, len(group.queries), _STEP):
            part = slice(start, start + _STEP)
            found = codes.candidates(group.queries[part], candidates, count=self.view.count, chosen=chosen)
            for truth, rows in zip(group.truth[part], found, strict=True):
                marks[rows] = True
                shares.append(float(marks[truth[:top_k]].mean()))
                marks[rows] = False
        return float(np.mean(shares))

    def _answers(self, stop: Callable[[], bool]) -> list[tuple[FloatMatrix, RowNumbers]] | None:
        """Queries of each kind with their exact answers, without the rows that a query was made of."""
        most = DEPTHS_AT[-1]
        answered = []
        for drawn, queries in self._draws(self._live):
            truth: list[RowNumbers] = []
            for start in range(0, len(queries), _STEP):
                if stop():
                    return None
                part = slice(start, start + _STEP)
                found = flat.search(self.view, queries[part], top_k=most + drawn.shape[1], chosen=self._everything)
                truth += [
                    answer.rows[~np.isin(answer.rows, own)][:most]
                    for answer, own in zip(found, drawn[part], strict=True)
                ]
            answered.append((queries, np.stack(truth)))
        return answered

    def _draws(self, live: RowNumbers) -> Iterator[tuple[RowNumbers, FloatMatrix]]:
        """Queries, with the rows that they are made of: rows, points between two rows, and rows moved by noise."""
        size = min(_QUERIES, len(live))
        rows = self.view.rows
        own = self._rng.choice(live, size=(size, 1), replace=False)
        yield self._usable(own, rows.gather(own[:, 0]).astype(np.float64))
        two = self._rng.choice(live, size=(size, 2))
        yield self._usable(two, (rows.gather(two[:, 0]).astype(np.float64) + rows.gather(two[:, 1])) / 2)
        own = self._rng.choice(live, size=(size, 1))
        vectors = rows.gather(own[:, 0]).astype(np.float64)
        noise = self._rng.standard_normal(vectors.shape) * vectors.std(axis=0)
        yield self._usable(own, (1 - _NOISE) * vectors + _NOISE * (vectors.mean(axis=0) + noise))

    def _usable(self, drawn: RowNumbers, vectors: Scores) -> tuple[RowNumbers, FloatMatrix]:
        if self.view.rows.vectors.metric is Metric.COSINE:
            lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
            usable = lengths > 1e-6
            drawn, vectors = drawn[usable], vectors[usable] / lengths[usable, None]
        return drawn, vectors.astype(np.float32)


def _depth_for(ranks: RowNumbers, promised: float) -> int:
    """The least number of candidates that holds the promised share of the answers."""
    places = np.sort(ranks, axis=None)
    needed = min(len(places) - 1, math.ceil(promised * len(places)) - 1)
    return int(places[needed]) + 1


def seconds(call: Callable[[int], object], *, runs: int) -> float:
    """Median time of `call(n)`."""
    times = []
    for number in range(runs):
        started = time.perf_counter()
        call(number)
        times.append(time.perf_counter() - started)
    return float(np.median(times))
