"""The same names without `await`: each connection runs on one owner loop in a thread of its own.

`with vpa.sync.connect("mock://") as db: …`. The classes are made from the asynchronous ones, verb by verb, so that
signatures, docstrings and errors are theirs.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from vpa.base.errors import ClosedError, ConfigurationError
from vpa.client.collection import Collection as _AsyncCollection
from vpa.client.connect import connect as _connect
from vpa.client.manager import VectorDatabaseManager as _AsyncManager
from vpa.compose import create_enhanced_rag_system as _create_rag
from vpa.compose import create_vector_database_manager as _create_manager
from vpa.rag.system import EnhancedRAGSystem as _AsyncRAG

T = TypeVar("T")


class OwnerLoop:
    """An event loop in a daemon thread; clients that are bound to a loop live their whole life on it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="vpa-sync", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do `work` on the loop and wait for its result."""
        if not self._thread.is_alive():
            # Closed already: the answer is a ClosedError, or that there is nothing to do.
            return _run_alone(work)
        if threading.current_thread() is self._thread:
            # Waiting here for the loop, on the loop, would never end.
            work.close()
            raise ConfigurationError(
                "a callback, or an iterable that is read on the connection's own loop, called this connection again; "
                "give a list, and call from outside of callbacks"
            )
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        except CancelledError:
            raise ClosedError("the connection was closed by another thread before this call ended") from None

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin `work` on the loop; its result is in the future."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

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
            if close is not None and self._thread.is_alive():
                self.run(close())

    def stop(self) -> None:
        """End the thread. May be called twice."""
        if self._thread.is_alive():
            # Whoever still waits for a call of another thread must get an end of it.
            asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
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


def _read_here(value: Any) -> Any:
    """An iterator is read in the thread of its caller, as a list: it may itself ask this connection."""
    return list(value) if isinstance(value, Iterator) else value


def _blocking(name: str, method: Any) -> Any:
    @functools.wraps(method)
    def call(self: _Facade, *args: Any, **kwargs: Any) -> Any:
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


def _adopt(facade: type[_Facade], asynchronous: type[Any], *, closing: tuple[str, ...] = ()) -> None:
    for name, member in inspect.getmembers(asynchronous):
        if name.startswith("_") or name in vars(facade):
            continue
        if isinstance(member, property):
            setattr(facade, name, _reading(name, member))
        elif inspect.iscoroutinefunction(member):
            setattr(facade, name, _closing(name, member) if name in closing else _blocking(name, member))
        elif inspect.isasyncgenfunction(member):
            setattr(facade, name, _iterating(name, member))
        elif callable(member):
            setattr(facade, name, _plain(name, member))


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
        try:
            self._owner.run(self._inner.initialize())
        except BaseException:
            self._owner.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()  # type: ignore[attr-defined]


_adopt(Collection, _AsyncCollection)
_adopt(VectorDatabaseManager, _AsyncManager, closing=("close", "disconnect"))
_adopt(EnhancedRAGSystem, _AsyncRAG, closing=("shutdown",))


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
        work = function(*map(_inner, args), **{key: _inner(value) for key, value in kwargs.items()})
        result = next(iter(owners.values())).run(work) if owners else _run_alone(work)
        return facades[0]._wrap(result) if facades else result

    return call


def __getattr__(name: str) -> Any:
    # Values (Record, F, Scope, …) are the same objects in both worlds.
    import vpa

    if name in vpa.__all__:
        value = getattr(vpa, name)
        return _function(value) if inspect.iscoroutinefunction(value) else value
    raise AttributeError(f"module 'vpa.sync' has no attribute {name!r}")
