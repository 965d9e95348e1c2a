"""Declares the properties that rows need before they are written, up to a number, so that auto-schema has nothing to
do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Set
from typing import Any, Final

from vpa.base.errors import CollectionNotFoundError
from vpa.base.records import CollectionInfo
from vpa.kit.tasks import together
from vpa.stores.layout.rows import Rows
from vpa.stores.weaviate import convert
from vpa.stores.weaviate.ordering import to_declare

_SCHEMA_CHANGES: Final = 16  # At once.


class Declarations:
    """`known`: the properties of each class, by the collection's name; `find` reads them anew."""

    def __init__(
        self,
        known: dict[str, set[str]],
        find: Callable[[str], Awaitable[CollectionInfo | None]],
        add: Callable[[CollectionInfo, Mapping[str, Any]], Awaitable[None]],
    ) -> None:
        self._known, self._find, self._add = known, find, add
        self._lock = asyncio.Lock()

    async def declare(self, info: CollectionInfo, rows: Rows) -> Set[str]:
        """Add what is missing while there is room, and return what there is; raises CollectionNotFoundError."""
        needed = convert.companions_of(rows)
        async with self._lock:
            # Checked on every write: inserting into a dropped class would silently recreate it (auto-schema).
            if await self._find(info.name) is None:
                raise CollectionNotFoundError(f"no collection {info.name!r}", collection=info.name)
            turn = asyncio.Semaphore(_SCHEMA_CHANGES)

            async def add(name: str) -> None:
                async with turn:
                    await self._add(info, needed[name])
                self._known[info.name].add(name)

            await together(add(name) for name in to_declare(needed, self._known[info.name]))
            return frozenset(self._known[info.name])
