"""Runs a long computation in its steps, so that the event loop and other threads get their turn."""

from __future__ import annotations

import asyncio
import time
from typing import Final, TypeVar

from vpa.base.steps import Steps, finish_resting

T = TypeVar("T")
# What takes less stays on the event loop: the way to a thread and back costs 0.1 ms when both are busy.
_INLINE_S: Final = 0.002
_REST_S: Final = 0.00005  # Longer than another thread needs to wake up.


def rest() -> None:
    """Gives other threads the interpreter, from inside a loop in a worker; call it about every two milliseconds."""
    time.sleep(_REST_S)


async def finish_beside(steps: Steps[T]) -> T:
    """The result without holding the event loop: begun on it, and moved to a thread if that takes more than two
    milliseconds.
    """
    ends = time.perf_counter() + _INLINE_S
    try:
        while time.perf_counter() < ends:
            next(steps)
    except StopIteration as done:
        result: T = done.value
        return result
    return await asyncio.to_thread(finish_resting, steps)
