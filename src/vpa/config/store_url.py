"""Store URLs: `provider://host:port/path?option=value`, and PostgreSQL's DSNs."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from vpa.base.errors import ConfigurationError
from vpa.base.providers import VectorDatabaseProvider, provider_name
from vpa.base.showing import shown
from vpa.observe.redact import is_secret_name, redact_url

_NAME: Final = re.compile(r"\w[\w./-]{0,80}")
_SHOWN: Final = 200  # Characters of a URL in a message.


def provider_of_url(url: str) -> str | None:
    """The provider that a URL names by its scheme, or that of a directory; None for `http://…`, `https://…` and what is
    no URL.
    """
    if is_path(url):
        return VectorDatabaseProvider.MOCK
    scheme, separator, _ = url.partition("://")
    name = scheme.partition("+")[0].lower()
    return None if not separator or not name or name in ("http", "https") else provider_name(name)


def host_of_url(url: str) -> str | None:
    """The host that a URL or DSN leads to; None for a Unix socket. Raises ConfigurationError for a malformed URL."""
    try:
        parts = urlsplit(url)
        _ = None if "," in parts.netloc else parts.port
        host = _checked_host(parts)
    except ValueError as error:
        raise ConfigurationError(_unreadable(url, str(error))) from None
    if host is None and provider_of_url(url) == VectorDatabaseProvider.PGVECTOR:
        host = dict(parse_qsl(parts.query)).get("host")
    return None if host is None or host.startswith("/") else host


def absolute_path(path: str) -> str:
    """`~` expanded, and absolute: what a program changes its directory to later moves no store.

    Raises ConfigurationError for what is no path.
    """
    if not path or "\0" in path:
        raise ConfigurationError(f"{path!r} is no path; leave path out to keep the store in memory")
    if "://" in path or (provider_name(path.partition(":")[0]) == VectorDatabaseProvider.MOCK and ":" in path):
        raise ConfigurationError(
            f"path={redact_url(path)!r} is a URL, not a directory: pass it to vpa.connect(…), or give the directory "
            "alone, as in ./data"
        )
    expanded = os.path.expanduser(path)
    if expanded.startswith("~") and not os.path.exists(expanded):
        raise ConfigurationError(
            f"{path!r}: no home directory is known for {path.split('/')[0]!r}; write ./{path} for a directory here"
        )
    return os.path.abspath(expanded)


def parse_url(url: str | os.PathLike[str]) -> dict[str, Any]:
    """Fields of VectorDatabaseConfig from `provider://host:port/path?option=value`; raises ConfigurationError.

    `embedded://` is in memory; `embedded:///abs/path`, `embedded://./rel` and `embedded://~/in/home` are durable, and
    so are paths alone: `./rel`. `provider+https://…` asks for TLS.
    A `postgresql://` URL is a DSN as PostgreSQL's own tools take it.
    """
    if isinstance(url, os.PathLike) or is_path(url):
        return {"provider": VectorDatabaseProvider.MOCK, "path": absolute_path(os.fspath(url))}
    if not isinstance(url, str):
        raise ConfigurationError(f"a store URL is a text such as 'embedded:///data/dir', not {shown(url)}")
    if unprintable := next((one for one in url if one < " " or one == "\x7f"), None):
        # Python's urlsplit leaves some of them out: then two places would be one.
        raise ConfigurationError(
            f"{_shown(url)} holds the control character {unprintable!r}; in a path write it as %{ord(unprintable):02X}"
        )
    try:
        parts = urlsplit(url)
        # PostgreSQL's DSN may list several hosts, each with a port.
        port = None if "," in parts.netloc else parts.port
        _checked_host(parts)
    except ValueError as error:
        raise ConfigurationError(_unreadable(url, str(error))) from None
    if not parts.scheme or not url.startswith(f"{url[: len(parts.scheme)]}://"):
        directory = url if _NAME.fullmatch(url) else "data"
        raise ConfigurationError(
            f"{_shown(url)} is no store URL; write provider://host:port/path, for example qdrant://localhost:6333, or "
            f"a directory for the embedded engine, for example ./{directory}; embedded:// keeps it in memory"
        )
    scheme, _, transport = parts.scheme.partition("+")
    provider = provider_name(scheme)
    if provider == VectorDatabaseProvider.PGVECTOR:
        return {"provider": provider, "url": _dsn(url, parts)}
    if parts.password is not None:
        raise ConfigurationError("a store URL holds no password: pass api_key=… or set VPA_VECTOR_DB_API_KEY")
    if "#" in url:
        raise ConfigurationError(f"{_shown(url)}: write # as %23; a store URL has no fragment")
    if transport not in ("", "http", "https"):
        raise ConfigurationError(
            f"{_shown(url)} is no store URL; write provider://host:port/path or provider+https://…"
        )
    if provider == VectorDatabaseProvider.MOCK:
        if transport:
            raise ConfigurationError(f"{url!r}: the embedded engine is in this process and has no transport")
        return {"provider": provider, "path": _directory(url, parts), "options": _options(parts)}
    fields: dict[str, Any] = {"provider": provider, "options": _options(parts)}
    if parts.netloc in ("", ".", "..", "~"):
        return {**fields, "path": _directory(url, parts)}
    fields |= {"host": parts.hostname, "port": port}
    if parts.path.strip("/"):
        raise ConfigurationError(f"{_shown(url)}: a server's URL has no path; collections are named with index_name=…")
    return {**fields, "encrypt_in_transit": True} if transport == "https" else fields


def is_path(place: object) -> bool:
    """Whether a text is a directory: by how it begins, or since a store is there. An address that lacks its provider
    (`localhost/6333`, `host=/tmp dbname=x`) must not become one.
    """
    if not isinstance(place, str) or "://" in place:
        return False
    begins = place in (".", "..", "~") or place.startswith(("/", "./", "../", "~/"))
    return begins or os.path.isfile(os.path.join(place, "store.json"))


def _checked_host(parts: SplitResult) -> str | None:
    """The host; raises ValueError for one that holds control characters in their percent-encoding."""
    host = parts.hostname
    if host is not None and any(letter <= " " or letter == "\x7f" for letter in unquote(host)):
        raise ValueError("control characters in the host")
    return host


def _shown(url: str) -> str:
    """The URL in a message: no secrets, and not all of a very long one."""
    text = redact_url(url)
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


def _unreadable(url: str, reason: str) -> str:
    # urllib quotes what it could not read, which may be a part of a password.
    shown = (
        "the port is not a number from 0 to 65535"
        if reason.startswith(("Port ", "Exceeds "))
        else "the host is malformed"
    )
    hint = "; a password in it must be percent-encoded (/ is %2F, ? is %3F, # is %23)" if "@" in url else ""
    return f"{_shown(url)} is no store URL: {shown}{hint}"


def _dsn(url: str, parts: SplitResult) -> str:
    bare = [option for option in parts.query.split("&") if "=" not in option]
    if any("@" in text for text in (parts.path, parts.fragment, *bare)):
        raise ConfigurationError(_unreadable(url, ""))
    return url.replace(url[: len(parts.scheme)], "postgresql", 1)


def _options(parts: SplitResult) -> Mapping[str, str]:
    for option in parts.query.split("&") if parts.query else ():
        if "=" not in option:
            raise ConfigurationError(
                f"option {shown(unquote(option))} of the store URL has no value: write {option:.80}=…; a ? in a path "
                "is %3F"
            )
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    options = dict(pairs)
    if len(pairs) > len(options):
        raise ConfigurationError("the store URL names an option twice; keep one of them")
    for name in options:
        if is_secret_name(name):
            raise ConfigurationError(
                f"a store URL holds no secret ({name}=…): pass api_key=… or set VPA_VECTOR_DB_API_KEY"
            )
    return MappingProxyType(options)


def _directory(url: str, parts: SplitResult) -> str | None:
    host, path = parts.netloc, unquote(parts.path)
    if "\0" in path:
        raise ConfigurationError(f"{url!r}: a path holds no NUL character (%00)")
    if not host and path in ("", "/"):
        if path:
            raise ConfigurationError(
                f"{url!r} would use the root directory; write {parts.scheme}:// for memory or {parts.scheme}:///data/dir"
            )
        return None
    if host in ("", ".", "..", "~"):
        return f"{host}{path}" or None
    raise ConfigurationError(
        f"{url!r}: write {parts.scheme}://./{host}{path} for a relative or {parts.scheme}:///{host}{path} for an "
        "absolute path"
    )
