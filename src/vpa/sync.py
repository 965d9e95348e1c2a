"""The same names without `await`: each connection runs on one owner loop in a thread of its own.

`with vpa.sync.connect("mock://") as db: …`. The classes are made from the asynchronous ones, verb by verb, so that
signatures, docstrings and errors are theirs.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final

from vpa.base.errors import ConfigurationError
from vpa.client.collection import Collection as _AsyncCollection
from vpa.client.connect import connect as _connect
from vpa.client.manager import VectorDatabaseManager as _AsyncManager
from vpa.compose import create_enhanced_rag_system as _create_rag
from vpa.compose import create_vector_database_manager as _create_manager
from vpa.kit.owner import OwnerLoop, read_here, run_alone
from vpa.rag.system import EnhancedRAGSystem as _AsyncRAG

# Verbs that read a source no faster than they write it.
_STREAMING: Final = frozenset({"add_documents"})


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


def _blocking(name: str, method: Any) -> Any:
    @functools.wraps(method)
    def call(self: _Facade, *args: Any, **kwargs: Any) -> Any:
        if name in _STREAMING:
            return self._wrap(
                self._owner.run_reading(lambda bridge: _call(getattr(self._inner, name), bridge, *args, **kwargs))
            )
        given = [read_here(_inner(value)) for value in args]
        named = {key: read_here(_inner(value)) for key, value in kwargs.items()}
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
        return self._wrap(getattr(self._inner, name)(*args, **kwargs))

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
    @functools.wraps(method)
    def call(self: _Facade) -> Any:
        self._owner.check_open()
        return self._wrap(self._owner.run(getattr(self._inner, name)(), needs_loop=True))

    return call


def _closing(name: str, method: Any) -> Any:
    @functools.wraps(method)
    def call(self: _Facade) -> None:
        self._owner.close(getattr(self._inner, name))

    return call


class Collection(_Facade):
    """As `vpa.Collection`, without `await`."""


class VectorDatabaseManager(_Facade):
    """As `vpa.VectorDatabaseManager`, without `await`; a context manager."""

    def __enter__(self) -> VectorDatabaseManager:
        self._owner.check_open()
        try:
            self._owner.run(self._inner.connect(), needs_loop=True)
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
            self._owner.run(self._inner.initialize(), needs_loop=True)
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
        if foreign := [
            value for value in (*args, *kwargs.values()) if isinstance(value, _AsyncCollection | _AsyncManager)
        ]:
            raise ConfigurationError(
                f"vpa.sync.{function.__name__} takes what vpa.sync made, not {foreign[0]!r:.80} of vpa, which "
                f"belongs to another event loop: use await vpa.{function.__name__}"
            )
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
            result = run_alone(_call(function, read_here, *args, **kwargs))
        return facades[0]._wrap(result) if facades else result

    return call


def __getattr__(name: str) -> Any:
    # Values (Record, F, Scope, …) are the same objects in both worlds.
    import vpa

    if name in vpa.__all__:
        value = getattr(vpa, name)
        return _function(value) if inspect.iscoroutinefunction(value) else value
    raise AttributeError(f"module 'vpa.sync' has no attribute {name!r}")
