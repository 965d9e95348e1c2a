"""Reads through a driver and believes no answer: keys, scopes, scores, counts, vectors and the order of pages are
checked.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vpa.base.arrays import FloatVector
from vpa.base.errors import ProviderError, UnsupportedFilterError
from vpa.base.query import SearchRequest
from vpa.base.records import CollectionInfo, Match, Record
from vpa.base.scope import AllScopes, Scope
from vpa.filters import NormalFilter
from vpa.filters.ast import ALWAYS
from vpa.stores.layout import scoring
from vpa.stores.layout.driver import FOREIGN, LayoutDriver, StoredRow, Where
from vpa.stores.layout.payload import decode
from vpa.stores.layout.predicate import compile_filter


class Reader:
    """The checked reads of one driver."""

    def __init__(self, driver: LayoutDriver) -> None:
        self.driver = driver

    def where(self, info: CollectionInfo, node: NormalFilter, scope: Scope | AllScopes) -> Where:
        """A native filter and a scope in the terms of the layout; raises UnsupportedFilterError for rows without
        tokens.
        """
        if info.layout_version == FOREIGN and node is not ALWAYS:
            raise UnsupportedFilterError(
                f"collection {info.name!r} was not written by vpa, so there is nothing in it to filter by: search and "
                "scan it "
                "without a filter, or bring it in with `vpa migrate`",
                collection=info.name,
            )
        chosen = None if isinstance(scope, AllScopes) or info.layout_version == FOREIGN else scope
        return Where(chosen, compile_filter(node))

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

    def read(self, info: CollectionInfo, row: StoredRow, scope: Scope | None) -> tuple[Record, Scope]:
        """The record of a row, and its scope, which must be `scope` where one is given."""
        vector = None if row.vector is None else _checked(row.vector, info, row.key)
        if row.record is not None:
            return replace(row.record, vector=vector), Scope()
        decoded = decode(row.payload, key=row.key)
        if scope is not None and decoded.scope != scope:
            raise ProviderError(
                f"{self.driver.provider} returned record {decoded.record.id!r} of another scope: {decoded.scope}"
            )
        return replace(decoded.record, vector=vector), decoded.scope

    async def pages(
        self, info: CollectionInfo, where: Where, *, after: str = "", limit: int | None = None, include_vectors: bool
    ) -> AsyncIterator[Sequence[StoredRow]]:
        """All rows, page by page in the order of their keys."""
        size = self.driver.limits.page if limit is None else min(limit, self.driver.limits.page)
        while page := await self.driver.page(info, where, after=after, limit=size, include_vectors=include_vectors):
            keys = [stored.key for stored in page]
            if keys[0] <= after or any(left >= right for left, right in itertools.pairwise(keys)):
                raise ProviderError(f"{self.driver.provider} returned a page that is not in order")
            after = keys[-1]
            yield page

    async def nearest(
        self, info: CollectionInfo, request: SearchRequest, *, query: FloatVector, where: Where, limit: int, exact: bool
    ) -> list[StoredRow]:
        """The nearest `limit` rows, best first."""
        driver = self.driver
        if exact and await driver.must_scan(info, where):
            return await scoring.nearest_by_scan(
                info.metric,
                self.pages(info, where, include_vectors=True),
                query=query,
                limit=limit,
                raw_of=driver.raw_of,
                keep_vectors=request.include_vectors,
            )
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

    def matches(self, info: CollectionInfo, request: SearchRequest, rows: Iterable[StoredRow]) -> list[Match]:
        """Matches ordered by (-score, id)."""
        scope = request.scope if info.layout_version != FOREIGN else None
        found = [self._match(info, row, scope, with_vector=request.include_vectors) for row in rows]
        return sorted(found, key=lambda match: (-match.score, match.id))

    def _match(self, info: CollectionInfo, row: StoredRow, scope: Scope | None, *, with_vector: bool) -> Match:
        record, _ = self.read(info, row, scope)
        score, distance = self.driver.score_of(info.metric, row.raw)
        vector: Any = record.vector if with_vector else None
        return Match(record.id, score, distance, record.text, dict(record.metadata), vector, record.system)


def _checked(vector: FloatVector, info: CollectionInfo, key: str) -> FloatVector:
    array: FloatVector = np.asarray(vector, dtype=np.float32)
    if array.shape != (info.dimension,) or not np.isfinite(array).all():
        raise ProviderError(
            f"the store returned a vector of shape {array.shape} under {key!r}, or one that is not finite"
        )
    return array


def some(values: Sequence[str]) -> str:
    """The first ten, quoted, for a message."""
    shown = ", ".join(repr(value) for value in values[:10])
    return f"{shown}, …" if len(values) > 10 else shown
