"""A long computation as a generator that yields between its steps; `kit.steps` runs one beside an event loop."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import TypeAlias, TypeVar

T = TypeVar("T")
# Yields between steps of well under a millisecond, and returns the result.
Steps: TypeAlias = Generator[None, None, T]
# In a thread: after so long the interpreter is given to another thread, for longer than that one needs to wake up.
_WORK_S, _REST_S = 0.002, 0.00005


def finish(steps: Steps[T]) -> T:
    """The result, at once."""
    try:
        while True:
            next(steps)
    except StopIteration as done:
        result: T = done.value
        return result


def finish_resting(steps: Steps[T]) -> T:
    """The result, for a thread beside an event loop: a rest of 50 µs after every two milliseconds."""
    try:
        while True:
            ends = time.perf_counter() + _WORK_S
            while time.perf_counter() < ends:
                next(steps)
            time.sleep(_REST_S)
    except StopIteration as done:
        result: T = done.value
        return result
