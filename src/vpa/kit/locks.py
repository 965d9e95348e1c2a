"""A lock that many may share or one may have alone, for the tasks of one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class SharedLock:
    """Whoever waits to have it alone keeps later sharers out, so that it gets its turn."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._idle = asyncio.Event()
        self._idle.set()
        self._sharers = 0

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Beside other sharers."""
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
        """With nobody else."""
        async with self._turn:
            await self._idle.wait()
            yield
