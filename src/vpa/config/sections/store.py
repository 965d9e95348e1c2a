"""Which store to use and how to reach it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Final

from vpa.base.errors import ConfigurationError
from vpa.base.names import check_collection_name
from vpa.base.providers import VectorDatabaseProvider, provider_name
from vpa.base.records import Metric, MetricName
from vpa.config.sections.setting import check_settings, setting
from vpa.config.store_url import absolute_path, host_of_url, parse_url, provider_of_url
from vpa.observe.redact import redact, redact_url

DEFAULT_INDEX: Final = "vpa-index"
_LOOPBACK: Final = ("localhost", "::1")


def _lower(name: Any) -> Any:
    return name.lower() if isinstance(name, str) else name


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class VectorDatabaseConfig:
    """One store, one default collection. Times are in seconds; the repr shows no key and no password.

    `provider` unset: the one that `url` names, else the embedded engine. `url` is a store URL (`qdrant://host:6333`),
    which is taken apart into host, port, path and options; or PostgreSQL's DSN; or `http(s)://host:port` beside a
    provider. `dimension` None: `connect` makes no collection, and the manager's own verbs need one that exists.
    `options` are the provider's own, listed in docs/providers.md. `enable_metrics` False counts no calls.
    `path` is made absolute, `~` expanded. `read_only` follows the embedded store of another process.
    Raises ConfigurationError for values that cannot be right, or that contradict the URL.
    """

    provider: str = setting("vector_db_provider", default="", read=_lower)
    index_name: str = setting("vector_db_index_name", default=DEFAULT_INDEX, read=check_collection_name)
    dimension: int | None = setting("vector_db_dimension", default=None, minimum=1, maximum=65_535)
    metric: Metric | MetricName = setting("vector_db_metric", default=Metric.COSINE, choices=tuple(Metric))
    host: str | None = setting("vector_db_host", default=None)
    port: int | None = setting("vector_db_port", default=None, minimum=1, maximum=65_535)
    url: str | None = setting("vector_db_url", default=None)
    path: str | None = setting("vector_db_path", default=None)
    api_key: str | None = setting("vector_db_api_key", default=None, secret=True)
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    timeout_seconds: float = setting("vector_db_timeout_seconds", default=30.0, minimum=0.001)
    max_retries: int = setting("vector_db_max_retries", default=3, minimum=0)
    connection_pool_size: int = setting("connection_pool_size", default=20, minimum=1)
    max_concurrent_requests: int = setting("max_concurrent_requests", default=100, minimum=1)
    encrypt_at_rest: bool = setting("encrypt_at_rest", default=False)
    encrypt_in_transit: bool = setting("encrypt_in_transit", default=False)
    enable_metrics: bool = setting("enable_metrics", default=True)
    read_only: bool = False

    def __post_init__(self) -> None:
        self._set("api_key", _revealed(self.api_key))
        if self.provider:
            self._set("provider", provider_name(self.provider))
        if self.path is not None:
            self._set("path", absolute_path(str(self.path)))
        if self.host is not None and set(self.host) & set("/@?"):
            raise ConfigurationError(
                "host (VPA_VECTOR_DB_HOST) is a name or an address; a URL belongs in url (VPA_VECTOR_DB_URL)"
            )
        if self.url is not None:
            self._follow_url(self.url)
        self._set("provider", self.provider or VectorDatabaseProvider.MOCK)
        if self.provider == VectorDatabaseProvider.MOCK and (self.host is not None or self.port is not None):
            raise ConfigurationError(
                f"the host {self.host!r} or port {self.port!r} (VPA_VECTOR_DB_HOST, VPA_VECTOR_DB_PORT) is that of a "
                "server, and provider embedded, which is also the one when none is named, has none: name the provider "
                "(VPA_VECTOR_DB_PROVIDER), or leave host and port out"
            )
        self._set("metric", Metric.parse(self.metric))
        check_collection_name(self.index_name)
        check_settings(self)
        if self.read_only and (self.provider != VectorDatabaseProvider.MOCK or self.path is None):
            raise ConfigurationError(
                "read_only opens a directory of the embedded store beside the process that writes to it; "
                + (
                    "a store in memory has nothing to read: name its directory"
                    if self.provider == VectorDatabaseProvider.MOCK
                    else "for a server, connect as a user that may only read"
                )
            )

    @property
    def is_on_this_host(self) -> bool:
        """Whether no network is on the way: a directory, memory, a Unix socket, or a server on a loopback address."""
        if self.provider == VectorDatabaseProvider.PINECONE and self.url is None and self.host is None:
            return False
        host = self.host if self.url is None else host_of_url(self.url)
        return host is None or host in _LOOPBACK or host.startswith("127.")

    def __repr__(self) -> str:
        shown = {declared.name: getattr(self, declared.name) for declared in fields(self) if declared.repr}
        shown |= {"options": redact(self.options), "url": self.url and redact_url(self.url)}
        return f"VectorDatabaseConfig({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _follow_url(self, url: str) -> None:
        named = provider_of_url(url)
        if named is None or (self.provider not in ("", named) and named not in tuple(VectorDatabaseProvider)):
            self._check_server_url(url)
            return
        if self.provider not in ("", named):
            raise ConfigurationError(
                f"provider (VPA_VECTOR_DB_PROVIDER) is {str(self.provider)!r}, but url (VPA_VECTOR_DB_URL) is "
                f"{redact_url(url)!r}, a URL of {str(named)!r}; leave one of them out, or make them agree"
            )
        read = parse_url(url)
        if read.get("path") is not None:
            read["path"] = absolute_path(read["path"])
        self._set("url", read.pop("url", None))
        for name, value in read.items():
            mine = getattr(self, name)
            if value is None or (name == "options" and not value):
                continue
            if mine and mine != value:
                raise ConfigurationError(
                    f"{name} is given twice and differs: {redact_url(url)!r} (VPA_VECTOR_DB_URL) says {value!r}, "
                    f"VPA_VECTOR_DB_{name.upper()} or the argument {name} says {mine!r}; leave one of them out"
                )
            self._set(name, value)

    def _check_server_url(self, url: str) -> None:
        if self.provider in ("", VectorDatabaseProvider.MOCK):
            raise ConfigurationError(
                f"url (VPA_VECTOR_DB_URL) is {redact_url(url)!r}, which names no store: write the store first, as in "
                "qdrant://host:6333 or qdrant+https://host, or name it in provider (VPA_VECTOR_DB_PROVIDER)"
            )
        host_of_url(url)
        if self.host is not None:
            raise ConfigurationError(
                f"url (VPA_VECTOR_DB_URL) and host (VPA_VECTOR_DB_HOST, {self.host!r}) both say where the store is; "
                "leave one of them out"
            )


def _revealed(key: Any) -> str | None:
    """The text of a key that may be wrapped, as pydantic's SecretStr, so that it is not printed."""
    reveal = getattr(key, "get_secret_value", None)
    text = key if reveal is None else reveal()
    if text is not None and not isinstance(text, str):
        raise ConfigurationError(f"api_key (VPA_VECTOR_DB_API_KEY) is a text or a SecretStr, not {type(key).__name__}")
    return text
