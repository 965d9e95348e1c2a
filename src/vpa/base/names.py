"""Names of collections: those that can be made, and those that others may have made."""

from __future__ import annotations

import re
from typing import Final

from vpa.base.errors import ConfigurationError
from vpa.base.metadata import ValueRuleError, check_text
from vpa.base.showing import shown

_LONGEST: Final = 255  # Qdrant's, Milvus' and Weaviate's limit of a name.
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{1,44}")


def is_collection_name(name: str) -> bool:
    """Whether a collection can be made under it."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def check_collection_name(name: str) -> str:
    """Return the name of a new collection, or raise ConfigurationError with the rule that it breaks."""
    if not is_collection_name(name):
        raise ConfigurationError(
            f"collection name {shown(name)} is not allowed for a new collection: 2 to 45 characters, a-z 0-9 _ -, "
            f"starting with a letter{_instead(name)}"
        )
    return name


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


def _instead(name: object) -> str:
    plain = re.sub(r"[^a-z0-9_-]+", "-", str(name).lower()).strip("-_")[:45]
    return f"; for example {plain!r}" if is_collection_name(plain) else ""
