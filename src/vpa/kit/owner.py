"""An event loop in a thread of its own, for callers without one: every call of them ends, whatever ends the loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import sys
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from itertools import islice
from typing import Any, Final, TypeVar

from vpa.base.errors import ClosedError, ConfigurationError, VectorDatabaseError
from vpa.kit.threads import no_thread

T = TypeVar("T")
# Items that are handed over at once: the way to another thread and back takes as long as some items.
_TOGETHER: Final = 64
# Whoever waits looks so often whether the loop is still there: at the end of the program it is gone without a word.
_LOOK_S: Final = 0.5
# So long a scan that was given up waits for its end: the garbage collector may close it, in any thread.
_GIVEN_UP_S: Final = 1.0


class OwnerLoop:
    """An event loop in a daemon thread; clients that are bound to a loop live their whole life on it.

    No lock is held while something is handed over: the garbage collector may hand over something else meanwhile.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._stopping = False
        self._closing = False
        self._ending: asyncio.Task[None] | None = None
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._serve, name="vpa-sync", daemon=True)
        try:
            self._thread.start()
        except (RuntimeError, MemoryError) as error:
            self._loop.close()
            raise no_thread(error) from error

    def _serve(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

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
        if threading.current_thread() is self._thread:
            # Waiting here for the loop, on the loop, would never end.
            work.close()
            raise _called_from_inside()
        future = self._begin(work)
        if future is not None:
            return self._result(future, work)
        if needs_loop:
            raise self._refused(work)
        # Closed already: the answer is a ClosedError, or that there is nothing to do.
        return run_alone(work)

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

    def _result(self, future: Future[T], work: Coroutine[Any, Any, T]) -> T:
        while True:
            # Once it is done, without a limit: what it raises may itself be a TimeoutError.
            limit = None if future.done() else _LOOK_S
            try:
                return future.result(timeout=limit)
            except CancelledError:
                raise _ended() from None
            except TimeoutError:
                if limit is None:
                    raise
            if not future.done() and (not self._thread.is_alive() or sys.is_finalizing()):
                # It came when the loop had ended, and nobody will begin it.
                with contextlib.suppress(ValueError, RuntimeError):
                    work.close()
                raise _ended()

    def run_reading(self, work: Callable[[Callable[[Any], Any]], Coroutine[Any, Any, Any]]) -> Any:
        """As `run`, for a call that reads iterators of its caller as it goes on: they are read in this thread.

        `work` is given what turns an iterator into an asynchronous one, and anything else into itself.
        """
        asked: queue.SimpleQueue[_Reading | None] = queue.SimpleQueue()
        if self._is_over or threading.current_thread() is self._thread:
            return self.run(work(read_here))

        def bridge(value: Any) -> Any:
            return _Bridge(value, self._loop, asked.put) if isinstance(value, Iterator) else value

        coroutine = work(bridge)
        future = self._begin(coroutine)
        if future is None:
            raise self._refused(coroutine)
        future.add_done_callback(lambda _: asked.put(None))
        try:
            while (reading := self._asked(asked)) is not None:
                reading.serve()
        except BaseException:
            # An interrupt: what the call has begun ends with it.
            future.cancel()
            raise
        return self._result(future, coroutine)

    def _asked(self, asked: queue.SimpleQueue[_Reading | None]) -> _Reading | None:
        while True:
            with contextlib.suppress(queue.Empty):
                return asked.get(timeout=_LOOK_S)
            if not self._thread.is_alive() or sys.is_finalizing():
                return None

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

    def close(self, end: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Do `end` on the loop, then stop it; nothing is opened from now on."""
        self._closing = True
        try:
            # One that was begun and interrupted is ended by the loop itself.
            if not self._stopping:
                self.run(end())
        finally:
            self.stop(end)

    def stop(self, end: Callable[[], Coroutine[Any, Any, Any]] | None = None) -> None:
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
            self._loop.call_soon_threadsafe(self._begin_end, end)
        while self._thread.is_alive() and not sys.is_finalizing():
            self._thread.join(_LOOK_S)

    def _begin_end(self, end: Callable[[], Coroutine[Any, Any, Any]] | None) -> None:
        if self._ending is None:
            self._ending = self._loop.create_task(_end_all(end))
            self._ending.add_done_callback(lambda _: self._loop.stop())


async def _end_all(end: Callable[[], Coroutine[Any, Any, Any]] | None) -> None:
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
    """Do `work` on a loop that is made for it."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


def read_here(value: Any) -> Any:
    """An iterator is read in the thread of its caller, as a list: it may itself ask this connection."""
    return list(value) if isinstance(value, Iterator) else value


class _Reading:
    """The next items of an iterator, as the loop asked for them; empty at the end."""

    def __init__(self, source: Iterator[Any], loop: asyncio.AbstractEventLoop) -> None:
        self.answer: asyncio.Future[list[Any]] = loop.create_future()
        self._source = source
        self._loop = loop

    def serve(self) -> None:
        """In the caller's thread."""
        try:
            items = list(islice(self._source, _TOGETHER))
        except Exception as error:  # noqa: BLE001 - it belongs to the call that reads
            raised = error
            self._settle(lambda: self.answer.set_exception(raised))
        else:
            self._settle(lambda: self.answer.set_result(items))

    def _settle(self, give: Callable[[], None]) -> None:
        # Where the loop has ended, the call that asked has too.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(lambda: None if self.answer.done() else give())


class _Bridge:
    """An asynchronous iterator over one that another thread reads."""

    def __init__(self, source: Iterator[Any], loop: asyncio.AbstractEventLoop, ask: Callable[[_Reading], None]) -> None:
        self._source, self._loop, self._ask = source, loop, ask
        self._items: deque[Any] = deque()

    def __aiter__(self) -> _Bridge:
        return self

    async def __anext__(self) -> Any:
        if not self._items:
            reading = _Reading(self._source, self._loop)
            self._ask(reading)
            self._items.extend(await reading.answer)
        if not self._items:
            raise StopAsyncIteration
        return self._items.popleft()


async def _next(batches: AsyncIterator[Any]) -> Any:
    return await anext(batches)
