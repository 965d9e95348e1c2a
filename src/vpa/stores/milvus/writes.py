"""Requests that change rows; on Milvus Lite one at a time, and its memory is emptied before words are searched."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

from pymilvus import AsyncMilvusClient

from vpa.base.errors import ProviderError

T = TypeVar("T")
# Lite (3.2.2) sorts the words of rows that are only in its memory anew for each search, 0.2 to 0.3 ms a row; to flush
# so many takes it 70 ms.
_MOST_IN_MEMORY: Final = 200


class Ask(Protocol):
    """Sends one request, as the driver does."""

    async def __call__(self, verb: str, work: Callable[[], Awaitable[T]]) -> T: ...


class Writes:
    """Of one driver; `client` is the client that is open now. `is_lite` is known when the server was asked."""

    def __init__(self, ask: Ask, client: Callable[[], AsyncMilvusClient], *, is_lite: bool) -> None:
        self._ask, self._client = ask, client
        self.is_lite = is_lite
        self._turn = asyncio.Lock()
        self._in_memory: dict[str, int] = {}

    def forget(self) -> None:
        """How many rows are in memory: others may have written to what is opened again."""
        self._in_memory.clear()

    async def _send(self, verb: str, work: Callable[[], Awaitable[Any]]) -> None:
        if not self.is_lite:
            await self._ask(verb, work)
            return
        # Two writes at once tear the log of Milvus Lite (3.2.2): if its process is killed, what follows the tear is
        # lost.
        async with self._turn:
            await self._ask(verb, work)

    async def upsert(self, native: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Replace rows whole."""
        await self._send("upsert", lambda: self._client().upsert(native, list(rows)))
        self._note(native, len(rows))

    async def update(
        self, native: str, rows: Mapping[str, Mapping[str, Any]], existing: Callable[[], Awaitable[Collection[str]]]
    ) -> None:
        """Replace the fields that the rows hold. Milvus refuses all of them if one of the rows is gone, so then those
        under the `existing` keys are sent again.
        """
        try:
            await self._update(native, list(rows.values()))
        except ProviderError:
            there = await existing()
            if len(there) == len(rows):
                raise
            if there:
                await self._update(native, [row for key, row in rows.items() if key in there])

    async def _update(self, native: str, rows: Sequence[Mapping[str, Any]]) -> None:
        await self._send("update_metadata", lambda: self._client().upsert(native, list(rows), partial_update=True))
        self._note(native, len(rows))

    async def delete(self, native: str, **chosen: Any) -> None:
        """By `ids` or by `filter`."""
        await self._send("delete", lambda: self._client().delete(native, **chosen))

    def _note(self, native: str, rows: int) -> None:
        if native in self._in_memory:
            self._in_memory[native] += rows

    async def settle(self, native: str) -> None:
        """Let Lite put rows that are only in its memory in order, if they are many: what others left there counts as
        many.
        """
        if not self.is_lite or self._in_memory.get(native, _MOST_IN_MEMORY) < _MOST_IN_MEMORY:
            return
        self._in_memory[native] = 0
        await self._send("search", lambda: self._client().flush(native))
