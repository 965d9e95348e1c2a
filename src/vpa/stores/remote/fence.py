"""Keeps later writes behind a request that was given up and may still arrive.

A deadline, or a connection that broke, ends the waiting for a request, not the request: it may lie in a buffer on the
way, or in the server's queue, and take effect after a later write that was acknowledged, which is then undone. So a
write waits until a request on the same records that was given up is old enough to be dead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final

# With a proxy that stalls, requests landed up to 0.8 s after they were given up; after 2.5 s none did.
SETTLING_S: Final = 3.0
_PRUNE_ABOVE: Final = 10_000


class Fence:
    """`settling_s`: how long a request that was given up is taken to be under way."""

    def __init__(self, *, settling_s: float = SETTLING_S) -> None:
        self.settling_s = settling_s
        self._keys: dict[str, dict[str, float]] = {}
        self._everything: dict[str, float] = {}

    def writing(self, collection: str, keys: Iterable[str] | None) -> Writing:
        """`async with` this around the requests of one write. `keys` None: it may touch any record."""
        return Writing(self, collection, None if keys is None else tuple(keys))

    async def settled(self, collection: str, keys: Sequence[str] | None) -> None:
        """Wait until what was given up on these records is dead. May run into the deadline of the call."""
        wait = self._settled_at(collection, keys) - asyncio.get_running_loop().time()
        if wait > 0:
            await asyncio.sleep(wait)
            # Others may have given up meanwhile.
            await self.settled(collection, keys)

    def _settled_at(self, collection: str, keys: Sequence[str] | None) -> float:
        lost = self._keys.get(collection, {})
        times = lost.values() if keys is None else [lost[key] for key in keys if key in lost] if lost else []
        return max(self._everything.get(collection, 0.0), max(times, default=0.0))

    def note(self, collection: str, keys: tuple[str, ...] | None) -> None:
        """A request on these records was given up now."""
        now = asyncio.get_running_loop().time()
        until = now + self.settling_s
        if keys is None:
            self._everything[collection] = until
            return
        lost = self._keys.setdefault(collection, {})
        if len(lost) > _PRUNE_ABOVE:
            self._keys[collection] = lost = {key: end for key, end in lost.items() if end > now}
        lost.update(dict.fromkeys(keys, until))


class Writing:
    """One write: waits at its beginning, and remembers whether a request of it was given up."""

    def __init__(self, fence: Fence, collection: str, keys: tuple[str, ...] | None) -> None:
        self._fence, self._collection, self._keys = fence, collection, keys
        self._token: Token[Writing | None] | None = None
        self.was_given_up = False

    async def __aenter__(self) -> Writing:
        await self._fence.settled(self._collection, self._keys)
        self._token = _current.set(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _current.reset(self._token)
        if self.was_given_up:
            self._fence.note(self._collection, self._keys)


_current: ContextVar[Writing | None] = ContextVar("vpa_writing", default=None)


def given_up() -> None:
    """The request at work ended without an answer: if a write sent it, later writes will wait."""
    writing = _current.get()
    if writing is not None:
        writing.was_given_up = True
