"""Sorting in steps: one call of `sorted` over all would keep the interpreter from every other thread until it is
done.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from vpa.base.steps import Steps

T = TypeVar("T")
# About so many values are sorted at once, in about a millisecond; parts are bounded by every so many values of a
# sample.
_TOGETHER: Final = 1_024
_SAMPLED: Final = 16


def sort_steps(values: Sequence[T], *, key: Callable[[T], Any]) -> Steps[list[T]]:
    """As `sorted`, in steps."""
    if len(values) <= _TOGETHER:
        return sorted(values, key=key)
    bounds = sorted(map(key, values[:: _TOGETHER // _SAMPLED]))[_SAMPLED - 1 :: _SAMPLED]
    yield
    parts: list[list[T]] = [[] for _ in range(len(bounds) + 1)]
    for start in range(0, len(values), _TOGETHER):
        for value in values[start : start + _TOGETHER]:
            parts[bisect_right(bounds, key(value))].append(value)
        yield
    result: list[T] = []
    for part in parts:
        result += sorted(part, key=key)
        yield
    return result
