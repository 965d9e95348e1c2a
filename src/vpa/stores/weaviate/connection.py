"""The client of a Weaviate server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

import httpx
import weaviate
from grpc import ChannelConnectivity
from weaviate.classes.init import AdditionalConfig, Auth, Timeout
from weaviate.config import GrpcConfig
from weaviate.exceptions import UnexpectedStatusCodeError

from vpa.base.errors import ClosedError
from vpa.observe.log import get_logger
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.remote.bodies import BoundedTransport
from vpa.stores.remote.endpoint import Endpoint
from vpa.stores.remote.renewable import Renewable

# A new client is to have a connection of its own, and to try for it again soon (gRPC waits up to two minutes).
_GRPC: Final = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]
_SCHEMA_CONNECTIONS: Final = 16
_log: Final = get_logger("vpa.stores.weaviate")
_AFTER_A_CRASH: Final = (
    "if the server was killed, its indexes may have lost what its objects kept: `vpa check URL` names the records "
    "that searches and counts miss, --repair writes them again"
)


class Connection:
    """`connection.client` is the asynchronous client; it is made anew where its connection went mute.

    A server that could not be reached for a while, and answers again, is a warning in the log: the client waits and
    sends again by itself, so that no error tells of it.
    """

    def __init__(self, config: VectorDatabaseConfig, server: Endpoint, options: Mapping[str, str]) -> None:
        self.server = server
        self._config = config
        self._http: httpx.AsyncClient | None = None
        self.renewable: Final[Renewable[weaviate.WeaviateAsyncClient]] = Renewable(
            "Weaviate",
            lambda: self._make(config, server, options),
            self._close_client,
            patience_s=config.timeout_seconds,
        )
        self._watches: dict[weaviate.WeaviateAsyncClient, asyncio.Task[None]] = {}

    @property
    def is_open(self) -> bool:
        """Whether `open` was called and `close` was not."""
        return self.renewable.is_open

    @property
    def client(self) -> weaviate.WeaviateAsyncClient:
        """The open client; ask again for each call, it may have been renewed."""
        return self.renewable.client

    async def open(self) -> None:
        """Make the client and connect."""
        # The client logs refused objects with their data.
        logging.getLogger("weaviate-client").setLevel(logging.CRITICAL)
        await self.renewable.open()
        key = self._config.api_key
        self._http = httpx.AsyncClient(
            base_url=self.server.url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=self._config.timeout_seconds,
            transport=BoundedTransport(limits=httpx.Limits(max_connections=_SCHEMA_CONNECTIONS), trust_env=False),
            trust_env=False,
        )

    async def add_property(self, collection: str, added: Mapping[str, Any]) -> None:
        """Declare one more property of a class: one request, where the client's own way takes three."""
        if self._http is None:
            raise ClosedError("the Weaviate store is not open")
        answer = await self._http.post(f"/v1/schema/{collection}/properties", json=dict(added))
        # "Already": somebody else declared it first, and declares the same.
        if answer.status_code != httpx.codes.OK and "already" not in answer.text:
            raise UnexpectedStatusCodeError("the property was not added", answer)

    async def close(self) -> None:
        """Close REST and gRPC. May be called twice."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()
        await self.renewable.close()

    async def _make(
        self, config: VectorDatabaseConfig, server: Endpoint, options: Mapping[str, str]
    ) -> weaviate.WeaviateAsyncClient:
        client = await _connect(config, server, options)
        # The client has no public way to its gRPC channel.
        channel = getattr(client._connection, "_grpc_channel", None)
        if channel is not None:
            self._watches[client] = asyncio.create_task(_watch(channel, f"{server.host}:{server.port}"))
        return client

    async def _close_client(self, client: weaviate.WeaviateAsyncClient) -> None:
        watch = self._watches.pop(client, None)
        if watch is not None:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        await client.close()


async def _watch(channel: Any, address: str) -> None:
    """Warn each time that a channel which was ready could not be connected again, and now is."""
    was_ready = was_lost = False
    state = channel.get_state()
    while state is not ChannelConnectivity.SHUTDOWN:
        if state is ChannelConnectivity.READY:
            if was_lost:
                _log.warning("server_was_unreachable", provider="weaviate", address=address, advice=_AFTER_A_CRASH)
            was_ready, was_lost = True, False
        elif state is ChannelConnectivity.TRANSIENT_FAILURE:
            was_lost = was_ready
        await channel.wait_for_state_change(state)
        # A connection that the server closed is tried again at once: a balancer's answers, a server that is gone
        # does not.
        state = channel.get_state(try_to_connect=was_ready)


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
