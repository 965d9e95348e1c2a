"""Puts a fault proxy between a store's client and its server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qs, urlsplit

from deployments import PROVIDERS
from vpa.stores.config import VectorDatabaseConfig
from wire import pinecone_server
from wire.proxy import FaultProxy, fault_proxy

# One form of each provider that is reached over a network, and both protocols of Qdrant.
REMOTE: Final = {
    **{provider: form for provider, form in PROVIDERS.items() if provider != "mock"},
    "qdrant, REST": "qdrant engine over REST",
}
DEFAULT_PORTS = {"chromadb": 8000, "milvus": 19530, "qdrant": 6333}


@contextmanager
def behind(config: VectorDatabaseConfig, *, seed: int = 0) -> Iterator[tuple[VectorDatabaseConfig, FaultProxy]]:
    """The same settings by way of a proxy; of Weaviate, and of Qdrant where it is on, gRPC; of Pinecone, the indexes of
    a server of its own.
    """
    if config.provider == "pgvector":
        parts = urlsplit(config.url or "")
        directory = parse_qs(parts.query).get("host")
        target = f"{directory[0]}/.s.PGSQL.5432" if directory else (parts.hostname or "", parts.port or 5432)
        with fault_proxy(target, seed=seed) as proxy:
            user = parts.netloc.rpartition("@")[0]
            place = f"{user}@127.0.0.1:{proxy.port}" if user else f"127.0.0.1:{proxy.port}"
            yield replace(config, url=f"postgresql://{place}{parts.path}?sslmode=disable"), proxy
    elif config.provider == "weaviate":
        target = (config.options.get("grpc_host") or config.host or "", int(config.options.get("grpc_port", "50051")))
        with fault_proxy(target, seed=seed) as proxy:
            options = {**config.options, "grpc_host": "127.0.0.1", "grpc_port": str(proxy.port)}
            yield replace(config, options=MappingProxyType(options)), proxy
    elif config.options.get("grpc") == "on":
        target = (urlsplit(config.url or "").hostname or "", int(config.options["grpc_port"]))
        with fault_proxy(target, seed=seed) as proxy:
            options = {**config.options, "grpc_port": str(proxy.port)}
            yield replace(config, options=MappingProxyType(options)), proxy
    elif config.provider == "pinecone":
        with fault_proxy(("127.0.0.1", 0), seed=seed) as proxy:
            behaviour = pinecone_server.Behaviour(missing="skip", host_port=proxy.stand_before)
            with pinecone_server.pinecone_server(behaviour=behaviour) as (url, _):
                yield replace(config, url=url, api_key="secret"), proxy
    else:
        # By URL where the test started it, by host and port where the environment names a deployment.
        parts = urlsplit(config.url or f"http://{config.host}:{config.port or DEFAULT_PORTS[config.provider]}")
        with fault_proxy((parts.hostname or "", parts.port or 0), seed=seed) as proxy:
            yield replace(config, host=None, port=None, url=f"{parts.scheme}://127.0.0.1:{proxy.port}"), proxy
