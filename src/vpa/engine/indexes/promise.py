"""Recall measured, not assumed: how many candidates the first pass must give on this collection's own vectors."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from vpa.base.arrays import FloatMatrix, RowNumbers, Scores
from vpa.base.records import Metric
from vpa.engine.indexes import flat
from vpa.engine.quant.base import Codes
from vpa.engine.quant.space import Space
from vpa.engine.view import View

# The engine measures at these, and draws a line between and beyond them.
DEPTHS_AT: Final = (10, 100)
# Queries of each kind.
_QUERIES: Final = 100
_NOISE: Final = 0.25
_DEEPEST: Final = 4096
_LARGEST_SHARE: Final = 0.25
# Queries of the users may be harder than those drawn here.
_MARGIN: Final = 1.3
_STEP: Final = 20


@dataclass(frozen=True, slots=True)
class Measured:
    """At `top_k`: so many `candidates` held this share of the exact answers; `kept` says whether that is what was promised."""

    top_k: int
    candidates: int
    recall: float
    kept: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """How searches are done since the last measurement, over `rows` rows. `reason` says why all are exact, if they are."""

    rows: int
    promised: float
    measured: tuple[Measured, ...]
    seconds: float = 0.0
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
        """For statistics."""
        return {
            "promised_recall": self.promised,
            "measured_at_rows": self.rows,
            "measured": [asdict(one) for one in self.measured],
            "seconds": self.seconds,
            "exact_because": self.reason or None,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Plan:
        """What `to_json` made; raises KeyError or TypeError for anything else."""
        measured = tuple(Measured(**one) for one in stored["measured"])
        return cls(
            stored["measured_at_rows"],
            stored["promised_recall"],
            measured,
            stored["seconds"],
            stored["exact_because"] or "",
        )


@dataclass(slots=True)
class Survey:
    """Draws queries from a view and looks how deep the true answers stand in the first pass."""

    view: View
    codes: Codes
    space: Space
    seed: int = 0
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def plan(self, promised: float, *, stop: Callable[[], bool]) -> Plan | None:
        """The plan for a promised recall, or None if `stop` said so meanwhile."""
        view = self.view
        live = np.arange(view.count) if view.live is None else np.flatnonzero(view.live)
        limit = int(min(_DEEPEST, len(live) * _LARGEST_SHARE))
        ranks: dict[int, list[list[RowNumbers]]] = {k: [] for k in DEPTHS_AT}
        for drawn, queries in self._draws(live):
            for k in DEPTHS_AT:
                ranks[k].append([])
            for start in range(0, len(queries), _STEP):
                if stop():
                    return None
                part = slice(start, start + _STEP)
                found = self._ranks(queries[part], drawn[part], limit=limit)
                for k in DEPTHS_AT:
                    ranks[k][-1].append(found[:, :k])
        measured = tuple(_measured(k, ranks[k], promised, limit=limit) for k in DEPTHS_AT)
        few = measured[0]
        reason = "" if few.kept else f"codes ({self.codes.name}) reach recall {few.recall:.4f} of the top {few.top_k} with {limit} candidates"  # fmt: skip
        return Plan(len(live), promised, measured, reason=reason)

    def _draws(self, live: RowNumbers) -> Iterator[tuple[RowNumbers, FloatMatrix]]:
        """Queries, with the rows that they are made of: rows, points between two rows, and rows moved by noise."""
        size = min(_QUERIES, len(live))
        rows = self.view.rows
        own = self.rng.choice(live, size=(size, 1), replace=False)
        yield self._usable(own, rows.gather(own[:, 0]).astype(np.float64))
        two = self.rng.choice(live, size=(size, 2))
        yield self._usable(two, (rows.gather(two[:, 0]).astype(np.float64) + rows.gather(two[:, 1])) / 2)
        own = self.rng.choice(live, size=(size, 1))
        vectors = rows.gather(own[:, 0]).astype(np.float64)
        noise = self.rng.standard_normal(vectors.shape) * vectors.std(axis=0)
        yield self._usable(own, (1 - _NOISE) * vectors + _NOISE * (vectors.mean(axis=0) + noise))

    def _usable(self, drawn: RowNumbers, vectors: Scores) -> tuple[RowNumbers, FloatMatrix]:
        if self.view.rows.metric is Metric.COSINE:
            lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
            usable = lengths > 1e-6
            drawn, vectors = drawn[usable], vectors[usable] / lengths[usable, None]
        return drawn, vectors.astype(np.float32)

    def _ranks(self, queries: FloatMatrix, drawn: RowNumbers, *, limit: int) -> RowNumbers:
        """Places of the exact answers, without the rows that a query was made of."""
        most = DEPTHS_AT[-1]
        found = flat.search(self.view, queries, top_k=most + drawn.shape[1], mask=self.view.live)
        truth = np.stack([hits.rows[~np.isin(hits.rows, own)][:most] for hits, own in zip(found, drawn, strict=True)])
        return self.codes.ranks(self.space.queries(queries), truth, limit=limit)


def _measured(top_k: int, ranks: list[list[RowNumbers]], promised: float, *, limit: int) -> Measured:
    """Of the groups of queries the one that needs most decides."""
    groups = [np.concatenate(part) for part in ranks if part]
    needed = max(_depth_for(group, promised) for group in groups)
    candidates = min(limit, int(needed * _MARGIN) + 2 * top_k)
    recall = min(float((group < candidates).mean()) for group in groups)
    return Measured(top_k, candidates, recall, kept=needed < limit)


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
