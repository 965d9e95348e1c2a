"""A collection on one owner loop, for frameworks that call it with and without await, from any loop and thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from vpa.base.errors import ClosedError
from vpa.base.records import Metric
from vpa.client.collection import Collection
from vpa.client.connect import connect
from vpa.client.manager import VectorDatabaseManager
from vpa.kit.owner import OwnerLoop
from vpa.stores.config import VectorDatabaseConfig

T = TypeVar("T")


class OwnedCollection:
    """Connects when it is first used. `place` is a URL or a VectorDatabaseConfig."""

    def __init__(self, place: str | VectorDatabaseConfig, name: str, *, api_key: str | None, metric: str) -> None:
        self._place = place
        self.name = name
        self._api_key = api_key
        self._metric = Metric.parse(metric)
        self._owner = OwnerLoop()
        self._owner.owns(self._end)
        self._manager: VectorDatabaseManager | None = None
        self._collection: Collection | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    async def _open(self, dimension: int | None) -> Collection | None:
        """Calls at once share one connection: another manager would be another store, where it is in memory."""
        async with self._opening:
            return await self._opened(dimension)

    async def _opened(self, dimension: int | None) -> Collection | None:
        if self._closed:
            raise _closed()
        if self._manager is None:
            place = self._place
            manager = connect(place, api_key=self._api_key) if isinstance(place, str) else VectorDatabaseManager(place)
            await manager.connect()
            if self._closed:
                await manager.close()
                raise _closed()
            self._manager = manager
        if self._collection is None:
            if dimension is not None:
                self._collection = await self._manager.create_collection(
                    self.name, dimension=dimension, metric=self._metric, exist_ok=True
                )
            elif self.name in await self._manager.list_collections():
                self._collection = await self._manager.collection(self.name)
        return self._collection

    async def _work(self, work: Callable[[Collection], Awaitable[T]], default: T, dimension: int | None) -> T:
        collection = await self._open(dimension)
        return default if collection is None else await work(collection)

    def run(
        self, work: Callable[[Collection], Awaitable[T]], *, default: Any = None, dimension: int | None = None
    ) -> T:
        """Do `work` and wait. Without a `dimension` a collection that does not exist is not made: `default`."""
        found: T = self._owner.run(self._work(work, default, dimension))
        return found

    async def arun(
        self, work: Callable[[Collection], Awaitable[T]], *, default: Any = None, dimension: int | None = None
    ) -> T:
        """The same, awaited on the caller's loop."""
        if self._closed:
            raise _closed()
        return await self._owner.arun(self._work(work, default, dimension))

    def drop(self) -> None:
        """Remove the collection, if it is there."""

        async def remove(collection: Collection) -> None:
            if self._manager is not None:
                await self._manager.drop_collection(collection.name)

        self.run(remove)
        self._collection = None

    def close(self) -> None:
        """Let the connection and the thread go. May be called twice."""
        self._closed = True
        self._owner.close(self._end)

    async def _end(self) -> None:
        # One that is being opened is given up with the loop.
        manager, self._manager, self._collection = self._manager, None, None
        if manager is not None:
            await manager.close()


def _closed() -> ClosedError:
    return ClosedError("the store was closed; make a new one")
