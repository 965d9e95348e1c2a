"""Puts a fault proxy between a store's client and its server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType
from urllib.parse import parse_qs, urlsplit

from vpa.stores.config import VectorDatabaseConfig
from wire import pinecone_server
from wire.proxy import FaultProxy, fault_proxy


@contextmanager
def behind(config: VectorDatabaseConfig, *, seed: int = 0) -> Iterator[tuple[VectorDatabaseConfig, FaultProxy]]:
    """The same settings by way of a proxy; of Weaviate, its gRPC; of Pinecone, the indexes of a server of its own."""
    if config.provider == "pgvector":
        parts = urlsplit(config.url or "")
        directory = parse_qs(parts.query)["host"][0]
        with fault_proxy(f"{directory}/.s.PGSQL.5432", seed=seed) as proxy:
            user = f"{parts.username}@" if parts.username else ""
            yield replace(config, url=f"postgresql://{user}127.0.0.1:{proxy.port}{parts.path}?sslmode=disable"), proxy
    elif config.provider == "weaviate":
        with fault_proxy(("127.0.0.1", int(config.options["grpc_port"])), seed=seed) as proxy:
            yield replace(config, options=MappingProxyType({"grpc_port": str(proxy.port)})), proxy
    elif config.provider == "pinecone":
        with fault_proxy(("127.0.0.1", 0), seed=seed) as proxy:
            behaviour = pinecone_server.Behaviour(missing="skip", host_port=proxy.stand_before)
            with pinecone_server.pinecone_server(behaviour=behaviour) as (url, _):
                yield replace(config, url=url, api_key="secret"), proxy
    else:
        parts = urlsplit(config.url or "")
        with fault_proxy((parts.hostname or "", parts.port or 0), seed=seed) as proxy:
            yield replace(config, url=f"{parts.scheme}://127.0.0.1:{proxy.port}"), proxy
