"""Managers and collections that the caller opened, and closes: adapters work on the loop that these live on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from vpa.base.errors import ConfigurationError

T = TypeVar("T")


class Runner(Protocol):
    """A loop to do work on, from threads with and without one."""

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do `work` and wait for its result."""
        ...

    async def arun(self, work: Coroutine[Any, Any, T]) -> T:
        """The same, awaited on the caller's loop."""
        ...


class CallersLoop:
    """The loop on which the caller's own manager was connected: the running one, or that of the first await."""

    def __init__(self) -> None:
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """From a thread beside the loop; on the loop itself a call without await could not wait for anything."""
        loop = self._loop
        if loop is None or not loop.is_running() or _running() is loop:
            work.close()
            raise ConfigurationError(
                "the manager that this store was given lives on an event loop, and a call without await cannot wait "
                "for that loop: await the asynchronous method, or pass a manager of vpa.sync.connect, or a URL"
            )
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    async def arun(self, work: Coroutine[Any, Any, T]) -> T:
        """Awaited here where this is the loop."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        if self._loop is asyncio.get_running_loop():
            return await work
        if not self._loop.is_running():
            work.close()
            raise ConfigurationError(
                "the event loop of the manager that this store was given has ended; connect on the loop that goes on, "
                "or pass a URL"
            )
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
