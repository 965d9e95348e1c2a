"""Search over a store that breaks no ties and may return fewer than it has."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Final

from vpa.base.arrays import FloatVector
from vpa.base.calibration import EXACT
from vpa.base.errors import ProviderError
from vpa.base.records import CollectionInfo, Matches, Usage
from vpa.kit.tasks import together
from vpa.stores.layout.driver import StoredRow, Where
from vpa.stores.layout.reader import Reader, ReadRow
from vpa.stores.layout.sharing import DEFAULT_SCOPE, SharedCollections, is_within
from vpa.stores.requests import Search

_MOST_TIES: Final = 1000  # Beyond so many equal scores at the cut the rest is given up as undecidable by the store.


@dataclass(frozen=True, slots=True)
class Searching:
    """Through what searches read, and what they remember of collections."""

    reader: Reader
    shared: SharedCollections


@dataclass(slots=True)
class _Progress:
    """How deep a search has read, and whether what it read is exact. `alone`: it ends at a record of another scope."""

    depth: int
    deepest: int
    exact: bool
    requests: int = 0
    alone: bool = False


async def search(searching: Searching, info: CollectionInfo, request: Search, where: Where) -> list[Matches]:
    """For each query its matches; several queries are asked at once."""
    if len(request.vectors) == 1:
        return [await _search_one(searching, info, request, query=request.vectors[0], where=where)]
    turn = asyncio.Semaphore(searching.reader.driver.limits.searches_at_once)

    async def answer(query: FloatVector) -> Matches:
        async with turn:
            return await _search_one(searching, info, request, query=query, where=where)

    return await together(answer(query) for query in request.vectors)


async def _search_one(
    searching: Searching, info: CollectionInfo, request: Search, *, query: FloatVector, where: Where
) -> Matches:
    reader, shared = searching.reader, searching.shared
    progress = _progress(reader, info, request, where)
    found: list[ReadRow] | None = None
    apart = reader.driver.has_scopes_apart(info)
    if where.scope == DEFAULT_SCOPE and not apart and not shared.is_shared(info.name):
        everywhere = where.in_every_scope
        progress = _progress(reader, info, request, everywhere)
        progress.alone = True
        rows = await _nearest(reader, info, request, query=query, where=everywhere, progress=progress)
        found = reader.read_all(info, rows, DEFAULT_SCOPE)
        if found is None:
            shared.note(info.name)
            progress = _progress(reader, info, request, where, requests=progress.requests)
    if found is None:
        rows = await _nearest(reader, info, request, query=query, where=where, progress=progress)
        found = [reader.read(info, row) for row in rows]
        _refuse_others(reader, found, where)
    least = -math.inf if request.score_threshold is None else request.score_threshold
    best = [match for match in reader.matches(info, request, found)[: request.top_k] if match.score >= least]
    return Matches(tuple(best), progress.exact, Usage(candidates=len(found), requests=progress.requests))


def _progress(reader: Reader, info: CollectionInfo, request: Search, where: Where, *, requests: int = 0) -> _Progress:
    deepest = reader.driver.capabilities.max_top_k or 2**31
    exact = request.exact or not reader.driver.is_approximate(info) or where.effort(info) == EXACT
    return _Progress(min(deepest, request.top_k + 1), deepest, exact, requests)


def _refuse_others(reader: Reader, rows: list[ReadRow], where: Where) -> None:
    strange = None if where.scope is None else next((one for one in rows if one.scope != where.scope), None)
    if strange is not None:
        raise ProviderError(
            f"{reader.driver.provider} returned record {strange.record.id!r} of another scope: {strange.scope}"
        )


async def _nearest(
    reader: Reader,
    info: CollectionInfo,
    request: Search,
    *,
    query: FloatVector,
    where: Where,
    progress: _Progress,
) -> list[StoredRow]:
    """Asks for one more than wanted, and deeper while the last equals the k-th: the cut must not divide a tie."""
    while True:
        rows = await reader.nearest(info, request, query=query, where=where, limit=progress.depth, exact=progress.exact)
        progress.requests += 1
        if progress.alone and not all(is_within(row.key, DEFAULT_SCOPE) for row in rows):
            return rows
        if not progress.exact and len(rows) < progress.depth:
            # An index may return fewer than there are; whether it did costs a count, and the truth one exact search.
            progress.exact = True
            if len(rows) < await reader.count(info, where):
                continue
        if _is_complete(rows, request, progress):
            return rows
        progress.depth = min(progress.deepest, progress.depth * 2)


def _is_complete(rows: list[StoredRow], request: Search, progress: _Progress) -> bool:
    depth = progress.depth
    if len(rows) < depth or depth == progress.deepest or depth > request.top_k + _MOST_TIES:
        return True
    return rows[-1].raw != rows[request.top_k - 1].raw
