"""The client of a Weaviate server."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

import weaviate
from weaviate.classes.init import AdditionalConfig, Auth, Timeout
from weaviate.config import GrpcConfig

from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.remote.endpoint import Endpoint
from vpa.stores.remote.renewable import Renewable

# A new client is to have a connection of its own, and to try for it again soon (gRPC waits up to two minutes).
_GRPC: Final = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


class Connection:
    """`connection.client` is the asynchronous client; it is made anew where its connection went mute."""

    def __init__(self, config: VectorDatabaseConfig, server: Endpoint, options: Mapping[str, str]) -> None:
        self.server = server
        self.renewable: Final[Renewable[weaviate.WeaviateAsyncClient]] = Renewable(
            "Weaviate",
            lambda: _connect(config, server, options),
            weaviate.WeaviateAsyncClient.close,
            patience_s=config.timeout_seconds,
        )

    @property
    def is_open(self) -> bool:
        """Whether `open` was called and `close` was not."""
        return self.renewable.is_open

    @property
    def client(self) -> weaviate.WeaviateAsyncClient:
        """The open client."""
        return self.renewable.client

    async def open(self) -> None:
        """Make the client and connect."""
        # The client logs refused objects with their data.
        logging.getLogger("weaviate-client").setLevel(logging.CRITICAL)
        await self.renewable.open()

    async def close(self) -> None:
        """Close REST and gRPC. May be called twice."""
        await self.renewable.close()


async def _connect(
    config: VectorDatabaseConfig, server: Endpoint, options: Mapping[str, str]
) -> weaviate.WeaviateAsyncClient:
    """A connected client: REST on the server's port, gRPC on the one of the options."""
    seconds = config.timeout_seconds
    client = weaviate.use_async_with_custom(
        http_host=server.host,
        http_port=server.port,
        http_secure=server.tls,
        grpc_host=options.get("grpc_host", server.host),
        grpc_port=int(options.get("grpc_port", 443 if server.tls else 50051)),
        grpc_secure=server.tls,
        auth_credentials=Auth.api_key(config.api_key) if config.api_key else None,
        additional_config=AdditionalConfig(
            timeout=Timeout(init=seconds, query=seconds, insert=seconds),
            trust_env=False,
            grpc_config=GrpcConfig(channel_options=list(_GRPC)),
        ),
        skip_init_checks=True,
    )
    try:
        await client.connect()
    except BaseException:
        await client.close()
        raise
    return client
