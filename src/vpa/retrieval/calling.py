"""Functions of the caller's, called so that the event loop goes on."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any


async def called(function: Callable[..., Any], *args: Any, read: Callable[[Any], Any] | None = None) -> Any:
    """What a function gives: a plain one in a thread, a coroutine function here. `read`: what is made of it, in the
    same thread, so that a generator runs there too.
    """

    def read_result(result: Any) -> Any:
        return result if read is None or inspect.isawaitable(result) else read(result)

    def call() -> Any:
        try:
            return read_result(function(*args))
        except StopIteration as error:
            # Which no future takes: the search would wait for ever.
            raise RuntimeError(f"{type(error).__name__} was raised") from error

    result = function(*args) if inspect.iscoroutinefunction(function) else await asyncio.to_thread(call)
    return read_result(await result) if inspect.isawaitable(result) else result
