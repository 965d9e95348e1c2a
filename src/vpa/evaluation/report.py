"""The values of an evaluation: what each query got, means with intervals, and how two settings compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vpa.base.arguments import explained
from vpa.base.errors import InvalidQueryError
from vpa.evaluation.statistics import Interval, PairedTest, mean_interval, paired_test


@dataclass(frozen=True, slots=True)
class QueryScores:
    """One query: the value of each measure by its name, and how long the search took (None for a ready ranking)."""

    query_id: str
    values: Mapping[str, float]
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class SearchSeconds:
    """Half of the searches took `p50` seconds or less, and 95 % of them `p95` or less."""

    p50: float
    p95: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How well a search answers judged queries. Measures go by names such as "nDCG@10".

    `mean` and `interval` (95 %) are over `per_query`; `left_out` counts queries that no document is judged relevant
    for. `seconds` is None for a ready ranking.
    """

    measures: tuple[str, ...]
    mean: Mapping[str, float]
    interval: Mapping[str, Interval]
    per_query: tuple[QueryScores, ...]
    left_out: int = 0
    seconds: SearchSeconds | None = None

    def values(self, measure: str) -> list[float]:
        """One value per query, in the order of `per_query`."""
        return [row.values[measure] for row in self.per_query]

    def to_json(self) -> dict[str, Any]:
        """A JSON object: for each measure mean, low and high, and the values of every query."""
        measures = {
            name: {"mean": self.mean[name], "low": self.interval[name].low, "high": self.interval[name].high}
            for name in self.measures
        }
        return {
            "queries": len(self.per_query),
            "left_out": self.left_out,
            "measures": measures,
            "seconds": None if self.seconds is None else asdict(self.seconds),
            "per_query": [
                {"query_id": row.query_id, "values": dict(row.values), "seconds": row.seconds} for row in self.per_query
            ],
        }

    def __str__(self) -> str:
        parts = [
            f"{name} {self.mean[name]:.3f} ({self.interval[name].low:.3f} to {self.interval[name].high:.3f})"
            for name in self.measures
        ]
        return f"{len(self.per_query)} queries: {', '.join(parts)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two evaluations of the same queries, by measure; a positive difference is in favour of the first."""

    queries: int
    tests: Mapping[str, PairedTest]

    def to_json(self) -> dict[str, Any]:
        """A JSON object with difference, low, high, p_value, better, worse and equal for each measure."""
        return {"queries": self.queries, "measures": {name: _test_json(test) for name, test in self.tests.items()}}

    def __str__(self) -> str:
        parts = [f"{name} {test.difference:+.3f} (p {test.p_value:.3g})" for name, test in self.tests.items()]
        return f"{self.queries} queries: {', '.join(parts)}"


def _test_json(test: PairedTest) -> dict[str, Any]:
    plain = asdict(test)
    interval = plain.pop("interval")
    return {**plain, **interval}


def summed_up(rows: Sequence[QueryScores], *, measures: Sequence[str], left_out: int, seed: int) -> Evaluation:
    """The evaluation that these rows, at least one, make."""
    columns = {name: [row.values[name] for row in rows] for name in measures}
    taken = [row.seconds for row in rows if row.seconds is not None]
    return Evaluation(
        measures=tuple(measures),
        mean={name: float(np.mean(values)) for name, values in columns.items()},
        interval={name: mean_interval(values, seed=seed) for name, values in columns.items()},
        per_query=tuple(rows),
        left_out=left_out,
        seconds=SearchSeconds(*(float(share) for share in np.percentile(taken, [50, 95]))) if taken else None,
    )


@explained
def compare(first: Evaluation, second: Evaluation, *, seed: int = 0) -> Comparison:
    """Compare two evaluations query by query, on the measures of both.

    Raises InvalidQueryError where they are not of the same queries, or have no measure in common.
    """
    measures = [name for name in first.measures if name in second.measures]
    if not measures:
        raise InvalidQueryError(
            f"the evaluations have no measure in common: {', '.join(first.measures)} and {', '.join(second.measures)}"
        )
    rows = {row.query_id: row for row in second.per_query}
    alone = {row.query_id for row in first.per_query} ^ rows.keys()
    if alone:
        raise InvalidQueryError(
            f"two evaluations are compared on the same queries; {len(alone)} are in one only, such as {min(alone)!r}"
        )
    tests = {
        name: paired_test(first.values(name), [rows[row.query_id].values[name] for row in first.per_query], seed=seed)
        for name in measures
    }
    return Comparison(queries=len(rows), tests=tests)
