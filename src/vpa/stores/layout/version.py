"""Refuses a collection whose records lie in the store in a way that this version does not read."""

from __future__ import annotations

from vpa.base.errors import ConfigurationError
from vpa.base.records import FOREIGN, LAYOUT_VERSION, CollectionInfo


def check_layout(info: CollectionInfo) -> CollectionInfo:
    """Return `info`, or raise ConfigurationError with the way to bring its records over; newer ones are refused when
    their description is read.
    """
    if info.layout_version in (FOREIGN, LAYOUT_VERSION):
        return info
    raise ConfigurationError(
        f"collection {info.name!r} holds records in layout {info.layout_version}, this vpa reads and writes layout "
        f"{LAYOUT_VERSION} only; nothing was touched. To bring them over: `vpa export` with the version that wrote "
        "them, drop the collection, `vpa import` with this one",
        collection=info.name,
    )
