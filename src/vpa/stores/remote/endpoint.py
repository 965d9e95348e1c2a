"""Where a server listens: read once from host and port, or from a URL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from vpa.base.errors import ConfigurationError
from vpa.base.providers import ProviderFacts, facts_of
from vpa.stores.config import VectorDatabaseConfig

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server. `tls` says whether the way there is encrypted."""

    host: str
    port: int
    tls: bool

    @property
    def url(self) -> str:
        """`http://host:port`, or `https://host:port` with TLS."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine."""
        return self.host in _LOOPBACK or self.host.startswith("127.")


def server_of(config: VectorDatabaseConfig, *, port: int | None = None, tls_port: int | None = None) -> Endpoint | None:
    """The server that the settings name, or None where they name none. Raises ConfigurationError.

    The default ports are those of the table of providers; a provider that is not in it gives its own.
    """
    facts = facts_of(config.provider) or ProviderFacts(folder="", port=port, tls_port=tls_port)
    port, tls_port = facts.port or 443, facts.tls_port or facts.port or 443
    if config.url is None:
        if config.host is None:
            return None
        return Endpoint(config.host, config.port or port, config.encrypt_in_transit)
    parts = urlsplit(config.url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ConfigurationError(
            f"the URL of a {config.provider} server is http://host:port or https://host:port (VPA_VECTOR_DB_URL)"
        )
    if parts.username or parts.password:
        raise ConfigurationError("a store URL holds no password: pass api_key=… or set VPA_VECTOR_DB_API_KEY")
    tls = parts.scheme == "https"
    if config.encrypt_in_transit and not tls:
        raise ConfigurationError("encrypt_in_transit is on, but the URL is http://; write https://")
    return Endpoint(parts.hostname, parts.port or (tls_port if tls else port), tls)


def check_options(config: VectorDatabaseConfig, *known: str) -> Mapping[str, str]:
    """The provider's own options; raises ConfigurationError for one it does not have."""
    strange = sorted(set(config.options) - set(known))
    if strange:
        allowed = ", ".join(known) or "none"
        raise ConfigurationError(f"{config.provider} has no option {strange[0]!r}; there are: {allowed}")
    return config.options
