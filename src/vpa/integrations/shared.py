"""One manager per place within a process, counted: a directory is locked by who opens it, and adapters come in pairs.

All of them live on one event loop in a thread of its own, which ends with the last.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import replace
from typing import Any, Final, TypeVar

from vpa.base.errors import ClosedError
from vpa.base.providers import VectorDatabaseProvider
from vpa.client.manager import VectorDatabaseManager
from vpa.kit.owner import OwnerLoop
from vpa.stores.config import DEFAULT_INDEX, VectorDatabaseConfig, parse_url

T = TypeVar("T")
# Without an address these are in memory.
_LOCAL: Final = (VectorDatabaseProvider.MOCK, VectorDatabaseProvider.CHROMADB, VectorDatabaseProvider.QDRANT)


class _Loop:
    """The loop of this process, and how many hold it."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """In a forked process: no loop and no place is its own, and a thread that is not there may hold the lock."""
        self.lock = threading.Lock()
        self.places: dict[Hashable, SharedPlace] = {}
        self._owner: OwnerLoop | None = None
        self._users = 0

    def hold(self) -> OwnerLoop:
        """Called under the lock."""
        if self._owner is None:
            self._owner = OwnerLoop()
        self._users += 1
        return self._owner

    def leave(self) -> OwnerLoop | None:
        """Called under the lock; returns the loop where nobody holds it any more, to be stopped without the lock."""
        self._users -= 1
        if self._users:
            return None
        owner, self._owner = self._owner, None
        return owner


_LOOP: Final = _Loop()
os.register_at_fork(after_in_child=_LOOP.forget)


class HeldLoop:
    """A hold on the loop that all adapters of a process share; `close` ends the loop with the last hold."""

    def __init__(self) -> None:
        with _LOOP.lock:
            self._owner = _LOOP.hold()
        self._process = os.getpid()
        self._is_closed = False

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do `work` on the loop and wait for its result. Raises ClosedError after `close`."""
        self._check(work)
        return self._owner.run(work, needs_loop=True)

    async def arun(self, work: Coroutine[Any, Any, T]) -> T:
        """The same, awaited on the caller's loop."""
        self._check(work)
        return await self._owner.arun(work)

    def _check(self, work: Coroutine[Any, Any, Any]) -> None:
        if self._is_closed:
            work.close()
            raise closed()

    def close(self, end: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Do `end` on the loop, then leave it. May be called twice; in a forked process there is nothing to leave."""
        if self._process != os.getpid():
            return
        with _LOOP.lock:
            if self._is_closed:
                return
            self._is_closed = True
        try:
            if end is not None:
                # After the end of the program's other threads the loop may be gone: then nothing is left to end.
                with contextlib.suppress(ClosedError):
                    self._owner.run(end(), needs_loop=True)
        finally:
            with _LOOP.lock:
                last = _LOOP.leave()
            if last is not None:
                last.stop()


class SharedPlace:
    """A store that is open in this process: opened by the first who asks, closed after the last."""

    def __init__(self, config: VectorDatabaseConfig, key: Hashable) -> None:
        self._config = config
        self._key = key
        self._manager: VectorDatabaseManager | None = None
        self._opening = asyncio.Lock()
        self.users = 0

    async def manager(self) -> VectorDatabaseManager:
        """Connected; on the shared loop. Calls at once open it once; after an error the next call tries again."""
        async with self._opening:
            if self._manager is None:
                manager = VectorDatabaseManager(self._config)
                await manager.connect()
                self._manager = manager
            return self._manager

    async def leave(self) -> None:
        """On the shared loop: close with the last. Whoever comes meanwhile waits, and opens it anew."""
        with _LOOP.lock:
            self.users -= 1
        async with self._opening:
            if self.users:
                return
            manager, self._manager = self._manager, None
            if manager is not None:
                await manager.close()
        with _LOOP.lock:
            if not self.users and _LOOP.places.get(self._key) is self:
                del _LOOP.places[self._key]


def shared_place(place: str | os.PathLike[str] | VectorDatabaseConfig, *, api_key: Any) -> SharedPlace:
    """The place of a URL or config, counted for the caller, who calls `leave` on the shared loop in the end.

    What is in memory only is nobody else's: each call makes its own. Raises ConfigurationError.
    """
    config = place
    if isinstance(config, str | os.PathLike):
        config = VectorDatabaseConfig(**parse_url(config), api_key=api_key)
    elif api_key is not None:
        config = replace(config, api_key=api_key)
    # The collections are named by who uses them.
    config = replace(config, index_name=DEFAULT_INDEX, dimension=None)
    key = _key(config)
    with _LOOP.lock:
        known = _LOOP.places.get(key)
        if known is None:
            known = _LOOP.places[key] = SharedPlace(config, key)
        known.users += 1
    return known


def _key(config: VectorDatabaseConfig) -> Hashable:
    if config.path is not None:
        # A directory is locked whatever else was said about it.
        return (config.provider, os.path.realpath(config.path), config.read_only)
    if config.url is None and config.host is None and config.provider in _LOCAL:
        return object()
    options = tuple(sorted(config.options.items()))
    names = [name for name in config.__dataclass_fields__ if name not in ("options", "index_name", "metric")]
    return (options, *(getattr(config, name) for name in names))


def closed() -> ClosedError:
    """What every call raises after `close`."""
    return ClosedError("the store was closed; make a new one")


def end_apart(end: Callable[[], object]) -> None:
    """Call `end` in a thread of its own: the garbage collector comes in any thread, that of the loop among them."""
    # Where the program ends no thread begins any more, and everything ends with it.
    with contextlib.suppress(RuntimeError, MemoryError):
        threading.Thread(target=end, name="vpa-closing", daemon=True).start()
