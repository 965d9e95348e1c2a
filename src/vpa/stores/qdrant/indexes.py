"""Payload indexes, made when a filter first asks for a key: a record may have any fields, and an index costs each write
something. Where none can be made, Qdrant looks through the payloads instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from vpa.base.errors import PermissionDeniedError, ProviderError
from vpa.kit.tasks import together
from vpa.observe.log import get_logger

# Of one collection: each costs memory, and time of every write.
_MOST: Final = 64
_log: Final = get_logger("vpa.stores.qdrant")


class PayloadIndexes:
    """What is known of the indexes of each collection. `make(collection, key, kind)` makes one, and waits for it."""

    def __init__(self, make: Callable[[str, str, str], Awaitable[object]]) -> None:
        self._make = make
        self._known: dict[str, set[str]] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._refused: set[str] = set()

    def forget(self) -> None:
        """The connection was closed."""
        self._known.clear()
        self._refused.clear()

    def drop(self, collection: str) -> None:
        """It is gone, with its indexes."""
        self._known.pop(collection, None)
        self._refused.discard(collection)

    def note(self, collection: str, keys: Iterable[str]) -> None:
        """The store says that these are indexed."""
        self._known[collection] = set(keys)

    async def ensure(self, collection: str, kinds: Mapping[str, str]) -> None:
        """Make those of the keys that are missing. One that cannot be made is left, and said once in the log."""
        if collection in self._refused or not kinds.keys() - self._known.get(collection, set()):
            return
        async with self._locks.setdefault(collection, asyncio.Lock()):
            known = self._known.setdefault(collection, set())
            missing = sorted(kinds.keys() - known)[: max(0, _MOST - len(known))]
            try:
                await together(self._make(collection, key, kinds[key]) for key in missing)
            except (PermissionDeniedError, ProviderError) as error:
                self._refused.add(collection)
                _log.warning("no_payload_index", provider="qdrant", collection=collection, error=error.message)
                return
            known |= set(missing)
