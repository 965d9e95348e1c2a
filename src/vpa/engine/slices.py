"""Loops over many rows in slices with a rest between them, so that other threads get the interpreter in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

T = TypeVar("T")
V = TypeVar("V")
# A slice takes a millisecond or two. Without a rest a thread that waits gets the interpreter after 5 ms, and not the
# first that waits:
# an event loop beside two busy threads was seen to wait for 30 ms. Sleeping for 50 µs lets it in at once.
SLICE: Final = 1_024
_REST_S: Final = 0.00005


def rest() -> None:
    """Let another thread have the interpreter."""
    time.sleep(_REST_S)


def slices(count: int, size: int = SLICE) -> Iterable[slice]:
    """The numbers below `count`, with a rest after each slice but the last."""
    if count <= size:
        return (slice(0, count),) if count else ()
    return _slices(count, size)


def _slices(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, start + size)
        if start + size < count:
            rest()


def sliced(values: Sequence[T], call: Callable[[Sequence[T]], Sequence[V]]) -> list[V]:
    """What `call` gives for each slice of `values`, joined."""
    if len(values) <= SLICE:
        return list(call(values))
    result: list[V] = []
    for part in slices(len(values)):
        result += call(values[part])
    return result
