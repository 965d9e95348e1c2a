"""The clients of Pinecone: one for the control plane, one for each index, which has a host of its own."""

from __future__ import annotations

import asyncio

from pinecone import AsyncIndex, AsyncPinecone

from vpa.base.errors import ClosedError
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.remote.endpoint import Endpoint


class Connection:
    """`connection.client` is the control plane; `connection.indexes` the data planes that are known, by collection."""

    def __init__(self, config: VectorDatabaseConfig, server: Endpoint | None) -> None:
        self.server = server
        self.indexes: dict[str, AsyncIndex] = {}
        self._config = config
        self._client: AsyncPinecone | None = None
        self._turn = asyncio.Lock()

    @property
    def is_open(self) -> bool:
        """Whether `open` was called and `close` was not."""
        return self._client is not None

    @property
    def client(self) -> AsyncPinecone:
        """The open client of the control plane."""
        if self._client is None:
            raise ClosedError("the Pinecone store is not open")
        return self._client

    async def open(self) -> None:
        """Make the client; asks nothing yet."""
        self._client = AsyncPinecone(
            self._config.api_key,
            host=None if self.server is None else self.server.url,
            timeout=self._config.timeout_seconds,
            connection_pool_maxsize=self._config.connection_pool_size,
        )

    async def remember(self, name: str, host: str) -> None:
        """The index of a collection is at `host`."""
        # Of two that ask at once the second finds what the first made: a client that nobody closes would be left over.
        async with self._turn:
            known = self.indexes.get(name)
            if known is not None and known.host.rstrip("/") == host.rstrip("/"):
                return
            await self.forget(name)
            self.indexes[name] = await self.client.index(host=host)

    async def forget(self, name: str) -> None:
        """The collection may be gone, or made again elsewhere."""
        index = self.indexes.pop(name, None)
        if index is not None:
            await index.close()

    async def close(self) -> None:
        """Close the connections of every index, and to the control plane. May be called twice."""
        for name in list(self.indexes):
            await self.forget(name)
        client, self._client = self._client, None
        if client is not None:
            await client.close()
