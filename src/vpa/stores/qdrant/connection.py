"""The client of a Qdrant server, or the client's own emulation in a directory or in memory."""

from __future__ import annotations

import warnings
from typing import Final

import httpx
from qdrant_client import AsyncQdrantClient

from vpa.base.errors import ClosedError
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.qdrant.by_rest import RestPoints
from vpa.stores.qdrant.points import Points
from vpa.stores.qdrant.route import GrpcRoute, Identity, grpc_target
from vpa.stores.remote.bodies import BoundedTransport
from vpa.stores.remote.endpoint import Endpoint

_PATIENCE_S: Final = 1.0


class Connection:
    """`connection.client` is the asynchronous client, `points` the way to records. `server` None: the emulation, in
    `path` or in memory.

    Collections are always managed over REST. Records go by gRPC where `route` says so.
    """

    def __init__(self, config: VectorDatabaseConfig, server: Endpoint | None) -> None:
        self.server = server
        self.path = config.path
        self._config = config
        # What a filter waits for its indexes: a part of the time that a call has.
        self.patience_s: Final = min(_PATIENCE_S, config.timeout_seconds / 4)
        self._client: AsyncQdrantClient | None = None
        self._rest: RestPoints | None = None
        self.route: Final = None if server is None else self._route_to(server)

    def _route_to(self, server: Endpoint) -> GrpcRoute:
        return GrpcRoute(
            grpc_target(self._config, server),
            key=self._config.api_key,
            timeout_s=self._config.timeout_seconds,
            identify=self._identify,
        )

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

    @property
    def rest(self) -> RestPoints:
        """Records over REST; raises ClosedError."""
        if self._rest is None:
            raise ClosedError("the Qdrant store is not open")
        return self._rest

    @property
    def points(self) -> Points:
        """The way to records of now; ask again for each request. Raises ClosedError."""
        by_grpc = None if self.route is None else self.route.points
        return self.rest if by_grpc is None else by_grpc

    async def open(self) -> None:
        """Make the client; with gRPC, ask both ports whether one server is behind them."""
        await self.close()
        if self.server is None:
            self._client = AsyncQdrantClient(path=self.path) if self.path else AsyncQdrantClient(":memory:")
        else:
            self._client = self._client_of(self.server)
        self._rest = RestPoints(self._client, local=self.server is None)
        if self.route is not None:
            try:
                await self.route.open()
            except BaseException:
                await self.close()
                raise

    def _client_of(self, server: Endpoint) -> AsyncQdrantClient:
        size = self._config.connection_pool_size
        limits = httpx.Limits(max_connections=size, max_keepalive_connections=size)
        with warnings.catch_warnings():
            # The client warns of a key without TLS, also on loopback; settings say where that matters.
            warnings.simplefilter("ignore")
            return AsyncQdrantClient(
                url=server.url,
                api_key=self._config.api_key,
                timeout=max(1, round(self._config.timeout_seconds)),
                check_compatibility=False,
                transport=BoundedTransport(limits=limits, trust_env=False),
            )

    async def _identify(self) -> Identity:
        about = await self.client.info()
        names = (await self.client.get_collections()).collections
        return Identity(about.version, about.commit or "", frozenset(one.name for one in names))

    async def close(self) -> None:
        """Close the connections, or the files. May be called twice."""
        client, self._client, self._rest = self._client, None, None
        if self.route is not None:
            await self.route.close()
        if client is not None:
            await client.close()
