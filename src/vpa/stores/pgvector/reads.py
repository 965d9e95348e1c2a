"""Verbs that read: one statement each, but for a search that an index answers."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from vpa.base.arrays import FloatVector
from vpa.base.cursor import decode_cursor, encode_cursor
from vpa.base.errors import ProviderError
from vpa.base.records import CollectionInfo, Match, Matches, Record, RecordBatch, Usage
from vpa.base.scope import AllScopes, Scope
from vpa.filters.ast import NEVER
from vpa.stores.pgvector import tables
from vpa.stores.pgvector.catalog import Catalog
from vpa.stores.pgvector.convert import record_of, vector_of
from vpa.stores.pgvector.database import Database
from vpa.stores.pgvector.filters import Statement
from vpa.stores.requests import ALWAYS, Count, Delete, Get, Scan, Search, UpdateMetadata

_FIELDS: Final = "id, text, metadata, system"
_MOST_TIES: Final = 1000  # Beyond so many equal scores at the cut more are not asked for.
_PAGE: Final = 5000  # Rows in one answer: some megabytes with vectors.


class Reads:
    """Get, count, search and scan."""

    def __init__(self, database: Database, catalog: Catalog) -> None:
        self._database = database
        self._catalog = catalog

    async def get(self, info: CollectionInfo, request: Get) -> list[Record]:
        """In the order asked."""
        statement, where = condition(replace(request, ids=list(dict.fromkeys(request.ids))))
        columns = _columns(request.include_vectors)
        sql = f"SELECT {columns} FROM {self._database.table(info.name)} WHERE {where}"
        rows = await self._database.fetch("get", sql, statement.parameters)
        by_id = {
            row["id"]: record_of(row, dimension=info.dimension, with_vector=request.include_vectors) for row in rows
        }
        return [by_id[record_id] for record_id in request.ids if record_id in by_id]

    async def count(self, info: CollectionInfo, request: Count) -> int:
        """As PostgreSQL counts: exact, and a pass over the scope."""
        if request.filter is NEVER:
            return 0
        statement = Statement()
        where = statement.where(request.filter, _bound_scope(request.scope))
        sql = f"SELECT count(*) AS n FROM {self._database.table(info.name)} WHERE {where}"
        return int((await self._database.fetch("count", sql, statement.parameters))[0]["n"])

    async def search(self, info: CollectionInfo, request: Search) -> list[Matches]:
        """One query after the other; with an index by it, else exact, ties in id order."""
        if request.filter is NEVER:
            return [Matches(()) for _ in request.vectors]
        return [await self._search_one(info, request, query) for query in request.vectors]

    async def _search_one(self, info: CollectionInfo, request: Search, query: FloatVector) -> Matches:
        exact = request.exact or not self._catalog.is_indexed(info.name)
        depth, requests = (request.top_k if exact else request.top_k + 1), 1
        rows = await self._nearest(info, request, query=query, limit=depth, exact=exact)
        while (
            not exact and len(rows) == depth and rows[-1]["d"] == rows[request.top_k - 1]["d"] and depth <= _MOST_TIES
        ):
            depth, requests = depth * 2, requests + 1
            rows = await self._nearest(info, request, query=query, limit=depth, exact=False)
        if not exact and len(rows) < depth:
            # The index may have given up before it had enough.
            exact, requests = True, requests + 1
            rows = await self._nearest(info, request, query=query, limit=request.top_k, exact=True)
        matches = [_match(info, row, with_vector=request.include_vectors) for row in rows]
        matches.sort(key=lambda match: (-match.score, match.id))
        least = -math.inf if request.score_threshold is None else request.score_threshold
        kept = tuple(match for match in matches[: request.top_k] if match.score >= least)
        return Matches(kept, exact, Usage(candidates=len(rows), requests=requests))

    async def _nearest(
        self, info: CollectionInfo, request: Search, *, query: FloatVector, limit: int, exact: bool
    ) -> list[Any]:
        statement = Statement()
        asked = statement.bind(query)
        where = statement.where(request.filter, request.scope)
        sql = tables.nearest(
            self._database.table(info.name),
            info,
            columns=_columns(request.include_vectors),
            query=asked,
            where=where,
            limit=statement.bind(limit),
            exact=exact,
        )
        return await self._database.fetch("search", sql, statement.parameters)

    async def scan(self, info: CollectionInfo, request: Scan) -> AsyncIterator[RecordBatch]:
        """In the order of scope and id, page by page."""
        if request.filter is NEVER:
            return
        after: tuple[str, str, str] | None = None
        if request.cursor is not None:
            start, last = decode_cursor(request.cursor)
            after = (start.tenant, start.namespace, last)
        while rows := await self._page(info, request, after):
            for run in _runs(rows):
                yield _batch(run, info, include_vectors=request.include_vectors)
            after = (rows[-1]["tenant"], rows[-1]["namespace"], rows[-1]["id"])

    async def _page(self, info: CollectionInfo, request: Scan, after: tuple[str, str, str] | None) -> list[Any]:
        statement = Statement()
        where = statement.where(request.filter, _bound_scope(request.scope))
        if after is not None:
            where += f" AND (tenant, namespace, id) > ({', '.join(statement.bind(part) for part in after)})"
        limit = statement.bind(min(request.batch_size, _PAGE))
        columns = _columns(request.include_vectors)
        sql = (
            f"SELECT tenant, namespace, {columns} FROM {self._database.table(info.name)} WHERE {where} "
            f"ORDER BY tenant, namespace, id LIMIT {limit}"
        )
        return await self._database.fetch("scan", sql, statement.parameters)


def condition(request: Get | Delete | UpdateMetadata) -> tuple[Statement, str]:
    """The `WHERE` of what a request applies to: ids, or else a filter, within one scope."""
    statement = Statement()
    where = statement.where(getattr(request, "filter", ALWAYS) if request.ids is None else ALWAYS, request.scope)
    if request.ids is not None:
        where += f" AND id = ANY({statement.bind(list(request.ids))}::text[])"
    return statement, where


def _columns(vectors: bool) -> str:
    return f"{_FIELDS}, embedding" if vectors else _FIELDS


def _bound_scope(scope: Scope | AllScopes) -> Scope | None:
    return None if isinstance(scope, AllScopes) else scope


def _match(info: CollectionInfo, row: Any, *, with_vector: bool) -> Match:
    if not math.isfinite(row["d"]):
        raise ProviderError("PostgreSQL returned a distance that is not a finite number")
    score, distance = tables.score_of(info.metric, row["d"])
    record = record_of(row, dimension=info.dimension, with_vector=False)
    vector = vector_of(row["embedding"], info.dimension) if with_vector else None
    return Match(record.id, score, distance, record.text, dict(record.metadata), vector, record.system)


def _runs(rows: Sequence[Any]) -> list[list[Any]]:
    runs: list[list[Any]] = []
    for row in rows:
        if not runs or (runs[-1][-1]["tenant"], runs[-1][-1]["namespace"]) != (row["tenant"], row["namespace"]):
            runs.append([])
        runs[-1].append(row)
    return runs


def _batch(run: Sequence[Any], info: CollectionInfo, *, include_vectors: bool) -> RecordBatch:
    records = [record_of(row, dimension=info.dimension, with_vector=include_vectors) for row in run]
    scope = Scope(run[0]["tenant"], run[0]["namespace"])
    return RecordBatch(
        ids=[record.id for record in records],
        vectors=np.asarray([record.vector for record in records], dtype=np.float32) if include_vectors else None,
        texts=[record.text for record in records],
        metadata=[record.metadata for record in records],
        system=[record.system for record in records],
        scope=scope,
        cursor=encode_cursor(scope, records[-1].id),
    )
