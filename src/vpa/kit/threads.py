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


def _run_into(pair: list[tuple[Future[T], Callable[[], T]]]) -> None:
    # Taken out of the list: an error knows the frames around this one, and what they hold would stay with the error
    # until the cyclic collector comes.
    future, call = pair.pop()
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits for the future
        future.set_exception(error)
        del future, call
    else:
        future.set_result(result)


class _Pool(ThreadPoolExecutor):
    """One that raises only where the call will not be run: it queues it, and only then asks for a further thread."""

    def _adjust_thread_count(self) -> None:
        try:
            super()._adjust_thread_count()
        except (RuntimeError, MemoryError):
            if not self._threads:
                raise


def no_thread(error: BaseException) -> ServiceUnavailableError:
    """What to raise where a thread cannot be started."""
    return ServiceUnavailableError(
        f"no thread could be started ({error}): the program is ending, or the process, or its control group, has as "
        "many as it may; raise that limit"
    )


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
            self._pool = _Pool(max_workers=self._size, thread_name_prefix=self._name)
        context = contextvars.copy_context()
        future: Future[T] = Future()
        bound = partial(context.run, partial(call, *args, **kwargs))
        pair: list[tuple[Future[T], Callable[[], T]]] = [(future, bound)]
        try:
            self._pool.submit(_run_into, pair)
        except (RuntimeError, MemoryError) as error:
            # The pool may have queued it nevertheless: it is not to be run.
            if future.cancel():
                raise no_thread(error) from error
        try:
            return await asyncio.wrap_future(future)
        finally:
            del future, bound

    async def finish(self, call: Callable[[], object]) -> None:
        """Run what lets something go: in a thread, or here where none can be started."""
        try:
            await self.run(call)
        except ServiceUnavailableError:
            call()

    async def close(self) -> None:
        """Wait for what is running, then let the threads go. May be called twice."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            await asyncio.get_running_loop().run_in_executor(None, pool.shutdown)
        except RuntimeError:
            # No thread can be started to wait for those: then this one waits.
            pool.shutdown()
