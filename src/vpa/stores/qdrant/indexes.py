"""Payload indexes, made when a filter first asks for a field that some record has: a record may have any fields, and an
index costs each write something. Where there is none, or none yet, Qdrant looks through the payloads instead.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import Context
from dataclasses import dataclass
from typing import Final

from vpa.base.errors import PermissionDeniedError, ProviderError, VectorDatabaseError
from vpa.observe.log import get_logger

# Of one collection: each costs memory, and time of every write.
_MOST: Final = 64
# Until a field that no record had is looked for again.
_ABSENT_S: Final = 10.0
# Until an index is asked for again that was not made in time; Qdrant may be at work on it.
_AGAIN_S: Final = 30.0
_log: Final = get_logger("vpa.stores.qdrant")


@dataclass(frozen=True, slots=True)
class _Build:
    """An index that is made, and until when filters wait for it."""

    task: asyncio.Task[None]
    until: float


class PayloadIndexes:
    """What is known of the indexes of each collection.

    `make(collection, key, kind)` makes one, and waits for it; `is_used(collection, key)` says whether some record has
    the field. Filters wait for an index until `patience_s` seconds after it was begun, and go without one that takes
    longer.
    """

    def __init__(
        self,
        make: Callable[[str, str, str], Awaitable[object]],
        is_used: Callable[[str, str], Awaitable[bool]],
        *,
        patience_s: float,
    ) -> None:
        self._make = make
        self._is_used = is_used
        self._patience_s = patience_s
        self._known: dict[str, set[str]] = {}
        self._refused: set[str] = set()
        self._not_before: dict[tuple[str, str], float] = {}
        self._building: dict[tuple[str, str], _Build] = {}

    def forget(self) -> None:
        """The connection was closed."""
        for build in self._building.values():
            build.task.cancel()
        self._known.clear()
        self._refused.clear()
        self._not_before.clear()

    def drop(self, collection: str) -> None:
        """It is gone, with its indexes."""
        self._known.pop(collection, None)
        self._refused.discard(collection)
        for place in [place for place in self._not_before if place[0] == collection]:
            del self._not_before[place]

    def note(self, collection: str, keys: Iterable[str]) -> None:
        """The store says that these are indexed."""
        self._known[collection] = set(keys)

    async def ensure(self, collection: str, kinds: Mapping[str, str], *, required: bool = False) -> None:
        """Make those of the keys that are missing. One that cannot be made is left, and said once in the log.

        `required`: without its indexes the filter is refused, so they are made for fields that no record has too, and
        waited for.
        """
        # A second time for those that were under way, and found that no record has the field.
        for _ in range(2 if required else 1):
            missing = kinds.keys() - self._known.get(collection, set())
            if not missing or collection in self._refused:
                return
            begun = [self._begin(collection, key, kinds[key], required=required) for key in sorted(missing)]
            for one in begun:
                left = 0.0 if one is None else one.until - time.monotonic()
                if one is not None and (required or left > 0):
                    await asyncio.wait([one.task], timeout=None if required else left)

    def _begin(self, collection: str, key: str, kind: str, *, required: bool) -> _Build | None:
        place = collection, key
        if place not in self._building:
            if not required and time.monotonic() < self._not_before.get(place, 0.0):
                return None
            # In a context of its own: it may outlive the call, and is no part of a write that asked for it.
            work = self._build(collection, key, kind, required=required)
            task = asyncio.create_task(work, context=Context())
            self._building[place] = _Build(task, time.monotonic() + self._patience_s)
            task.add_done_callback(lambda _: self._building.pop(place, None))
        return self._building[place]

    async def _build(self, collection: str, key: str, kind: str, *, required: bool) -> None:
        known, place = self._known.setdefault(collection, set()), (collection, key)
        under_way = sum(name == collection for name, _ in self._building)
        if len(known) + under_way > _MOST:
            return
        try:
            if required or await self._is_used(collection, key):
                await self._make(collection, key, kind)
                known.add(key)
            else:
                self._not_before[place] = time.monotonic() + _ABSENT_S
        except (PermissionDeniedError, ProviderError) as error:
            self._refused.add(collection)
            _log.warning("no_payload_index", provider="qdrant", collection=collection, error=error.message)
        except VectorDatabaseError as error:
            # The filter itself will tell if the store is away.
            self._not_before[place] = time.monotonic() + _AGAIN_S
            _log.info("payload_index_later", provider="qdrant", collection=collection, key=key, error=error.message)
