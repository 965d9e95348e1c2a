"""Names of collections: those that can be made, and those that others may have made."""

from __future__ import annotations

import re
from typing import Final

from vpa.base.errors import ConfigurationError
from vpa.base.metadata import ValueRuleError, check_text
from vpa.base.showing import shown

_LONGEST: Final = 255  # Qdrant's, Milvus' and Weaviate's limit of a name.
_LONGEST_NEW: Final = 128  # Bytes of UTF-8: a directory's name holds them however they are written.


def is_collection_name(name: object) -> bool:
    """Whether a collection can be made under it."""
    return isinstance(name, str) and _flaw(name) is None


def check_collection_name(name: str) -> str:
    """Return the name of a new collection, or raise ConfigurationError with the rule that it breaks.

    1 to 128 bytes of UTF-8, of printable characters, no blank at its ends. A store that takes fewer names is given
    one that is made of it.
    """
    if not isinstance(name, str):
        raise ConfigurationError(f"the name of a collection is a text, not {shown(name)}")
    flaw = _flaw(name)
    if flaw is not None:
        raise ConfigurationError(
            f"collection name {shown(name)} {flaw}: a new collection's name has 1 to {_LONGEST_NEW} bytes of UTF-8, "
            f"printable characters, and no blank at its ends{_instead(name)}"
        )
    return name


def _flaw(name: str) -> str | None:
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "is not valid Unicode"
    if not 1 <= size <= _LONGEST_NEW:
        return f"has {size} bytes"
    unprintable = next((letter for letter in name if not letter.isprintable()), None)
    if unprintable is not None:
        return f"holds {unprintable!r}"
    return "begins or ends with a blank" if name != name.strip() else None


def check_stored_name(name: str) -> str:
    """Return the name of a collection that may exist, also one of others: any text of 1 to 255 characters.

    Raises ConfigurationError.
    """
    if isinstance(name, str) and 1 <= len(name) <= _LONGEST:
        try:
            return check_text(name)
        except ValueRuleError as error:
            raise ConfigurationError(f"collection name {shown(name)} {error}") from None
    raise ConfigurationError(
        f"collection name {shown(name)} is not allowed: a name is a text of 1 to {_LONGEST} characters"
    )


def _instead(name: str) -> str:
    plain = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")[:45]
    return f"; for example {plain!r}" if is_collection_name(plain) else ""
