"""Verbs that read: one statement each, but for a search that an index answers."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from vpa.base.arrays import FloatVector
from vpa.base.calibration import EXACT
from vpa.base.cursor import decode_cursor, encode_cursor
from vpa.base.errors import ProviderError
from vpa.base.records import CollectionInfo, Match, Matches, Record, RecordBatch, Usage
from vpa.base.scope import AllScopes, Scope
from vpa.filters.ast import NEVER
from vpa.stores.layout.sharing import DEFAULT_SCOPE, SharedCollections
from vpa.stores.pgvector import tables
from vpa.stores.pgvector.catalog import Catalog
from vpa.stores.pgvector.convert import VECTOR, json_of, records_of, vectors_of
from vpa.stores.pgvector.database import Database
from vpa.stores.pgvector.filters import Statement
from vpa.stores.pgvector.indexing import largest_number
from vpa.stores.requests import ALWAYS, Count, Delete, Get, Scan, Search, UpdateMetadata

_FIELDS: Final = "id, text, metadata, system"
_MOST_TIES: Final = 1000  # Beyond so many equal scores at the cut more are not asked for.
_PAGE: Final = 5000  # Rows in one answer, and their bytes, of which those beside the vector are a guess.
_PAGE_BYTES: Final = 16 << 20
_ROW_BYTES: Final = 1000
# Rows that are read for each one of a sample: those of a page were written together, and may be alike.
_DRAWN: Final = 5


class Reads:
    """Get, count, search and scan."""

    def __init__(self, database: Database, catalog: Catalog) -> None:
        self._database = database
        self._catalog = catalog
        self._shared = SharedCollections()

    async def get(self, info: CollectionInfo, request: Get) -> list[Record]:
        """In the order asked."""
        statement, where = condition(replace(request, ids=list(dict.fromkeys(request.ids))))
        columns = _columns(request.include_vectors)
        sql = f"SELECT {columns} FROM {self._database.table(info.name)} WHERE {where}"
        rows = await self._database.fetch("get", sql, statement.parameters)
        records = records_of(rows, dimension=info.dimension, with_vectors=request.include_vectors)
        by_id = {record.id: record for record in records}
        return [by_id[record_id] for record_id in request.ids if record_id in by_id]

    async def count(self, info: CollectionInfo, request: Count) -> int:
        """As PostgreSQL counts: exact, and a pass over the scope."""
        if request.filter is NEVER:
            return 0
        statement, table = Statement(), self._database.table(info.name)
        if request.filter is ALWAYS and request.scope == DEFAULT_SCOPE:
            sql = tables.count_default(table)
        else:
            where = statement.where(request.filter, _bound_scope(request.scope))
            sql = f"SELECT count(*) AS n FROM {table} WHERE {where}"
        return int((await self._database.fetch("count", sql, statement.parameters))[0]["n"])

    async def search(self, info: CollectionInfo, request: Search) -> list[Matches]:
        """One query after the other; with an index by it, else exact, ties in id order."""
        if request.filter is NEVER:
            return [Matches(()) for _ in request.vectors]
        return [await self._search_one(info, request, query) for query in request.vectors]

    async def _search_one(self, info: CollectionInfo, request: Search, query: FloatVector) -> Matches:
        exact, requests, rows = await self._rows(info, request, query=query)
        matches = _matches(info, rows, with_vectors=request.include_vectors)
        matches.sort(key=lambda match: (-match.score, match.id))
        least = -math.inf if request.score_threshold is None else request.score_threshold
        kept = tuple(match for match in matches[: request.top_k] if match.score >= least)
        return Matches(kept, exact, Usage(candidates=len(rows), requests=requests))

    async def _rows(self, info: CollectionInfo, request: Search, *, query: FloatVector) -> tuple[bool, int, list[Any]]:
        """Whether the rows are exact, the number of requests, and the rows."""
        await self._catalog.look_again(info)
        by_index = self._goes_by_index(info, request, query)
        # The default scope is left out while no other is seen: it costs nothing then.
        alone = request.scope == DEFAULT_SCOPE and not self._shared.is_shared(info.name)
        requests = 0
        for scope in (None, request.scope) if alone else (request.scope,):
            enough, further, rows = await self._ask(info, request, query=query, scope=scope, exact=not by_index)
            requests += further
            if scope is None and any(_scope_of(row) != ("", "") for row in rows):
                self._shared.note(info.name)
                continue
            if enough:
                return not by_index, requests, rows
            # The index gave up before it had enough.
            break
        rows = await self._nearest(info, request, query=query, scope=request.scope, limit=request.top_k, exact=True)
        return True, requests + 1, rows

    def _goes_by_index(self, info: CollectionInfo, request: Search, query: FloatVector) -> bool:
        if request.exact or not self._catalog.is_indexed(info.name):
            return False
        most = largest_number(info)
        return _effort(info, request) != EXACT and (most == math.inf or float(np.abs(query).max()) <= most)

    async def _ask(
        self, info: CollectionInfo, request: Search, *, query: FloatVector, scope: Scope | None, exact: bool
    ) -> tuple[bool, int, list[Any]]:
        """Whether there are enough, the number of requests, and the rows: from an index one more than wanted, and more
        while the last equals the k-th.
        """
        if exact:
            rows = await self._nearest(info, request, query=query, scope=scope, limit=request.top_k, exact=True)
            return True, 1, rows
        depth, requests = request.top_k + 1, 1
        rows = await self._nearest(info, request, query=query, scope=scope, limit=depth, exact=False)
        while len(rows) == depth and rows[-1]["d"] == rows[request.top_k - 1]["d"] and depth <= _MOST_TIES:
            depth, requests = depth * 2, requests + 1
            rows = await self._nearest(info, request, query=query, scope=scope, limit=depth, exact=False)
        return len(rows) == depth, requests, rows

    async def _nearest(
        self,
        info: CollectionInfo,
        request: Search,
        *,
        query: FloatVector,
        scope: Scope | None,
        limit: int,
        exact: bool,
    ) -> list[Any]:
        statement = Statement()
        asked = statement.bind(query)
        where = statement.where(request.filter, scope)
        sql = tables.nearest(
            self._database.table(info.name),
            info,
            columns=f"tenant, namespace, {_columns(request.include_vectors)}",
            query=asked,
            where=where,
            limit=limit,
            exact=exact,
        )
        effort = None if exact else self._catalog.effort(info, _effort(info, request))
        return await self._database.fetch("search", sql, statement.parameters, effort=effort)

    async def scan(self, info: CollectionInfo, request: Scan) -> AsyncIterator[RecordBatch]:
        """In the order of scope and id, page by page."""
        if request.filter is NEVER:
            return
        after: tuple[str, str, str] | None = None
        if request.cursor is not None:
            start, last = decode_cursor(request.cursor)
            after = (start.tenant, start.namespace, last)
        size, most = request.batch_size, _PAGE_BYTES // (4 * info.dimension * request.include_vectors + _ROW_BYTES)
        # Whoever asks for the first batch only shall not wait for more.
        limit = min(size, _PAGE)
        while rows := await self._page(info, request, after, limit=limit):
            for run in _runs(rows):
                for first in range(0, len(run), size):
                    yield _batch(run[first : first + size], info, include_vectors=request.include_vectors)
            after = (*_scope_of(rows[-1]), rows[-1]["id"])
            limit = min(_PAGE, max(size, most))

    async def scopes(self, info: CollectionInfo, *, limit: int) -> list[Scope]:
        """The first scopes in order, one request each."""
        sql = (
            f"SELECT tenant, namespace FROM {self._database.table(info.name)} WHERE (tenant, namespace) > ($1, $2) "
            "ORDER BY tenant, namespace LIMIT 1"
        )
        first = sql.replace("WHERE (tenant, namespace) > ($1, $2) ", "")
        scopes: list[Scope] = []
        rows = await self._database.fetch("scopes", first, [])
        while rows:
            scopes.append(Scope(*_scope_of(rows[0])))
            if len(scopes) == limit:
                break
            rows = await self._database.fetch("scopes", sql, list(_scope_of(rows[0])))
        return scopes

    async def sample(self, info: CollectionInfo, *, count: int, scope: Scope) -> list[Record]:
        """At most `count` records of a scope, from pages that are drawn by chance, the same ones each time."""
        table = self._database.table(info.name)
        known = await self._database.fetch("sample", tables.STATISTICS, [table])
        percent = min(100.0, 100 * _DRAWN * count / max(1, int(known[0]["rows"])))
        sql = (
            f"SELECT tenant, namespace, {_columns(True)} FROM {table} TABLESAMPLE SYSTEM ({percent}) REPEATABLE (0) "
            f"WHERE tenant = $1 AND namespace = $2 LIMIT {_DRAWN * count}"
        )
        rows = await self._database.fetch("sample", sql, [scope.tenant, scope.namespace])
        if not rows:
            return []
        drawn = list(_batch(rows, info, include_vectors=True))
        return random.Random(0).sample(drawn, min(count, len(drawn)))

    async def _page(
        self, info: CollectionInfo, request: Scan, after: tuple[str, str, str] | None, *, limit: int
    ) -> list[Any]:
        statement = Statement()
        where = statement.where(request.filter, _bound_scope(request.scope))
        if after is not None:
            where += f" AND (tenant, namespace, id) > ({', '.join(statement.bind(part) for part in after)})"
        most = statement.bind(limit)
        columns = _columns(request.include_vectors)
        sql = (
            f"SELECT tenant, namespace, {columns} FROM {self._database.table(info.name)} WHERE {where} "
            f"ORDER BY tenant, namespace, id LIMIT {most}"
        )
        return await self._database.fetch("scan", sql, statement.parameters)


def condition(request: Get | Delete | UpdateMetadata) -> tuple[Statement, str]:
    """The `WHERE` of what a request applies to: ids, and what they must satisfy still, or else a filter, within one
    scope. PostgreSQL evaluates it again on a row that another transaction changed while this one waited for it.
    """
    statement = Statement()
    where = statement.where(getattr(request, "filter" if request.ids is None else "still", ALWAYS), request.scope)
    if request.ids is not None:
        where += f" AND id = ANY({statement.bind(list(request.ids))}::text[])"
    return statement, where


def _effort(info: CollectionInfo, request: Search) -> int | None:
    known = info.calibration
    if known is None:
        return None
    return known.of(is_filtered=request.filter is not ALWAYS, is_scoped=request.scope != DEFAULT_SCOPE)


def _columns(vectors: bool) -> str:
    return f"{_FIELDS}, {VECTOR}" if vectors else _FIELDS


def _bound_scope(scope: Scope | AllScopes) -> Scope | None:
    return None if isinstance(scope, AllScopes) else scope


def _matches(info: CollectionInfo, rows: Sequence[Any], *, with_vectors: bool) -> list[Match]:
    vectors = vectors_of(rows, info.dimension) if with_vectors else None
    found = []
    for position, (row, metadata, system) in enumerate(
        zip(rows, json_of(rows, "metadata"), json_of(rows, "system"), strict=True)
    ):
        if not math.isfinite(row["d"]):
            raise ProviderError("PostgreSQL returned a distance that is not a finite number")
        score, distance = tables.score_of(info.metric, row["d"])
        vector = None if vectors is None else vectors[position]
        found.append(Match(row["id"], score, distance, row["text"], metadata, vector, system))
    return found


def _runs(rows: Sequence[Any]) -> list[Sequence[Any]]:
    """The rows, which are in order, scope by scope."""
    runs = []
    start = 0
    while start < len(rows):
        scope = _scope_of(rows[start])
        end = len(rows) if _scope_of(rows[-1]) == scope else bisect_right(rows, scope, lo=start, key=_scope_of)
        runs.append(rows[start:end])
        start = end
    return runs


def _scope_of(row: Any) -> tuple[str, str]:
    return row["tenant"], row["namespace"]


def _batch(run: Sequence[Any], info: CollectionInfo, *, include_vectors: bool) -> RecordBatch:
    scope = Scope(*_scope_of(run[0]))
    return RecordBatch(
        ids=[row["id"] for row in run],
        vectors=vectors_of(run, info.dimension) if include_vectors else None,
        texts=[row["text"] for row in run],
        metadata=json_of(run, "metadata"),
        system=json_of(run, "system"),
        scope=scope,
        cursor=encode_cursor(scope, run[-1]["id"]),
    )
