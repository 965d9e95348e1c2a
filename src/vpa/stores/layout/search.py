"""Search over a store that breaks no ties and may return fewer than it has."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Final

from vpa.base.arrays import FloatVector
from vpa.base.records import CollectionInfo, Matches, Usage
from vpa.kit.tasks import together
from vpa.stores.layout.driver import StoredRow, Where
from vpa.stores.layout.reader import Reader
from vpa.stores.requests import Search

_MOST_TIES: Final = 1000  # Beyond so many equal scores at the cut the rest is given up as undecidable by the store.


@dataclass(slots=True)
class _Progress:
    """How deep a search has read, and whether what it read is exact."""

    depth: int
    deepest: int
    exact: bool
    requests: int = 0


async def search(reader: Reader, info: CollectionInfo, request: Search, where: Where) -> list[Matches]:
    """For each query its matches; several queries are asked at once."""
    if len(request.vectors) == 1:
        return [await _search_one(reader, info, request, query=request.vectors[0], where=where)]
    turn = asyncio.Semaphore(reader.driver.limits.searches_at_once)

    async def answer(query: FloatVector) -> Matches:
        async with turn:
            return await _search_one(reader, info, request, query=query, where=where)

    return await together(answer(query) for query in request.vectors)


async def _search_one(
    reader: Reader, info: CollectionInfo, request: Search, *, query: FloatVector, where: Where
) -> Matches:
    """Asks for one more than wanted, and deeper while the last equals the k-th: the cut must not divide a tie."""
    capabilities = reader.driver.capabilities
    deepest = capabilities.max_top_k or 2**31
    progress = _Progress(min(deepest, request.top_k + 1), deepest, request.exact or not capabilities.approximate)
    while True:
        rows = await reader.nearest(info, request, query=query, where=where, limit=progress.depth, exact=progress.exact)
        progress.requests += 1
        if not progress.exact and len(rows) < progress.depth:
            # An index may return fewer than there are; whether it did costs a count, and the truth one exact search.
            progress.exact = True
            if len(rows) < await reader.count(info, where):
                continue
        if _is_complete(rows, request, progress):
            break
        progress.depth = min(deepest, progress.depth * 2)
    least = -math.inf if request.score_threshold is None else request.score_threshold
    best = [match for match in reader.matches(info, request, rows)[: request.top_k] if match.score >= least]
    return Matches(tuple(best), progress.exact, Usage(candidates=len(rows), requests=progress.requests))


def _is_complete(rows: list[StoredRow], request: Search, progress: _Progress) -> bool:
    depth = progress.depth
    if len(rows) < depth or depth == progress.deepest or depth > request.top_k + _MOST_TIES:
        return True
    return rows[-1].raw != rows[request.top_k - 1].raw
