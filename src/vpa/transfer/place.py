"""Whether two managers lead to one store, whatever their URLs look like."""

from __future__ import annotations

import os
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from vpa.base.providers import PROVIDERS, VectorDatabaseProvider
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.remote.endpoint import server_of

_LOOPBACK: Final = "localhost"
# Options that name a part of a server, and the part that a server takes where they are left out.
_PARTS: Final = {
    VectorDatabaseProvider.CHROMADB: {"tenant": "default_tenant", "database": "default_database"},
    VectorDatabaseProvider.MILVUS: {"database": "default"},
    VectorDatabaseProvider.PGVECTOR: {"schema": "public"},
    VectorDatabaseProvider.WEAVIATE: {"tenant": ""},
}


def is_same_place(left: VectorDatabaseManager, right: VectorDatabaseManager) -> bool:
    """Whether both work on one store: the same object, directory, or part of a server.

    Links, loopback addresses and default ports are seen through; other names of one host are not. Raises ClosedError
    where one is not connected.
    """
    if left is right or left._open_store() is right._open_store():
        return True
    return is_same_address(left.config, right.config)


def is_same_address(left: VectorDatabaseConfig, right: VectorDatabaseConfig) -> bool:
    """Whether settings name one directory, or one part of one server; never for two stores in memory."""
    if left.provider != right.provider:
        return False
    if left.path is not None and right.path is not None:
        return _is_same_directory(left.path, right.path)
    place = _address(left)
    return place is not None and place == _address(right)


def _is_same_directory(left: str, right: str) -> bool:
    try:
        return os.path.samefile(left, right)
    except OSError:
        return os.path.realpath(left) == os.path.realpath(right)


def _address(config: VectorDatabaseConfig) -> tuple[object, ...] | None:
    """What tells a part of a server from every other; None for a store in memory or in a directory."""
    if config.path is not None:
        return None
    if config.provider == VectorDatabaseProvider.PGVECTOR:
        return _database(config)
    server = server_of(config)
    if server is None:
        # A service that is known by its key alone.
        return (config.api_key,) if config.provider == VectorDatabaseProvider.PINECONE else None
    return _host(server.host), server.port, _parts(config, dict(config.options))


def _database(config: VectorDatabaseConfig) -> tuple[object, ...]:
    parts = urlsplit(config.url or f"postgresql://{config.host}:{config.port or _port()}")
    query = dict(parse_qsl(parts.query))
    several = "," in parts.netloc
    hosts = parts.netloc.rpartition("@")[2] if several else _host(parts.hostname or query.get("host", _LOOPBACK))
    port = None if several else parts.port or int(query.get("port", _port()))
    user = parts.username or query.get("user")
    # PostgreSQL's default database bears the name of the user.
    database = parts.path.strip("/") or query.get("dbname") or query.get("database") or user
    return hosts, port, database, _parts(config, {**query, **config.options})


def _port() -> int:
    return PROVIDERS[VectorDatabaseProvider.PGVECTOR].port or 0


def _parts(config: VectorDatabaseConfig, options: dict[str, str]) -> tuple[str, ...]:
    known = next((parts for provider, parts in _PARTS.items() if provider == config.provider), {})
    return tuple(options.get(name, default) for name, default in known.items())


def _host(host: str) -> str:
    name = host.lower().rstrip(".")
    return _LOOPBACK if name in (_LOOPBACK, "::1", "127.0.0.1") else name
