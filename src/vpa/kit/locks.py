"""Locks for the tasks of one event loop: one that many may share or one may have alone, and one for each key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager


class SharedLock:
    """Fair to the exclusive side: a task that waits for `alone` keeps later sharers out, so it is never starved."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._idle = asyncio.Event()
        self._idle.set()
        self._sharers = 0

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Hold the lock together with other sharers; waits while a task has it, or waits to have it, alone."""
        async with self._turn:
            self._sharers += 1
            self._idle.clear()
        try:
            yield
        finally:
            self._sharers -= 1
            if not self._sharers:
                self._idle.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Hold the lock exclusively; waits until every sharer has left, and keeps new ones out meanwhile."""
        async with self._turn:
            await self._idle.wait()
            yield


class KeyedLocks:
    """One lock for each key, kept only while a task holds it or waits for it."""

    def __init__(self) -> None:
        self._locks: dict[Hashable, asyncio.Lock] = {}
        self._users: dict[Hashable, int] = {}

    @asynccontextmanager
    async def held(self, keys: Iterable[Hashable]) -> AsyncIterator[None]:
        """Hold the locks of all keys; always taken in one order, so that two tasks never wait for one another."""
        async with AsyncExitStack() as stack:
            for key in sorted(set(keys), key=repr):
                await stack.enter_async_context(self._alone(key))
            yield

    @asynccontextmanager
    async def _alone(self, key: Hashable) -> AsyncIterator[None]:
        lock = self._locks.setdefault(key, asyncio.Lock())
        self._users[key] = self._users.get(key, 0) + 1
        try:
            async with lock:
                yield
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._locks[key]
