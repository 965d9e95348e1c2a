"""Filters found in a collection's own metadata that keep a wanted share of its records."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from vpa.base.metadata import Scalar, leaves
from vpa.base.records import Record
from vpa.filters import F, Filter

# Shares of the records at which recall is measured. The gaps are narrow on purpose: an index may do well at one half
# and at one in a hundred (where stores scan instead) and lose a tenth of the answers in between.
SHARES: Final = {"half": 0.5, "fifth": 0.2, "tenth": 0.1, "twentieth": 0.05, "few": 0.01}
# The largest distance from a share, as a factor.
_FARTHEST: Final = 5.0
_MOST_VALUES: Final = 16  # In one `is_in`.
# A rarer value may be frequent among the sampled records by chance alone.
_LEAST_OF_VALUE: Final = 0.01
# A value that would take an `is_in` beyond the wanted share by more than this factor is left out of it.
_OVER: Final = 1.1


@dataclass(slots=True)
class _Path:
    """What the records hold at one metadata path; keys of `counts` carry the type, since 1 == True."""

    counts: Counter[tuple[type, Scalar]] = field(default_factory=Counter)
    numbers: list[float] = field(default_factory=list)
    is_single: bool = True

    def add(self, values: Sequence[Scalar]) -> None:
        self.is_single &= len(values) == 1
        self.counts.update({(type(value), value) for value in values if not isinstance(value, float)})
        if len(values) == 1 and isinstance(values[0], int | float) and not isinstance(values[0], bool):
            self.numbers.append(values[0])


def filters_by_share(records: Sequence[Record]) -> dict[str, Filter]:
    """For each of `SHARES`, by name, the filter that comes nearest to it; without those that no filter comes near.

    Taken are a value, several values of one path, or a bound of a number. A filter belongs to the one share that it is
    nearest to, so no two shares have the same.
    """
    paths: dict[str, _Path] = defaultdict(_Path)
    for record in records:
        for path, values in leaves(record.metadata):
            paths[path].add(values)
    found: dict[str, tuple[float, Filter]] = {}
    for count, node in _candidates(paths, len(records)):
        name, distance = _nearest_share(count / len(records))
        if distance <= math.log(_FARTHEST) and distance < found.get(name, (math.inf,))[0]:
            found[name] = distance, node
    return {name: found[name][1] for name in SHARES if name in found}


def _nearest_share(share: float) -> tuple[str, float]:
    return min(((name, abs(math.log(share / wanted))) for name, wanted in SHARES.items()), key=lambda pair: pair[1])


def _candidates(paths: dict[str, _Path], total: int) -> Iterator[tuple[int, Filter]]:
    """How many records a filter keeps, never none, and the filter."""
    for path, held in paths.items():
        for (_, value), count in held.counts.items():
            yield count, F(path) == value
    for share in SHARES.values():
        for path, held in paths.items():
            yield from _bounded(path, held, share * total)
            yield from _one_of_many(path, held, share * total, least=_LEAST_OF_VALUE * total)


def _bounded(path: str, held: _Path, target: float) -> Iterator[tuple[int, Filter]]:
    ordered = sorted(held.numbers)
    if int(target) < len(ordered):
        bound = ordered[int(target)]
        count = bisect_left(ordered, bound)
        if count:
            yield count, F(path) < bound


def _one_of_many(path: str, held: _Path, target: float, *, least: float) -> Iterator[tuple[int, Filter]]:
    chosen: list[Any] = []
    count = 0
    # Only of paths with one value a record can the counts be added up.
    for (_, value), occurs in held.counts.most_common() if held.is_single else ():
        if len(chosen) == _MOST_VALUES or count >= target or occurs < least:
            break
        if count + occurs <= target * _OVER:
            chosen.append(value)
            count += occurs
    if len(chosen) > 1:
        yield count, F(path).is_in(chosen)
