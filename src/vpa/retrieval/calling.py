"""Functions of the caller's, called so that the event loop goes on."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import threading
from collections.abc import Callable
from typing import Any, Final

from vpa.base.errors import ServiceUnavailableError
from vpa.kit.threads import no_thread

# Calls in threads at once: those that were given up go on, and one that never returns keeps its thread.
MOST_RUNNING: Final = 64
_RUNNING: Final = threading.BoundedSemaphore(MOST_RUNNING)


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
            raise RuntimeError("StopIteration was raised") from error

    result = function(*args) if inspect.iscoroutinefunction(function) else await _in_thread(call)
    return read_result(await result) if inspect.isawaitable(result) else result


async def _in_thread(call: Callable[[], Any]) -> Any:
    """In a thread of its own. A function that never returns would keep one of a pool, which then has none left for
    others, and no program ends before its pools do.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def settle(give: Callable[[Any], None], value: Any) -> None:
        if not answer.done():
            give(value)

    def run() -> None:
        give: Callable[[Any], None] = answer.set_result
        try:
            value = context.run(call)
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits for the future
            give, value = answer.set_exception, error
        finally:
            _RUNNING.release()
        # Where the loop has ended nothing waits any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, give, value)

    if not _RUNNING.acquire(blocking=False):
        raise ServiceUnavailableError(
            f"{MOST_RUNNING} calls of functions that were given to searches have not returned yet; look why they hang"
        )
    try:
        threading.Thread(target=run, name="vpa-called", daemon=True).start()
    except (RuntimeError, MemoryError) as error:
        _RUNNING.release()
        raise no_thread(error) from error
    return await answer
