"""A client that is made anew when its connection has gone mute."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from vpa.base.errors import ClosedError

C = TypeVar("C")


class Renewable(Generic[C]):
    """Holds a client that sends all its calls over one connection, as gRPC does.

    When such a connection goes mute (half of a route is gone, the peer has lost its place in the stream) every later
    call waits on it in vain, and keep-alive notices late or never. So a call that ran out of time makes it `suspect`,
    and the next one gets a new client. The old one is left to the calls that are still on it until the next renewal.
    """

    def __init__(
        self, name: str, make: Callable[[], Awaitable[C]], close: Callable[[C], Awaitable[None]], *, patience_s: float
    ) -> None:
        self._name = name
        self._make = make
        self._close = close
        self._patience_s = patience_s
        self._current: C | None = None
        self._retired: C | None = None
        self._made_at = 0.0
        self._suspect = False
        self._lock = asyncio.Lock()

    @property
    def is_open(self) -> bool:
        """Whether `open` was called and `close` was not."""
        return self._current is not None

    @property
    def client(self) -> C:
        """The client of now; ask again for each call."""
        if self._current is None:
            raise ClosedError(f"the {self._name} store is not open")
        return self._current

    async def open(self) -> None:
        """Make the first client."""
        self._current = await self._make()
        self._made_at = asyncio.get_running_loop().time()

    def suspect(self) -> None:
        """A call ran out of time. A connection younger than that is not the one that it waited on."""
        if self.is_open and asyncio.get_running_loop().time() - self._made_at >= self._patience_s:
            self._suspect = True

    async def renew(self) -> None:
        """Replace a suspect client; does nothing otherwise. Where making one fails, the old one stays, suspect."""
        if not self._suspect:
            return
        async with self._lock:
            if not self._suspect or self._current is None:
                return
            made = await self._make()
            if not self.is_open:  # Closed meanwhile.
                await self._close(made)
                return
            retired, self._retired, self._current = self._retired, self._current, made
            self._made_at, self._suspect = asyncio.get_running_loop().time(), False
            if retired is not None:
                await self._close(retired)

    async def close(self) -> None:
        """Close every client. May be called twice."""
        clients = [one for one in (self._retired, self._current) if one is not None]
        self._retired = self._current = None
        self._suspect = False
        for one in clients:
            await self._close(one)
