"""Names of settings that this version does not have yet. Switched off they are accepted; switched on they are
refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from vpa.config.sections.setting import PREFIX

_NO_SERVICE: Final = (
    "this version runs no service that could ask callers for a key: protect the store with its own key "
    "(VPA_VECTOR_DB_API_KEY), and unset this"
)
RESERVED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "enable_auth": _NO_SERVICE,
        "require_api_key": _NO_SERVICE,
        "enable_tracing": "this version records no traces: logs carry the request's context; unset this",
        "encryption_key": (
            "nothing in this version encrypts with it: put the data on an encrypted volume, set "
            "VPA_ENCRYPT_AT_REST=false to say so, and unset this"
        ),
        "testing": "nothing depends on it: unset this",
    }
)
_OFF: Final = ("", "0", "f", "false", "n", "no", "none", "null", "off")


def refusal(key: str, value: Any, *, place: str) -> str | None:
    """Why a reserved setting that is switched on in `place` cannot be used, and what to do; None if it is off."""
    if value is None or str(value).strip().lower() in _OFF:
        return None
    return f"{place} is set, but {RESERVED[key]}"


def reserved_variables() -> list[str]:
    """The names as variables."""
    return [PREFIX + key.upper() for key in RESERVED]
