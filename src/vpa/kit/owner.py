"""An event loop in a thread of its own, for callers without one: every call of them ends, whatever ends the loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from contextvars import copy_context
from typing import Any, Final, TypeAlias, TypeVar

from vpa.base.errors import ClosedError, ConfigurationError, VectorDatabaseError
from vpa.kit.crossing import LOOK_S, Crossing
from vpa.kit.interrupted import end_and_say
from vpa.kit.threads import no_thread

T = TypeVar("T")
# Closes what lives on a loop.
End: TypeAlias = Callable[[], Coroutine[Any, Any, Any]]
# So long a scan that was given up waits for its end: the garbage collector may close it, in any thread.
_GIVEN_UP_S: Final = 1.0


class OwnerLoop:
    """An event loop in a daemon thread; clients that are bound to a loop live their whole life on it.

    No lock is held while something is handed over: the garbage collector may hand over something else meanwhile.
    One that nobody holds any more ends by itself, and closes what it owns.
    """

    # Until the thread runs there is nothing to end.
    _stopping = True

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._closing = False
        self._owned: End | None = None
        self._ending = _Ending(self._loop)
        self._process = os.getpid()
        # The thread knows the loop and not its owner: what is not held by any caller can be collected.
        self._thread = threading.Thread(target=_serve, args=(self._loop,), name="vpa-sync", daemon=True)
        try:
            self._thread.start()
        except (RuntimeError, MemoryError) as error:
            self._loop.close()
            raise no_thread(error) from error
        self._stopping = False

    def owns(self, end: End) -> None:
        """What closes the things that live on this loop, if the owner is let go without `close`."""
        self._owned = end

    def __del__(self, _ends: Callable[[], bool] = sys.is_finalizing) -> None:
        # In any thread, this loop's own too, and in the midst of anything: it waits for nothing.
        # While the interpreter ends, the names of this module may be gone already.
        if self._stopping or _ends():
            return
        if not self._is_over:
            self._stopping = True
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._ending.begin, self._owned)

    @property
    def _is_over(self) -> bool:
        # A forked process has the loop, and not its thread; a program that ends has it, and it stands still.
        here = os.getpid() == self._process
        return self._stopping or not here or not self._thread.is_alive() or sys.is_finalizing()

    def check_open(self) -> None:
        """Raise ClosedError once it was closed, or is being: what is connected lives on a loop that goes on."""
        if os.getpid() != self._process:
            raise ClosedError("this connection was made before the process was forked; make a new one in the child")
        if self._closing or self._is_over:
            raise ClosedError("this connection was closed; make a new one with vpa.sync")

    def run(self, work: Coroutine[Any, Any, Any], *, needs_loop: bool = False) -> Any:
        """Do `work` on the loop and wait for its result.

        `needs_loop`: it leaves something open, or goes on with something, and so cannot be done after the end.
        """
        return self.call(lambda _: work, needs_loop=needs_loop)

    def call(self, make: Callable[[Crossing], Coroutine[Any, Any, Any]], *, needs_loop: bool = False) -> Any:
        """As `run`, for work whose arguments are read, and whose callbacks are called, in this thread."""
        crossing = Crossing(self._loop)
        work = make(crossing)
        if threading.current_thread() is self._thread:
            # Waiting here for the loop, on the loop, would never end.
            work.close()
            raise _called_from_inside()
        future = self._begin_crossing(work, crossing)
        if future is not None:
            return self._served(future, work, crossing)
        if needs_loop:
            raise self._refused(work)
        # Closed already: the answer is a ClosedError, or that there is nothing to do.
        return run_alone(work)

    def _begin_crossing(self, work: Coroutine[Any, Any, T], crossing: Crossing) -> Future[T] | None:
        def begin() -> Future[T] | None:
            crossing.enter()
            return self._begin(work)

        return copy_context().run(begin)

    def _begin(self, work: Coroutine[Any, Any, T]) -> Future[T] | None:
        """None where the loop has ended, or is about to."""
        if self._is_over:
            return None
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:
            return None

    def _refused(self, work: Coroutine[Any, Any, Any]) -> VectorDatabaseError:
        work.close()
        try:
            self.check_open()
        except ClosedError as error:
            return error
        return _ended()

    def _served(self, future: Future[T], work: Coroutine[Any, Any, T], crossing: Crossing) -> T:
        try:
            future.add_done_callback(lambda _: crossing.finish())
            crossing.serve(self._thread.is_alive)
        except BaseException as error:
            # An interrupt, or a callback that raised: what the call has begun ends with it.
            end_and_say(error, work, self._loop, tally=crossing.tally)
            raise
        if not future.done():
            # It came when the loop had ended, and nobody will begin it.
            with contextlib.suppress(ValueError, RuntimeError):
                work.close()
            raise _ended()
        try:
            return future.result()
        except CancelledError:
            raise _ended() from None

    async def arun(self, work: Coroutine[Any, Any, T]) -> T:
        """The same, awaited on the caller's loop."""
        future = self._begin(work)
        if future is None:
            raise self._refused(work)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            waiting = asyncio.current_task()
            if future.cancelled() and (waiting is None or not waiting.cancelling()):
                # Nobody cancelled the caller: the loop has ended.
                raise _ended() from None
            raise

    def iterate(self, batches: AsyncIterator[Any]) -> Iterator[Any]:
        """The items of an asynchronous iterator; closing the generator closes it.

        Raises ClosedError where the loop ended in between: what was not read is not nothing.
        """
        try:
            while True:
                try:
                    item = self.run(_next(batches), needs_loop=True)
                except StopAsyncIteration:
                    if self._stopping:
                        raise _ended() from None
                    return
                yield item
        finally:
            close = getattr(batches, "aclose", None)
            if close is not None:
                self._finish(close())

    def _finish(self, closing: Coroutine[Any, Any, Any]) -> None:
        future = self._begin(closing)
        if future is None:
            # The end of the loop closes what is open.
            closing.close()
        elif threading.current_thread() is not self._thread:
            with contextlib.suppress(TimeoutError, CancelledError):
                future.result(timeout=_GIVEN_UP_S)

    def close(self, end: End) -> None:
        """Do `end` on the loop, then stop it; nothing is opened from now on."""
        self._closing = True
        try:
            # One that was begun and interrupted is ended by the loop itself.
            if not self._stopping:
                self.run(end())
        finally:
            self.stop(end)

    def stop(self, end: End | None = None) -> None:
        """End the thread, and with it every call that other threads still wait for. May be called twice.

        `end` closes what is owned once more, in case that something was opened at the last moment.
        """
        if threading.current_thread() is self._thread:
            raise _called_from_inside()
        if os.getpid() != self._process:
            return
        self._stopping = True
        # The loop stops itself, whatever happens to whoever waits for it.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._ending.begin, end)
        while self._thread.is_alive() and not sys.is_finalizing():
            self._thread.join(LOOK_S)


class _Ending:
    """The end of a loop, begun once."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._task: asyncio.Task[None] | None = None

    def begin(self, end: End | None) -> None:
        """On the loop."""
        if self._task is None:
            self._task = self._loop.create_task(_end_all(end))
            self._task.add_done_callback(lambda _: self._loop.stop())


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()


async def _end_all(end: End | None) -> None:
    await _cancel_others()
    if end is not None:
        # What it raises was raised by the call before.
        with contextlib.suppress(Exception):
            await end()
    await _cancel_others()
    await asyncio.get_running_loop().shutdown_asyncgens()


async def _cancel_others() -> None:
    # What is cancelled may begin something to end well.
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


def _ended() -> ClosedError:
    return ClosedError("the connection was closed before this call ended; make a new one")


def _called_from_inside() -> ConfigurationError:
    return ConfigurationError(
        "a callback, or an iterable that is read on the connection's own loop, called this connection again; give a "
        "list, and call from outside of callbacks"
    )


def run_alone(work: Coroutine[Any, Any, Any]) -> Any:
    """Do `work` on a loop that is made for it, in this thread; in a notebook, where one runs here, in another."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        return call_alone(lambda _: work)
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


def call_alone(make: Callable[[Crossing], Coroutine[Any, Any, Any]]) -> Any:
    """As `OwnerLoop.call`, on a loop that is made for it."""
    owner = OwnerLoop()
    try:
        return owner.call(make)
    finally:
        owner.stop()


async def _next(batches: AsyncIterator[Any]) -> Any:
    return await anext(batches)
