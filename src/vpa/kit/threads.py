"""Blocking work off the event loop: a bounded pool that is closed by whoever opened it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from vpa.base.errors import ServiceUnavailableError

P = ParamSpec("P")
T = TypeVar("T")


def _run_into(future: Future[T], call: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits for the future
        future.set_exception(error)
    else:
        future.set_result(result)


class Workers:
    """A few threads for blocking calls; made when first used, at most `size` of them."""

    def __init__(self, *, size: int, name: str) -> None:
        self._size = size
        self._name = name
        self._pool: ThreadPoolExecutor | None = None

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `call` in a thread and await its result. If the caller is cancelled, the call still runs to its end.

        Raises ServiceUnavailableError where no thread can be started; then `call` is not run.
        """
        if self._pool is None:
            self._pool = ThreadPoolExecutor(max_workers=self._size, thread_name_prefix=self._name)
        context = contextvars.copy_context()
        future: Future[T] = Future()
        bound = partial(context.run, partial(call, *args, **kwargs))
        try:
            self._pool.submit(_run_into, future, bound)
        except (RuntimeError, MemoryError) as error:
            # The pool has queued it nevertheless: unless a thread has begun it, it is not to be run.
            if future.cancel():
                raise ServiceUnavailableError(
                    f"no thread could be started ({error}): the process, or its control group, has as many as it may; "
                    "raise that limit"
                ) from error
        return await asyncio.wrap_future(future)

    async def close(self) -> None:
        """Wait for what is running, then let the threads go. May be called twice."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await asyncio.get_running_loop().run_in_executor(None, partial(pool.shutdown, wait=True))
