"""A long computation as a generator that yields between its steps; `kit.steps` runs one beside an event loop."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias, TypeVar

T = TypeVar("T")
# Yields between steps of well under a millisecond, and returns the result.
Steps: TypeAlias = Generator[None, None, T]


def finish(steps: Steps[T]) -> T:
    """The result, at once."""
    try:
        while True:
            next(steps)
    except StopIteration as done:
        result: T = done.value
        return result
