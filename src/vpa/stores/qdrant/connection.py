"""The client of a Qdrant server, or the client's own emulation in a directory or in memory."""

from __future__ import annotations

import warnings

import httpx
from qdrant_client import AsyncQdrantClient

from vpa.base.errors import ClosedError
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.remote.bodies import BoundedTransport
from vpa.stores.remote.endpoint import Endpoint


class Connection:
    """`connection.client` is the asynchronous client. `server` None: the emulation, in `path` or in memory."""

    def __init__(self, config: VectorDatabaseConfig, server: Endpoint | None) -> None:
        self.server = server
        self.path = config.path
        self._config = config
        self._client: AsyncQdrantClient | None = None

    @property
    def is_open(self) -> bool:
        """Whether `open` was called and `close` was not."""
        return self._client is not None

    @property
    def client(self) -> AsyncQdrantClient:
        """The open client; raises ClosedError before `open` and after `close`."""
        if self._client is None:
            raise ClosedError("the Qdrant store is not open")
        return self._client

    async def open(self) -> None:
        """Make the client; asks nothing yet."""
        if self.server is None:
            self._client = AsyncQdrantClient(path=self.path) if self.path else AsyncQdrantClient(":memory:")
            return
        size = self._config.connection_pool_size
        limits = httpx.Limits(max_connections=size, max_keepalive_connections=size)
        with warnings.catch_warnings():
            # The client warns of a key without TLS, also on loopback; settings say where that matters.
            warnings.simplefilter("ignore")
            self._client = AsyncQdrantClient(
                url=self.server.url,
                api_key=self._config.api_key,
                timeout=max(1, round(self._config.timeout_seconds)),
                check_compatibility=False,
                transport=BoundedTransport(limits=limits, trust_env=False),
            )

    async def close(self) -> None:
        """Close the connections, or the files. May be called twice."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()
