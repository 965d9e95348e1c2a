"""A lock that many may share or one may have alone, for the tasks of one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


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
