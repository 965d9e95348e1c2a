"""Which store to use and how to reach it: `VectorDatabaseConfig`, and the URL form of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from vpa.base.errors import ConfigurationError
from vpa.base.records import Metric, check_collection_name

DEFAULT_INDEX: Final = "vpa-index"


class VectorDatabaseProvider(StrEnum):
    """The stores that vpa knows by name. MOCK is the embedded NumPy engine; "embedded" and "numpy" name it too."""

    MOCK = "mock"
    CHROMADB = "chromadb"
    PINECONE = "pinecone"
    WEAVIATE = "weaviate"
    QDRANT = "qdrant"
    MILVUS = "milvus"
    PGVECTOR = "pgvector"

    @classmethod
    def _missing_(cls, value: object) -> VectorDatabaseProvider | None:
        return ALIASES.get(str(value).lower())


ALIASES: Final[Mapping[str, VectorDatabaseProvider]] = {
    "embedded": VectorDatabaseProvider.MOCK,
    "numpy": VectorDatabaseProvider.MOCK,
    "chroma": VectorDatabaseProvider.CHROMADB,
    "postgres": VectorDatabaseProvider.PGVECTOR,
    "postgresql": VectorDatabaseProvider.PGVECTOR,
}


def provider_name(name: str) -> str:
    """A VectorDatabaseProvider, also for its aliases; names of other people's providers stay as they are."""
    lowered = str(name).lower()
    try:
        return VectorDatabaseProvider(lowered)
    except ValueError:
        return lowered


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorDatabaseConfig:
    """One store, one default collection. `api_key` (or password) and `url` are hidden in repr; times are in seconds.

    `dimension` None: `connect` makes no collection, and the manager's own verbs need one that exists. `url` stands for
    host, port and TLS where a store has a URL or DSN. `read_only`: follow the embedded store of another process. `options` are the provider's own, listed in docs/providers.md.
    Raises ConfigurationError for values that cannot be right.
    """

    provider: str = VectorDatabaseProvider.MOCK
    index_name: str = DEFAULT_INDEX
    dimension: int | None = None
    metric: str = Metric.COSINE
    host: str | None = None
    port: int | None = None
    url: str | None = field(default=None, repr=False)
    path: str | None = None
    api_key: str | None = field(default=None, repr=False)
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    timeout_seconds: float = 30.0
    max_retries: int = 3
    connection_pool_size: int = 20
    max_concurrent_requests: int = 100
    encrypt_at_rest: bool = False
    encrypt_in_transit: bool = False
    read_only: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "provider", provider_name(self.provider))
        object.__setattr__(self, "metric", Metric.parse(self.metric))
        check_collection_name(self.index_name)
        if self.path is not None:
            object.__setattr__(self, "path", absolute_path(str(self.path)))
        if self.read_only and (self.provider != VectorDatabaseProvider.MOCK or self.path is None):
            raise ConfigurationError(
                "read_only opens a directory of the embedded store beside the process that writes to it; for a server, "
                "connect as a user that may only read"
            )
        if self.dimension is not None and not 1 <= self.dimension <= 65_535:
            raise ConfigurationError(f"dimension must be from 1 to 65535, not {self.dimension}")
        for name, least in (("timeout_seconds", 0.001), ("max_retries", 0), ("connection_pool_size", 1)):
            if getattr(self, name) < least:
                raise ConfigurationError(f"{name} must be at least {least}, not {getattr(self, name)}")


def absolute_path(path: str) -> str:
    """`~` expanded, and absolute: what a program changes its directory to later moves no store.

    Raises ConfigurationError for what is no path.
    """
    if not path or "\0" in path:
        raise ConfigurationError(f"{path!r} is no path; leave path out to keep the store in memory")
    if "://" in path or path.startswith(f"{VectorDatabaseProvider.MOCK}:"):
        raise ConfigurationError(
            f"path={path!r} is a URL, not a directory: pass it to vpa.connect(…), or give the directory alone, for example "
            f"{unquote(urlsplit(path).netloc + urlsplit(path).path) or './data'!r}"
        )
    expanded = os.path.expanduser(path)
    if expanded.startswith("~") and not os.path.exists(expanded):
        raise ConfigurationError(
            f"{path!r}: no home directory is known for {path.split('/')[0]!r}; write ./{path} for a directory of that name"
        )
    return os.path.abspath(expanded)


def parse_url(url: str) -> dict[str, Any]:
    """Fields of VectorDatabaseConfig from `provider://host:port/path?option=value`; raises ConfigurationError.

    `mock://` is in memory; `mock:///abs/path`, `mock://./rel` and `mock://~/in/home` are durable. `provider+https://…` asks for TLS.
    A `postgresql://` URL is a DSN as PostgreSQL's own tools take it.
    """
    parts = urlsplit(url)
    if not parts.scheme or not url.startswith(f"{url[: len(parts.scheme)]}://"):
        raise ConfigurationError(
            f"{url!r} is no store URL; write provider://host:port/path, for example mock:///data/dir"
        )
    scheme, _, transport = parts.scheme.partition("+")
    provider = provider_name(scheme)
    if provider == VectorDatabaseProvider.PGVECTOR:
        return {"provider": provider, "url": url.replace(parts.scheme, "postgresql", 1)}
    if parts.password is not None:
        raise ConfigurationError("a store URL holds no password: pass api_key=… or set VPA_VECTOR_DB_API_KEY")
    if parts.fragment or transport not in ("", "http", "https"):
        raise ConfigurationError(f"{url!r} is no store URL; write provider://host:port/path or provider+https://…")
    if provider == VectorDatabaseProvider.MOCK:
        if transport:
            raise ConfigurationError(f"{url!r}: the embedded engine is in this process and has no transport")
        return {"provider": provider, "path": _directory(url, parts), "options": _options(parts)}
    fields: dict[str, Any] = {"provider": provider, "options": _options(parts)}
    if parts.netloc in ("", ".", "..", "~"):
        return {**fields, "path": _directory(url, parts)}
    try:
        fields |= {"host": parts.hostname, "port": parts.port}
    except ValueError as error:
        raise ConfigurationError(f"{url!r}: {error}") from None
    if parts.path.strip("/"):
        raise ConfigurationError(f"{url!r}: a server's URL has no path; collections are named with index_name=…")
    return {**fields, "encrypt_in_transit": True} if transport == "https" else fields


def _options(parts: SplitResult) -> Mapping[str, str]:
    return MappingProxyType(dict(parse_qsl(parts.query)))


def _directory(url: str, parts: SplitResult) -> str | None:
    host, path = parts.netloc, unquote(parts.path)
    if not host and path in ("", "/"):
        if path:
            raise ConfigurationError(
                f"{url!r} would use the root directory; write {parts.scheme}:// for memory or {parts.scheme}:///data/dir"
            )
        return None
    if host in ("", ".", "..", "~"):
        return f"{host}{path}" or None
    raise ConfigurationError(
        f"{url!r}: write {parts.scheme}://./{host}{path} for a relative or {parts.scheme}:///{host}{path} for an absolute path"
    )
