"""Read your writes on a store that is fresh only eventually: after a write, reads are asked until they see it.

Queries say how far they are by log position; fetches say nothing, so the record that was written last is looked at:
a view that has it has everything before it in the log.
"""

from __future__ import annotations

import asyncio
import functools
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from vpa.base.arrays import FloatVector
from vpa.base.records import CollectionInfo
from vpa.base.scope import Scope
from vpa.kit.tasks import together
from vpa.stores.layout.rows import Rows
from vpa.stores.pinecone import filters
from vpa.stores.pinecone.convert import namespace_of

if TYPE_CHECKING:
    from vpa.stores.pinecone.store import PineconeDriver

_FIRST_S: Final = 0.02  # Pauses between two looks: short for what is there at once, and never more than a second.
_LONGEST_S: Final = 1.0


class Freshness:
    """Waits as long as it takes: the deadline of the verb is around it."""

    def __init__(self, driver: PineconeDriver) -> None:
        self._driver = driver
        self._seen_scopes: set[tuple[str, Scope]] = set()

    async def after_write(self, info: CollectionInfo, rows: Rows, *answers: Any, may_be_gone: bool = False) -> None:
        """Until queries, fetches and the list of namespaces know the rows as they were written.

        One answer is for all rows; several are for one row each.
        """
        positions = [None if answer is None else answer.lsn_committed for answer in answers]
        known = [position for position in positions if position is not None]
        views = [
            until(functools.partial(self._is_fetched, info, part, may_be_gone=may_be_gone))
            for part in _last(rows, positions)
        ]
        if known:
            views.append(until(lambda: self._is_indexed(info, rows.scope, max(known))))
        if (info.name, rows.scope) not in self._seen_scopes:
            views.append(until(lambda: self._is_listed(info, rows.scope)))
        await together(views)
        self._seen_scopes.add((info.name, rows.scope))

    async def after_delete(self, info: CollectionInfo, keys: Sequence[str], *, scope: Scope) -> None:
        """Until neither queries nor fetches know the keys."""
        self._seen_scopes.discard((info.name, scope))
        await until(lambda: self._is_gone(info, keys, scope))

    async def _is_indexed(self, info: CollectionInfo, scope: Scope, position: int) -> bool:
        answer = await self._probe(info, scope, {filters.TOKENS: {"$in": ["-"]}})
        return answer.response_info is None or bool(answer.response_info.is_reconciled(position))

    async def _probe(self, info: CollectionInfo, scope: Scope, chosen: dict[str, Any]) -> Any:
        index = await self._driver.index(info)
        vector = [1.0] + [0.0] * (info.dimension - 1)
        return await self._driver.ask(
            "freshness", lambda: index.query(vector=vector, top_k=1, namespace=namespace_of(scope), filter=chosen)
        )

    async def _is_fetched(self, info: CollectionInfo, rows: Rows, *, may_be_gone: bool) -> bool:
        with_vectors = rows.vectors is not None
        found = await self._driver.fetch_keys(
            info, rows.keys, scope=rows.scope, payloads=True, include_vectors=with_vectors
        )
        seen = {stored.key: stored for stored in found}
        for n, row in enumerate(rows.rows):
            stored = seen.get(row.key)
            if stored is None:
                if not may_be_gone:
                    return False
            elif stored.payload != row.payload or not _same(
                stored.vector, None if rows.vectors is None else rows.vectors[n]
            ):
                return False
        return True

    async def _is_listed(self, info: CollectionInfo, scope: Scope) -> bool:
        index = await self._driver.index(info)

        async def names() -> list[str]:
            return [one.name async for page in index.list_namespaces() for one in page.namespaces]

        return namespace_of(scope) in await self._driver.ask("freshness", names)

    async def _is_gone(self, info: CollectionInfo, keys: Sequence[str], scope: Scope) -> bool:
        answer = await self._probe(info, scope, {filters.KEY: {"$in": list(keys)}})
        if answer.matches:
            return False
        return not await self._driver.fetch_keys(info, keys, scope=scope, payloads=False, include_vectors=False)


def _last(rows: Rows, positions: Sequence[int | None]) -> list[Rows]:
    # What shows that a view knows all of the rows: the one whose write is last in the log; all, where that is unknown.
    if len(positions) == 1:
        return [rows[len(rows) - 1 :]]
    known = [-1 if position is None else position for position in positions]
    if -1 in known:
        return [rows[start : start + 100] for start in range(0, len(rows), 100)]
    last = known.index(max(known))
    return [rows[last : last + 1]]


def _same(present: FloatVector | None, written: FloatVector | None) -> bool:
    return present is None or written is None or bool(np.array_equal(present, written))


async def until(check: Callable[[], Awaitable[bool]], *, patience_s: float = math.inf) -> None:
    """Return when it is so, or when `patience_s` are over."""
    pause, end = _FIRST_S, asyncio.get_running_loop().time() + patience_s
    while not await check() and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(pause)
        pause = min(_LONGEST_S, pause * 1.5)
