"""The client of a Milvus server, or of Milvus Lite, which is started in this process and stopped again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Any, Final

from filelock import FileLock
from pymilvus import AsyncMilvusClient, MilvusClient

from vpa.base.errors import ProviderNotInstalledError
from vpa.kit.threads import Workers
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.remote.endpoint import Endpoint
from vpa.stores.remote.renewable import Renewable

# A new client is to have a connection of its own, and to try for it again soon (gRPC waits up to two minutes).
_GRPC: Final = {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1000,
}


class Connection:
    """`connection.client` is the asynchronous client; what it cannot do on Lite goes through `in_thread`."""

    def __init__(self, config: VectorDatabaseConfig, server: Endpoint | None, *, database: str) -> None:
        self._config = config
        self.server = server
        self._database = database
        self._workers = Workers(size=2, name="vpa-milvus")
        self.renewable: Final = Renewable(
            "Milvus", self._make, AsyncMilvusClient.close, patience_s=config.timeout_seconds
        )
        self._lock: FileLock | None = None
        self._closing: set[asyncio.Future[None]] = set()
        self._url = "" if server is None else server.url

    @property
    def is_open(self) -> bool:
        """Whether `open` was called and `close` was not."""
        return self.renewable.is_open

    @property
    def client(self) -> AsyncMilvusClient:
        """The open client; raises ClosedError before `open` and after `close`."""
        return self.renewable.client

    async def open(self) -> None:
        """Start Lite where there is no server, and make the client; asks nothing yet."""
        # The client logs every error with the request's data.
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
        if self.server is None:
            self._url = await self._workers.run(self._start_lite)
        await self.renewable.open()

    async def _make(self) -> AsyncMilvusClient:
        # The client connects with its first request, and loses the connection if it is cancelled meanwhile.
        client = AsyncMilvusClient(**self._options())
        connecting = asyncio.ensure_future(client.get_server_version())
        try:
            await asyncio.shield(connecting)
        except BaseException:
            closing = asyncio.ensure_future(_close_after(connecting, client))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            raise
        return client

    def _options(self) -> dict[str, Any]:
        return {
            "uri": self._url,
            "token": self._config.api_key or "",
            "db_name": self._database,
            "timeout": self._config.timeout_seconds,
            "dedicated": True,
            "grpc_options": dict(_GRPC),
        }

    def _start_lite(self) -> str:
        try:
            from milvus_lite.server_manager import server_manager_instance
        except ImportError as error:
            raise ProviderNotInstalledError(
                'a local Milvus needs Milvus Lite; run: pip install "vpa[milvus]"'
            ) from error
        path = Path(str(self._config.path))
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(f"{path}.vpa-lock", timeout=0)
        self._lock.acquire()
        url = server_manager_instance.start_and_get_uri(str(path))
        if url is None:
            raise OSError(f"Milvus Lite cannot open {str(path)!r}: it is damaged, or another process has it open")
        return str(url)

    async def create(self, name: str, *, index: Any, replicas: int, **options: Any) -> None:
        """Make a collection with its index, and load it: the asynchronous client cannot, on Lite.

        The client would wait half a second for an index over nothing; it is told not to.
        """

        def make() -> None:
            client = MilvusClient(**self._options())
            try:
                client.create_collection(name, **options)
                try:
                    client.create_index(name, index, sync=False)
                    client.load_collection(name, replica_number=replicas)
                except BaseException:
                    client.drop_collection(name)  # Of no use without an index.
                    raise
            finally:
                client.close()

        await self._workers.run(make)

    async def close(self) -> None:
        """Close the client; stop Lite. May be called twice."""
        await self.renewable.close()
        if self.server is None and self._lock is not None:
            await self._workers.finish(self._stop_lite)
        await self._workers.close()

    def _stop_lite(self) -> None:
        from milvus_lite.server_manager import server_manager_instance

        server_manager_instance.release_server(str(self._config.path))
        if self._lock is not None:
            self._lock.release()
            self._lock = None


async def _close_after(connecting: asyncio.Future[Any], client: AsyncMilvusClient) -> None:
    with contextlib.suppress(Exception):
        await connecting
    await client.close()
