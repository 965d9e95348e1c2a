"""Fields that stand under their own names beside a record of ours, for the store's other tools."""

from __future__ import annotations

from collections.abc import Sequence

from vpa.base.errors import ConfigurationError
from vpa.base.records import CollectionInfo


def check_native_fields(
    info: CollectionInfo, provider: str, *, names: Sequence[str] = (), prefixes: Sequence[str] = ()
) -> None:
    """Raise ConfigurationError for a native field whose name the store, or a record of ours, needs itself."""
    beginnings = ("_vpa", "$", *prefixes)
    taken = [field for field in info.native_fields if field in names or field.startswith(beginnings)]
    if not taken:
        return
    reserved = [*(f"{name!r}" for name in names), *(f"those that begin with {prefix!r}" for prefix in beginnings)]
    raise ConfigurationError(
        f"native_fields may not name {', '.join(map(repr, taken))}: a record has fields of these names on {provider}; "
        f"reserved are {', '.join(reserved)}. Leave them out, filters find every field without it",
        collection=info.name,
    )
