"""Reads through a driver and believes no answer: keys, scopes, scores, counts, vectors and the order of pages are
checked.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import math
from bisect import bisect_right
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from vpa.base.arrays import FloatVector
from vpa.base.errors import ProviderError, VectorDatabaseError
from vpa.base.query import SearchRequest
from vpa.base.records import FOREIGN, CollectionInfo, Match, Record
from vpa.base.scope import AllScopes, Scope
from vpa.base.showing import some
from vpa.filters import NormalFilter, matches
from vpa.filters.ast import ALWAYS
from vpa.stores.contract import no_filter
from vpa.stores.layout import scoring
from vpa.stores.layout.driver import LayoutDriver, StoredRow, Where
from vpa.stores.layout.payload import decode
from vpa.stores.layout.sharing import is_within
from vpa.stores.layout.tokens import scope_range

# Of vectors: what a page that is larger than asked may hold.
_LEAST_PAGE_BYTES: Final = 16 << 20


@dataclass(frozen=True, slots=True, eq=False)
class ReadRow:
    """A row of the store, the record in it, and the scope that this is in."""

    row: StoredRow
    record: Record
    scope: Scope


class Reader:
    """The checked reads of one driver."""

    def __init__(self, driver: LayoutDriver) -> None:
        self.driver = driver

    def where(
        self, info: CollectionInfo, node: NormalFilter, scope: Scope | AllScopes, *, newest: bool = False
    ) -> Where:
        """A native filter and a scope in the terms of the layout; raises UnsupportedFilterError for rows without
        tokens.
        """
        if info.layout_version == FOREIGN and node is not ALWAYS:
            raise no_filter(info)
        chosen = None if isinstance(scope, AllScopes) or info.layout_version == FOREIGN else scope
        return Where(chosen, node, newest)

    async def count(self, info: CollectionInfo, where: Where) -> int:
        """As the store counts, if that is a number."""
        number: object = await self.driver.count_where(info, where)
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            raise ProviderError(f"the store returned {number!r} as a count")
        return number

    async def fetch(
        self,
        info: CollectionInfo,
        keys: Sequence[str],
        *,
        scope: Scope,
        payloads: bool = False,
        include_vectors: bool = False,
    ) -> list[StoredRow]:
        """Those of the rows that exist, each once."""
        rows: list[StoredRow] = []
        for start in range(0, len(keys), self.driver.limits.ids):
            asked = keys[start : start + self.driver.limits.ids]
            answer = await self.driver.fetch_keys(
                info, asked, scope=scope, payloads=payloads, include_vectors=include_vectors
            )
            strange = {row.key for row in answer} - set(asked)
            if strange or len({row.key for row in answer}) < len(answer):
                raise ProviderError(
                    f"{self.driver.provider} returned records that were not asked for: {some(sorted(strange))}"
                )
            rows += answer
        return rows

    def read(self, info: CollectionInfo, row: StoredRow) -> ReadRow:
        """The record of a row, and the scope that it is in."""
        vector = None if row.vector is None else _checked(row.vector, info, row.key)
        if row.record is not None:
            return ReadRow(row, replace(row.record, vector=vector), Scope())
        decoded = decode(row.payload, key=row.key)
        return ReadRow(row, replace(decoded.record, vector=vector), decoded.scope)

    def read_own(self, info: CollectionInfo, row: StoredRow, scope: Scope) -> Record:
        """The record of a row that was asked for by its key; raises ProviderError for one of another scope."""
        found = self.read(info, row)
        if found.scope != scope and info.layout_version != FOREIGN:
            raise ProviderError(
                f"{self.driver.provider} returned record {found.record.id!r} of another scope: {found.scope}"
            )
        return found.record

    async def scopes(self, info: CollectionInfo, *, limit: int) -> list[Scope]:
        """The first scopes in the order of their keys, at most `limit`; behind each, its keys are passed over."""
        everywhere = Where(None)
        listed = await self.driver.list_keys(info, everywhere)
        keys = None if listed is None else sorted(listed)
        scopes: list[Scope] = []
        after = ""
        while len(scopes) < limit:
            if keys is None:
                rows = await self.driver.page(info, everywhere, after=after, limit=1, include_vectors=False)
            else:
                following = keys[bisect_right(keys, after) :][:1]
                rows = await self.fetch(info, following, scope=Scope(), payloads=True)
            if not rows:
                break
            scopes.append(self.read(info, rows[0]).scope)
            after = max(rows[0].key, scope_range(scopes[-1])[1])
        return list(dict.fromkeys(scopes))

    async def pages(
        self, info: CollectionInfo, where: Where, *, after: str = "", limit: int | None = None, include_vectors: bool
    ) -> AsyncIterator[Sequence[StoredRow]]:
        """All rows, page by page in the order of their keys, in which those of a scope stand together.

        Rows of another scope may be among them, whose keys stand in the same place.
        """
        limits = self.driver.limits
        least = min(limits.least_page, _LEAST_PAGE_BYTES // (4 * info.dimension))
        size = limits.page if limit is None else min(max(limit, least), limits.page)
        low, high = ("", None) if where.scope is None else scope_range(where.scope)
        after = max(after, low)
        listed = await self.driver.list_keys(info, where)
        if listed is not None:
            ahead = sorted(key for key in set(listed) if key > after and (high is None or key < high))
            async for rows in self._fetched(info, ahead, size=size, include_vectors=include_vectors):
                yield rows
            return
        while page := await self.driver.page(info, where, after=after, limit=size, include_vectors=include_vectors):
            keys = [stored.key for stored in page]
            places = map(self.driver.order_of, [after, *keys])
            if any(left >= right for left, right in itertools.pairwise(places)):
                raise ProviderError(f"{self.driver.provider} returned a page that is not in order")
            after = keys[-1]
            if high is not None and after > high:
                rest = [stored for stored in page if stored.key < high]
                if rest:
                    yield rest
                return
            yield page

    async def _fetched(
        self, info: CollectionInfo, keys: Sequence[str], *, size: int, include_vectors: bool
    ) -> AsyncIterator[list[StoredRow]]:
        """The rows under these keys, page by page; the next page is asked for while one is used."""

        async def fetch(start: int) -> list[StoredRow]:
            asked = keys[start : start + size]
            rows = await self.fetch(info, asked, scope=Scope(), payloads=True, include_vectors=include_vectors)
            return sorted(rows, key=lambda row: row.key)

        following = asyncio.ensure_future(fetch(0)) if keys else None
        try:
            for start in range(0, len(keys), size):
                assert following is not None
                page = await following
                following = asyncio.ensure_future(fetch(start + size)) if start + size < len(keys) else None
                if page:
                    yield page
        finally:
            if following is not None:
                following.cancel()
                with contextlib.suppress(asyncio.CancelledError, VectorDatabaseError):
                    await following

    async def records(
        self, info: CollectionInfo, where: Where, *, after: str = "", limit: int | None = None, include_vectors: bool
    ) -> AsyncIterator[list[ReadRow]]:
        """All records of the scope, or of every scope, page by page; pages without any are left out."""
        async for page in self.pages(info, where, after=after, limit=limit, include_vectors=include_vectors):
            found = [self.read(info, row) for row in page]
            own = found if where.scope is None else [one for one in found if one.scope == where.scope]
            if self.driver.checks_scanned and where.filter is not ALWAYS:
                own = [one for one in own if matches(where.filter, one.record.metadata, one.record.system)]
            if own:
                yield own

    async def nearest(
        self, info: CollectionInfo, request: SearchRequest, *, query: FloatVector, where: Where, limit: int, exact: bool
    ) -> list[StoredRow]:
        """The nearest `limit` rows, best first."""
        driver = self.driver
        if exact and driver.scores_all:
            return await self._nearest_of_listed(info, request, query=query, where=where, limit=limit)
        if exact and await driver.must_scan(info, where):
            return await self._nearest_by_scan(info, request, query=query, where=where, limit=limit)
        rows = await driver.nearest(
            info, query, where, limit=limit, exact=exact, include_vectors=request.include_vectors
        )
        if len(rows) > limit or len({row.key for row in rows}) < len(rows):
            raise ProviderError(
                f"{driver.provider} returned {len(rows)} matches where at most {limit} different ones were asked for"
            )
        if not all(math.isfinite(row.raw) for row in rows):
            raise ProviderError(f"{driver.provider} returned a score that is not a finite number")
        return sorted(rows, key=lambda row: -driver.score_of(info.metric, row.raw)[0])

    async def _nearest_of_listed(
        self, info: CollectionInfo, request: SearchRequest, *, query: FloatVector, where: Where, limit: int
    ) -> list[StoredRow]:
        """Exact: the store scores every row that it reaches, and those that it did not are scored here."""
        keys = set(await self.driver.list_keys(info, where) or ())
        scored = await self.driver.score_all(info, query, where, count=len(keys)) if keys else []
        raws = {row.key: row.raw for row in scored if row.key in keys}
        missed = self._fetched(info, sorted(keys - raws.keys()), size=self.driver.limits.page, include_vectors=True)
        found = await scoring.nearest_by_scan(
            info.metric, missed, query=query, limit=limit, raw_of=self.driver.raw_of, keep_vectors=False
        )
        raws |= {row.key: row.raw for row in found}

        def rank(key: str) -> tuple[float, str]:
            return -self.driver.score_of(info.metric, raws[key])[0], key

        async def fetch(keys: Sequence[str]) -> list[StoredRow]:
            rows = await self.fetch(info, keys, scope=Scope(), payloads=True, include_vectors=request.include_vectors)
            return [row for row in rows if self._still_matches(info, row, where)]

        rows = await first_that_exist(raws, fetch, limit=limit, rank=rank)
        return [replace(row, raw=raws[row.key]) for row in rows]

    def _still_matches(self, info: CollectionInfo, row: StoredRow, where: Where) -> bool:
        """Whether a row that was found by the filter, and fetched after that, has not been changed meanwhile."""
        if where.filter is ALWAYS:
            return True
        record = self.read(info, row).record
        return matches(where.filter, record.metadata, record.system)

    async def _nearest_by_scan(
        self, info: CollectionInfo, request: SearchRequest, *, query: FloatVector, where: Where, limit: int
    ) -> list[StoredRow]:
        async def among(pages: AsyncIterator[Sequence[StoredRow]]) -> list[StoredRow]:
            return await scoring.nearest_by_scan(
                info.metric,
                pages,
                query=query,
                limit=limit,
                raw_of=self.driver.raw_of,
                keep_vectors=request.include_vectors,
            )

        if where.filter is ALWAYS or not self.driver.checks_scanned:
            rows = await among(self.pages(info, where, include_vectors=True))
            if where.scope is None or self.read_all(info, rows, where.scope) is not None:
                return rows
        # Pages know no filter, or two scopes stand in one place: then every record is read, not only the nearest.
        own = self.records(info, where, include_vectors=True)
        return await among([found.row for found in page] async for page in own)

    def read_all(self, info: CollectionInfo, rows: Sequence[StoredRow], scope: Scope) -> list[ReadRow] | None:
        """The records of the rows; None where one of them is of another scope."""
        if info.layout_version == FOREIGN:
            return [self.read(info, row) for row in rows]
        if not all(is_within(row.key, scope) for row in rows):
            return None
        found = [self.read(info, row) for row in rows]
        return found if all(one.scope == scope for one in found) else None

    def matches(self, info: CollectionInfo, request: SearchRequest, rows: Iterable[ReadRow]) -> list[Match]:
        """Matches ordered by (-score, id)."""
        matches = [self._match(info, one, with_vector=request.include_vectors) for one in rows]
        return sorted(matches, key=lambda match: (-match.score, match.id))

    def _match(self, info: CollectionInfo, read: ReadRow, *, with_vector: bool) -> Match:
        record = read.record
        score, distance = self.driver.score_of(info.metric, read.row.raw)
        vector: Any = record.vector if with_vector else None
        sparse = record.sparse if with_vector else None
        return Match(record.id, score, distance, record.text, dict(record.metadata), vector, record.system, sparse)


def _checked(vector: FloatVector, info: CollectionInfo, key: str) -> FloatVector:
    array: FloatVector = np.asarray(vector, dtype=np.float32)
    if array.shape != (info.dimension,) or not np.isfinite(array).all():
        raise ProviderError(
            f"the store returned a vector of shape {array.shape} under {key!r}, or one that is not finite"
        )
    return array


async def first_that_exist(
    keys: Collection[str],
    fetch: Callable[[Sequence[str]], Awaitable[list[StoredRow]]],
    *,
    limit: int,
    rank: Callable[[str], Any],
) -> list[StoredRow]:
    """The first `limit` rows by the rank of their keys. What `fetch` does not return, because others deleted it after
    the keys were ranked, gives its place to the next one.
    """
    first = heapq.nsmallest(limit, keys, key=rank)
    rows = await fetch(first)
    if len(rows) < len(first) < len(keys):
        rest, start, step = sorted(keys, key=rank)[len(first) :], 0, limit
        while len(rows) < limit and start < len(rest):
            rows += await fetch(rest[start : start + step])
            # Whole scopes may have been deleted: each time twice as many are asked for.
            start, step = start + step, 2 * step
    return heapq.nsmallest(limit, rows, key=lambda row: rank(row.key))
