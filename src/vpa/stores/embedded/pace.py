"""How long calls of one kind took lately, and so whether the next one may run on the event loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
# A thread hop costs 0.1 ms or more; a call that takes longer than this would delay other tasks.
_SHORT_S: Final = 0.002
# The weight of the newest time in the mean; one slow call counts in full.
_WEIGHT: Final = 0.1


class Pace:
    """By kind, any hashable value; kinds that were never measured count as slow."""

    def __init__(self) -> None:
        self._seconds: dict[object, float] = {}

    def is_short(self, kind: object) -> bool:
        """Whether calls of this kind took less than two milliseconds lately."""
        return self._seconds.get(kind, 1.0) < _SHORT_S

    def timed(self, kind: object, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of the call, whose time is noted; from any thread."""
        started = time.perf_counter()
        result = call(*args, **kwargs)
        taken = time.perf_counter() - started
        before = self._seconds.get(kind, taken)
        self._seconds[kind] = max(before + _WEIGHT * (taken - before), taken if taken > _SHORT_S else 0.0)
        return result

    def forget(self) -> None:
        """Nothing is known any more."""
        self._seconds.clear()
