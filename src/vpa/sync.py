"""The same names without `await`: each connection runs on one owner loop in a thread of its own.

`with vpa.sync.connect("mock://") as db: …`. The classes are made from the asynchronous ones, verb by verb, so that
signatures, docstrings and errors are theirs.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import os
import queue
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from itertools import islice
from typing import Any, Final, TypeVar

from vpa.base.errors import ClosedError, ConfigurationError
from vpa.client.collection import Collection as _AsyncCollection
from vpa.client.connect import connect as _connect
from vpa.client.manager import VectorDatabaseManager as _AsyncManager
from vpa.compose import create_enhanced_rag_system as _create_rag
from vpa.compose import create_vector_database_manager as _create_manager
from vpa.rag.system import EnhancedRAGSystem as _AsyncRAG

T = TypeVar("T")
# Verbs that read a source no faster than they write it.
_STREAMING: Final = frozenset({"add_documents"})
# Items that are handed over at once: the way to another thread and back takes as long as some items.
_TOGETHER: Final = 64


class OwnerLoop:
    """An event loop in a daemon thread; clients that are bound to a loop live their whole life on it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        # Under the lock, so that what is begun before the end is seen by it, and nothing is begun after.
        self._lock = threading.Lock()
        self._stopping = False
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._loop.run_forever, name="vpa-sync", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do `work` on the loop and wait for its result."""
        if threading.current_thread() is self._thread:
            # Waiting here for the loop, on the loop, would never end.
            work.close()
            raise _called_from_inside()
        future = self._begin(work)
        # Closed already: the answer is a ClosedError, or that there is nothing to do.
        return _run_alone(work) if future is None else _result(future)

    def _begin(self, work: Coroutine[Any, Any, T]) -> Future[T] | None:
        """None where the loop has ended, or is about to."""
        with self._lock:
            return None if self._is_over else asyncio.run_coroutine_threadsafe(work, self._loop)

    @property
    def _is_over(self) -> bool:
        # A forked process has the loop, and not its thread.
        return self._stopping or os.getpid() != self._process

    def check_open(self) -> None:
        """Raise ClosedError once it was stopped: what is connected lives on a loop that goes on."""
        if self._stopping:
            raise ClosedError("this connection was closed; make a new one with vpa.sync")

    def run_reading(self, work: Callable[[Callable[[Any], Any]], Coroutine[Any, Any, Any]]) -> Any:
        """As `run`, for a call that reads iterators of its caller as it goes on: they are read in this thread.

        `work` is given what turns an iterator into an asynchronous one, and anything else into itself.
        """
        asked: queue.SimpleQueue[_Reading | None] = queue.SimpleQueue()
        if self._is_over or threading.current_thread() is self._thread:
            return self.run(work(_read_here))

        def bridge(value: Any) -> Any:
            return _Bridge(value, self._loop, asked.put) if isinstance(value, Iterator) else value

        coroutine = work(bridge)
        future = self._begin(coroutine)
        if future is None:
            coroutine.close()
            raise _ended()
        future.add_done_callback(lambda _: asked.put(None))
        try:
            while (reading := asked.get()) is not None:
                reading.serve()
        except BaseException:
            # An interrupt: what the call has begun ends with it.
            future.cancel()
            raise
        return _result(future)

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin `work` on the loop; its result is in the future."""
        future = self._begin(work)
        if future is None:
            work.close()
            raise _ended()
        return future

    def iterate(self, batches: AsyncIterator[Any]) -> Iterator[Any]:
        """The items of an asynchronous iterator; closing the generator closes it."""
        try:
            while True:
                try:
                    item = self.run(_next(batches))
                except StopAsyncIteration:
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
            # Where the loop's own thread collects a generator that was given up, it must not wait for itself.
            _result(future)

    def stop(self) -> None:
        """End the thread, and with it every call that other threads still wait for. May be called twice."""
        if threading.current_thread() is self._thread:
            raise _called_from_inside()
        if os.getpid() != self._process:
            return
        with self._lock:
            was_stopping, self._stopping = self._stopping, True
        if not was_stopping:
            asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        if not was_stopping:
            self._loop.close()


def _ended() -> ClosedError:
    return ClosedError("the connection was closed by another thread before this call ended")


def _called_from_inside() -> ConfigurationError:
    return ConfigurationError(
        "a callback, or an iterable that is read on the connection's own loop, called this connection again; give a "
        "list, and call from outside of callbacks"
    )


def _result(future: Future[T]) -> T:
    try:
        return future.result()
    except CancelledError:
        raise _ended() from None


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


async def _cancel_others() -> None:
    # What is cancelled may begin something to end well.
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()


def _run_alone(work: Coroutine[Any, Any, Any]) -> Any:
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


async def _next(batches: AsyncIterator[Any]) -> Any:
    return await anext(batches)


class _Facade:
    """An asynchronous object and the loop that owns it."""

    def __init__(self, inner: Any, owner: OwnerLoop) -> None:
        self._inner = inner
        self._owner = owner

    def __repr__(self) -> str:
        return f"sync {self._inner!r}"

    def _wrap(self, value: Any) -> Any:
        if value is self._inner:
            return self
        return Collection(value, self._owner) if isinstance(value, _AsyncCollection) else value


def _inner(value: Any) -> Any:
    return value._inner if isinstance(value, _Facade) else value


def _call(method: Any, bridge: Callable[[Any], Any], *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
    given = [bridge(_inner(value)) for value in args]
    work: Coroutine[Any, Any, Any] = method(*given, **{key: bridge(_inner(value)) for key, value in kwargs.items()})
    return work


def _read_here(value: Any) -> Any:
    """An iterator is read in the thread of its caller, as a list: it may itself ask this connection."""
    return list(value) if isinstance(value, Iterator) else value


def _blocking(name: str, method: Any) -> Any:
    @functools.wraps(method)
    def call(self: _Facade, *args: Any, **kwargs: Any) -> Any:
        if name in _STREAMING:
            return self._wrap(
                self._owner.run_reading(lambda bridge: _call(getattr(self._inner, name), bridge, *args, **kwargs))
            )
        given = [_read_here(_inner(value)) for value in args]
        named = {key: _read_here(_inner(value)) for key, value in kwargs.items()}
        return self._wrap(self._owner.run(getattr(self._inner, name)(*given, **named)))

    return call


def _iterating(name: str, method: Any) -> Any:
    @functools.wraps(method)
    def call(self: _Facade, *args: Any, **kwargs: Any) -> Iterator[Any]:
        return self._owner.iterate(getattr(self._inner, name)(*args, **kwargs))

    return call


def _plain(name: str, method: Any) -> Any:
    @functools.wraps(method)
    def call(self: _Facade, *args: Any, **kwargs: Any) -> Any:
        return getattr(self._inner, name)(*args, **kwargs)

    return call


def _reading(name: str, member: property) -> property:
    def read(self: _Facade) -> Any:
        return getattr(self._inner, name)

    return property(read, doc=member.__doc__)


def _adopt(facade: type[_Facade], asynchronous: type[Any], *, opening: str = "", closing: tuple[str, ...] = ()) -> None:
    for name, member in inspect.getmembers(asynchronous):
        if name.startswith("_") or name in vars(facade):
            continue
        if isinstance(member, property):
            setattr(facade, name, _reading(name, member))
        elif inspect.iscoroutinefunction(member):
            make = _closing if name in closing else _opening if name == opening else _blocking
            setattr(facade, name, make(name, member))
        elif inspect.isasyncgenfunction(member):
            setattr(facade, name, _iterating(name, member))
        elif callable(member):
            setattr(facade, name, _plain(name, member))


def _opening(name: str, method: Any) -> Any:
    blocking = _blocking(name, method)

    @functools.wraps(method)
    def call(self: _Facade, *args: Any, **kwargs: Any) -> Any:
        self._owner.check_open()
        return blocking(self, *args, **kwargs)

    return call


def _closing(name: str, method: Any) -> Any:
    @functools.wraps(method)
    def call(self: _Facade) -> None:
        try:
            self._owner.run(getattr(self._inner, name)())
        finally:
            self._owner.stop()

    return call


class Collection(_Facade):
    """As `vpa.Collection`, without `await`."""


class VectorDatabaseManager(_Facade):
    """As `vpa.VectorDatabaseManager`, without `await`; a context manager."""

    def __enter__(self) -> VectorDatabaseManager:
        self._owner.check_open()
        try:
            self._owner.run(self._inner.connect())
        except BaseException:
            self._owner.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()  # type: ignore[attr-defined]


class EnhancedRAGSystem(_Facade):
    """As `vpa.EnhancedRAGSystem`, without `await`; a context manager."""

    @property
    def manager(self) -> VectorDatabaseManager:
        """The manager below, on the same loop."""
        return VectorDatabaseManager(self._inner.manager, self._owner)

    def __enter__(self) -> EnhancedRAGSystem:
        self._owner.check_open()
        try:
            self._owner.run(self._inner.initialize())
        except BaseException:
            self._owner.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()  # type: ignore[attr-defined]


_adopt(Collection, _AsyncCollection)
_adopt(VectorDatabaseManager, _AsyncManager, opening="connect", closing=("close", "disconnect"))
_adopt(EnhancedRAGSystem, _AsyncRAG, opening="initialize", closing=("shutdown",))


@functools.wraps(_connect)
def connect(url: str, **options: Any) -> VectorDatabaseManager:
    """As `vpa.connect`, for `with`."""
    return VectorDatabaseManager(_connect(url, **options), OwnerLoop())


@functools.wraps(_create_manager)
def create_vector_database_manager(config: Any = None) -> VectorDatabaseManager:
    """As `vpa.create_vector_database_manager`, for `with`."""
    return VectorDatabaseManager(_create_manager(config), OwnerLoop())


@functools.wraps(_create_rag)
def create_enhanced_rag_system(config: Any = None, **options: Any) -> EnhancedRAGSystem:
    """As `vpa.create_enhanced_rag_system`, for `with`."""
    return EnhancedRAGSystem(_create_rag(config, **options), OwnerLoop())


def _function(function: Any) -> Any:
    """A coroutine function of `vpa`, run on the loop that owns the collections or managers it is given."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        facades = [value for value in (*args, *kwargs.values()) if isinstance(value, _Facade)]
        owners = {id(facade._owner): facade._owner for facade in facades}
        if len(owners) > 1:
            raise ConfigurationError(
                f"vpa.sync.{function.__name__} takes collections of one connection, since each connection has a loop "
                f"of its own; between two, use the asynchronous vpa.{function.__name__} or the program"
            )
        if owners:
            owner = next(iter(owners.values()))
            result = owner.run_reading(lambda bridge: _call(function, bridge, *args, **kwargs))
        else:
            result = _run_alone(_call(function, _read_here, *args, **kwargs))
        return facades[0]._wrap(result) if facades else result

    return call


def __getattr__(name: str) -> Any:
    # Values (Record, F, Scope, …) are the same objects in both worlds.
    import vpa

    if name in vpa.__all__:
        value = getattr(vpa, name)
        return _function(value) if inspect.iscoroutinefunction(value) else value
    raise AttributeError(f"module 'vpa.sync' has no attribute {name!r}")
