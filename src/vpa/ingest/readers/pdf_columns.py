"""Two columns whose lines were put on a page side by side, in their order for reading."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Final, NamedTuple

# Points between two columns, at least; words of a line that is stretched are nearer.
_NARROWEST: Final = 8.0
# Each of two columns has at least this share of the width of both: a column of numbers is a table's.
_SHARE: Final = 0.25
# The share of lines that must have the gap.
_MOST: Final = 0.6


class Run(NamedTuple):
    """A piece of a line: where its text begins, as PDFium counts, and from where to where it goes."""

    text: str
    start: int
    left: float
    right: float


def gutter_of(lines: Sequence[Sequence[tuple[float, float]]]) -> tuple[float, float] | None:
    """The stripe that is empty in most lines, given the pieces of each; None without, and for tables, with several."""
    gaps = [gap for line in lines if (gap := gap_of(line))]
    if len(gaps) < max(_MOST * len(lines), 4):
        return None
    middle = sorted((left + right) / 2 for left, right in gaps)[len(gaps) // 2]
    common = [(left, right) for left, right in gaps if left < middle < right]
    if len(common) < _MOST * len(lines):
        return None
    left, right = max(left for left, _ in common), min(right for _, right in common)
    return (left, right) if right - left >= _NARROWEST / 2 else None


def gap_of(line: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """The one wide gap of a line, with enough text on both sides; None for other lines."""
    if len(line) < 2:
        return None
    pieces = sorted(line)
    gaps = [(first[1], second[0]) for first, second in pairwise(pieces) if second[0] - first[1] >= _NARROWEST]
    if len(gaps) != 1:
        return None
    (left, right), start, end = gaps[0], pieces[0][0], pieces[-1][1]
    narrower = min(left - start, end - right)
    return gaps[0] if narrower >= _SHARE * (end - start) else None


def in_columns(runs: Sequence[Run], gutter: tuple[float, float]) -> list[Run]:
    """The left column before the right one; what stands over both divides them."""
    middle = sum(gutter) / 2
    ordered: list[Run] = []
    for across, group in groupby(runs, key=lambda run: run.left < middle < run.right):
        pieces = list(group)
        if across:
            ordered += pieces
        else:
            ordered += [run for run in pieces if run.left < middle] + [run for run in pieces if run.left >= middle]
    return ordered
