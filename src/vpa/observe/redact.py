"""Keeps secrets out of logs: by the name of a key, and inside URLs."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

HIDDEN: Final = "**********"
_SECRET_NAME: Final = re.compile(
    r"(api[_-]?key|authorization|cookie|credential|encryption[_-]?key|passphrase|passw(or)?d|private[_-]?key|secret|token)$",
    re.IGNORECASE,
)
_URL_PASSWORD: Final = re.compile(r"(?P<head>[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s/@]+(?=@)", re.IGNORECASE)
_BEARER: Final = re.compile(r"(?i)\b(bearer|api[_-]?key[=:])\s*[A-Za-z0-9._~+/=-]{6,}")


def redact_text(text: str) -> str:
    """`text` without passwords in URLs and without bearer tokens."""
    return _BEARER.sub(lambda found: f"{found[1]} {HIDDEN}", _URL_PASSWORD.sub(rf"\g<head>{HIDDEN}", text))


def redact(value: Any, name: str = "") -> Any:
    """A copy of `value` in which whatever is named like a secret is hidden."""
    if name and _SECRET_NAME.search(name) and value is not None and value != "":
        return HIDDEN
    if isinstance(value, Mapping):
        return {key: redact(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [redact(inner) for inner in value]
    return redact_text(value) if isinstance(value, str) else value


def redact_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor."""
    return {key: redact(value, key) for key, value in event.items()}
