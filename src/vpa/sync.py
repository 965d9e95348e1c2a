"""The same names without `await`: each connection runs on one owner loop in a thread of its own.

`with vpa.sync.connect("embedded://") as db: …`. The classes are made from the asynchronous ones, verb by verb, so
that signatures, docstrings and errors are theirs. What the caller gives (iterators, callbacks, functions that embed)
runs in the caller's thread: see `vpa.kit.crossing`.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, Final

from vpa.base.arguments import explained
from vpa.base.errors import ConfigurationError
from vpa.base.guessed import Guessed, unknown_name
from vpa.base.showing import shown
from vpa.client.collection import Collection as _AsyncCollection
from vpa.client.connect import connect as _connect
from vpa.client.manager import VectorDatabaseManager as _AsyncManager
from vpa.compose import create_enhanced_rag_system as _create_rag
from vpa.compose import create_vector_database_manager as _create_manager
from vpa.embeddings.adapt import as_embedder as _as_embedder
from vpa.kit.crossing import Crossing, as_blocking_call, called_here, read_here
from vpa.kit.owner import OwnerLoop, call_alone
from vpa.rag.system import EnhancedRAGSystem as _AsyncRAG
from vpa.stores.config import VectorDatabaseConfig

# What takes asynchronous iterators too: there a source is read no faster than it is used.
_STREAMING: Final = frozenset({"add_documents", "audit", "repair"})


class _Facade(Guessed):
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


class _Opened(_Facade):
    """What has a connection of its own: a context manager, and collected without one it ends its loop."""

    def __init__(self, inner: Any, owner: OwnerLoop, *, end: Callable[[], Coroutine[Any, Any, Any]] | None) -> None:
        """`end` closes all that lives on the loop; None where the loop is another one's, and goes on."""
        super().__init__(inner, owner)
        self._ends_loop = end is not None
        if end is not None:
            owner.owns(end)

    def _enter(self, opening: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self._owner.check_open()
        try:
            self._owner.run(opening(), needs_loop=True)
        except BaseException:
            if self._ends_loop:
                self._owner.stop()
            raise

    if not TYPE_CHECKING:

        async def __aenter__(self) -> Any:
            raise TypeError(f"{self!r} is used without await: write `with`, not `async with`")

        async def __aexit__(self, *_: object) -> None:
            """Nothing was entered."""


def _inner(value: Any) -> Any:
    return value._inner if isinstance(value, _Facade) else value


def _work_of(method: Any, crossing: Crossing, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
    streams = method.__name__ in _STREAMING
    given = [crossing.argument(_inner(value), streams=streams) for value in args]
    named = {key: crossing.argument(_inner(value), name=key, streams=streams) for key, value in kwargs.items()}
    work: Coroutine[Any, Any, Any] = method(*given, **named)
    return work


def _blocking(name: str, method: Any) -> Any:
    @functools.wraps(method)
    def call(self: _Facade, *args: Any, **kwargs: Any) -> Any:
        called = getattr(self._inner, name)
        return self._wrap(self._owner.call(lambda crossing: _work_of(called, crossing, *args, **kwargs)))

    return call


def _iterating(name: str, method: Any) -> Any:
    @functools.wraps(method)
    def call(self: _Facade, *args: Any, **kwargs: Any) -> Iterator[Any]:
        given = [read_here(value) for value in args]
        named = {key: read_here(value) for key, value in kwargs.items()}
        return self._owner.iterate(getattr(self._inner, name)(*given, **named))

    return call


def _plain(name: str, method: Any) -> Any:
    @functools.wraps(method)
    def call(self: _Facade, *args: Any, **kwargs: Any) -> Any:
        return self._wrap(as_blocking_call(lambda: getattr(self._inner, name)(*args, **kwargs)))

    return call


def _reading(name: str, member: property) -> property:
    def read(self: _Facade) -> Any:
        return as_blocking_call(lambda: getattr(self._inner, name))

    return property(read, doc=member.__doc__)


def _opening(name: str, method: Any) -> Any:
    @functools.wraps(method)
    def call(self: _Facade) -> Any:
        self._owner.check_open()
        return self._wrap(self._owner.run(getattr(self._inner, name)(), needs_loop=True))

    return call


def _closing(name: str, method: Any) -> Any:
    @functools.wraps(method)
    def call(self: _Opened) -> None:
        end = getattr(self._inner, name)
        if self._ends_loop:
            self._owner.close(end)
        else:
            self._owner.run(end())

    return call


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


class Collection(_Facade):
    """As `vpa.Collection`, without `await`."""

    _GUESSES = _AsyncCollection._GUESSES
    _ITEM = _AsyncCollection._ITEM


class VectorDatabaseManager(_Opened):
    """As `vpa.VectorDatabaseManager`, without `await`; a context manager."""

    _GUESSES = _AsyncManager._GUESSES
    _ITEM = _AsyncManager._ITEM

    @property
    def config(self) -> VectorDatabaseConfig:
        """What the manager was made with."""
        config: VectorDatabaseConfig = self._inner.config
        return config

    def __enter__(self) -> VectorDatabaseManager:
        self._enter(self._inner.connect)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()  # type: ignore[attr-defined]


class EnhancedRAGSystem(_Opened):
    """As `vpa.EnhancedRAGSystem`, without `await`; a context manager."""

    _GUESSES = _AsyncRAG._GUESSES
    _ITEM = _AsyncRAG._ITEM

    @property
    def manager(self) -> VectorDatabaseManager:
        """The manager below, on the same loop."""
        return VectorDatabaseManager(self._inner.manager, self._owner, end=None)

    def __enter__(self) -> EnhancedRAGSystem:
        self._enter(self._inner.initialize)
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()  # type: ignore[attr-defined]


_adopt(Collection, _AsyncCollection)
_adopt(VectorDatabaseManager, _AsyncManager, opening="connect", closing=("close", "disconnect"))
_adopt(EnhancedRAGSystem, _AsyncRAG, opening="initialize", closing=("shutdown",))


def _manager(inner: _AsyncManager) -> VectorDatabaseManager:
    return VectorDatabaseManager(inner, OwnerLoop(), end=inner.close)


@explained
@functools.wraps(_connect)
def connect(url: str | os.PathLike[str], **options: Any) -> VectorDatabaseManager:
    """As `vpa.connect`, for `with`."""
    return _manager(_connect(url, **options))


@explained
@functools.wraps(_create_manager)
def create_vector_database_manager(config: Any = None) -> VectorDatabaseManager:
    """As `vpa.create_vector_database_manager`, for `with`."""
    return _manager(_create_manager(config))


@explained
@functools.wraps(_create_rag)
def create_enhanced_rag_system(config: Any = None, *, manager: Any = None, embedder: Any = None) -> EnhancedRAGSystem:
    """As `vpa.create_enhanced_rag_system`, for `with`; on the loop of `manager`, where one is given."""
    inner = _create_rag(config, manager=_inner(manager), embedder=called_here(embedder))
    if isinstance(manager, _Facade):
        return EnhancedRAGSystem(inner, manager._owner, end=None)
    return EnhancedRAGSystem(inner, OwnerLoop(), end=inner.shutdown)


@explained
@functools.wraps(_as_embedder)
def as_embedder(model: Any, *, name: str | None = None, revision: str = "") -> Any:
    """As `vpa.as_embedder`; a function is called in the thread of whoever calls `vpa.sync`."""
    return _as_embedder(called_here(model), name=name, revision=revision)


def _function(function: Any) -> Any:
    """A coroutine function of `vpa`, run on the loop that owns the collections or managers it is given."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        facades = [value for value in (*args, *kwargs.values()) if isinstance(value, _Facade)]
        if foreign := [
            value for value in (*args, *kwargs.values()) if isinstance(value, _AsyncCollection | _AsyncManager)
        ]:
            raise ConfigurationError(
                f"vpa.sync.{function.__name__} takes what vpa.sync made, not {shown(foreign[0])} of vpa, which "
                f"belongs to another event loop: use await vpa.{function.__name__}"
            )
        owners = {id(facade._owner): facade._owner for facade in facades}
        if len(owners) > 1:
            raise ConfigurationError(
                f"vpa.sync.{function.__name__} takes collections of one connection, since each connection has a loop "
                f"of its own; between two, use the asynchronous vpa.{function.__name__} or the program"
            )

        def make(crossing: Crossing) -> Coroutine[Any, Any, Any]:
            return _work_of(function, crossing, *args, **kwargs)

        if not facades:
            return call_alone(make)
        return facades[0]._wrap(facades[0]._owner.call(make))

    return call


def __getattr__(name: str) -> Any:
    # Values (Record, F, Scope, …) are the same objects in both worlds.
    import vpa

    if name in vpa.__all__:
        value = getattr(vpa, name)
        return _function(value) if inspect.iscoroutinefunction(value) else value
    raise unknown_name(name, module="vpa.sync", known=vpa.__all__)
