"""Keeps secrets out of logs and messages: by the name of a key, and inside URLs."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

HIDDEN: Final = "**********"
_LEAST_WITHIN_WORDS: Final = 4
_SECRET_NAME: Final = re.compile(
    r"(api[_-]?key|authorization|cookie|credential|encryption[_-]?key|passphrase|passw(or)?d|private[_-]?key|secret|token)$",
    re.IGNORECASE,
)
# A password may hold an unescaped slash, so it goes up to the last @ of the word.
_URL_PASSWORD: Final = re.compile(r"(?P<head>[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s\"'<>]+(?=@)", re.IGNORECASE)
_BEARER: Final = re.compile(r"(?i)\b(bearer|(?:[a-z_-]*(?:api[_-]?key|password|secret|token))[=:])\s*[^\s&\"',;<>]{6,}")
_QUERY_VALUE: Final = re.compile(r"(?P<before>[?&;])(?P<name>[^=&;#]*)=(?P<value>[^&;#]*)")


def is_secret_name(name: str) -> bool:
    """Whether a field, option or variable of this name holds a secret."""
    return _SECRET_NAME.search(name) is not None


def redact_text(text: str) -> str:
    """`text` without the passwords of URLs, bearer tokens, and `api_key=…` or the like."""
    return _BEARER.sub(lambda match: f"{match[1]} {HIDDEN}", _URL_PASSWORD.sub(rf"\g<head>{HIDDEN}", text))


def redact_secret(text: str, secret: str) -> str:
    """`text` without a known secret: a short one only as a whole word, since it is a part of many words."""
    if len(secret) >= _LEAST_WITHIN_WORDS:
        return text.replace(secret, HIDDEN)
    return re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", HIDDEN, text) if secret else text


def redact_url(url: str) -> str:
    """A URL for people: user and password, and the values of query options that are named like a secret, are hidden."""
    scheme, separator, rest = url.rpartition("://") if url.count("://") == 1 else ("", "", url)
    userinfo, at, place = rest.rpartition("@")
    # An @ of the query belongs to an option, unless a password with a question mark stands before it.
    if at and ("?" not in userinfo or ":" in userinfo.partition("?")[0].partition("/")[0]):
        url = f"{scheme}{separator}{HIDDEN}@{place}"
    return _QUERY_VALUE.sub(_redact_option, url)


def _redact_option(match: re.Match[str]) -> str:
    value = HIDDEN if is_secret_name(match["name"]) else match["value"]
    return f"{match['before']}{match['name']}={value}"


def redact(value: Any, name: str = "") -> Any:
    """A copy of `value` in which whatever is named like a secret is hidden."""
    if name and is_secret_name(name) and value is not None and value != "":
        return HIDDEN
    if isinstance(value, Mapping):
        return {key: redact(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [redact(inner) for inner in value]
    return redact_text(value) if isinstance(value, str) else value


def redact_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The structlog processor that applies `redact` to every field of a log line."""
    return {key: redact(value, key) for key, value in event.items()}
