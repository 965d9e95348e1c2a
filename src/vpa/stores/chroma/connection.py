"""One way to call Chroma's API, over HTTP with a client of our own, or in process in a thread.

chromadb's AsyncHttpClient shares headers, and with them API keys, between clients of one event loop, has no timeout and
does not verify TLS: so its server API is given an httpx client that is ours.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from chromadb.api import ServerAPI
from chromadb.api.async_api import AsyncServerAPI
from chromadb.config import Settings, System

from vpa.base.errors import ClosedError
from vpa.kit.cpus import thread_count
from vpa.kit.threads import Workers
from vpa.stores.chroma.errors import raise_for_status
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.remote.bodies import BoundedTransport
from vpa.stores.remote.endpoint import Endpoint


class Connection:
    """One client for a server or a directory: `await connection.call("_count", collection_id=…)`."""

    def __init__(self, config: VectorDatabaseConfig, server: Endpoint | None) -> None:
        self._config = config
        self.server = server
        self._system: System | None = None
        self._api: Any = None
        self._http: httpx.AsyncClient | None = None
        self._workers = Workers(size=thread_count(config.connection_pool_size), name="vpa-chroma")

    @property
    def is_open(self) -> bool:
        """Whether `open` was called and `close` was not."""
        return self._api is not None

    async def open(self) -> None:
        """Start the engine, or make the HTTP client; asks nothing yet."""
        if self.server is None:
            await self._workers.run(self._start_in_process)
            return
        self._system = System(
            Settings(
                chroma_api_impl="chromadb.api.async_fastapi.AsyncFastAPI",
                chroma_server_host=self.server.host,
                chroma_server_http_port=self.server.port,
                chroma_server_ssl_enabled=self.server.tls,
                anonymized_telemetry=False,
            )
        )
        api: Any = self._system.instance(AsyncServerAPI)
        self._http = _http_client(self._config)
        # On the instance: the class has one such mapping for all clients.
        api._clients = {hash(asyncio.get_running_loop()): self._http}
        self._api = api

    def _start_in_process(self) -> None:
        path = self._config.path
        settings = Settings(anonymized_telemetry=False, is_persistent=path is not None)
        if path is not None:
            settings.persist_directory = path
        self._system = System(settings)
        api = self._system.instance(ServerAPI)
        self._system.start()
        self._api = api

    async def close(self) -> None:
        """Close the connections, or stop the engine. May be called twice."""
        system, self._system, self._api = self._system, None, None
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()
        elif system is not None:
            await self._workers.finish(system.stop)
        await self._workers.close()

    async def call(self, method_name: str, /, **arguments: Any) -> Any:
        """Call a method of the server API, in the database of the settings."""
        if self._api is None:
            raise ClosedError("the Chroma store is not open")
        method = getattr(self._api, method_name)
        if self.server is None:
            return await self._workers.run(method, **arguments)
        return await method(**arguments)


def _http_client(config: VectorDatabaseConfig) -> httpx.AsyncClient:
    headers = {"Content-Type": "application/json", "User-Agent": "vpa"}
    if config.api_key:
        headers |= {"X-Chroma-Token": config.api_key, "Authorization": f"Bearer {config.api_key}"}
    limits = httpx.Limits(
        max_connections=config.connection_pool_size, max_keepalive_connections=config.connection_pool_size
    )
    return httpx.AsyncClient(
        headers=headers,
        timeout=config.timeout_seconds,
        transport=BoundedTransport(limits=limits, trust_env=False),
        event_hooks={"response": [raise_for_status]},
        trust_env=False,
    )
