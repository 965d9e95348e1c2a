"""The adapter of PostgreSQL with pgvector. A collection is a table; a verb that writes is one transaction."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any, ClassVar, Final, TypeVar

import numpy as np

from vpa.base.arrays import FloatVector
from vpa.base.capabilities import Capabilities
from vpa.base.cursor import decode_cursor, encode_cursor
from vpa.base.errors import (
    CollectionNotFoundError,
    ConfigurationError,
    InvalidRecordError,
    ProviderError,
    RecordExistsError,
    RecordNotFoundError,
    VectorDatabaseError,
)
from vpa.base.metadata import canonical_metadata
from vpa.base.query import OnConflict, SearchRequest
from vpa.base.records import CollectionInfo, EmbeddingIdentity, Match, Matches, Record, RecordBatch, Usage
from vpa.base.scope import AllScopes, Scope
from vpa.filters import Filter
from vpa.filters.ast import ALWAYS, NEVER
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.contract import MetadataEdit, Target
from vpa.stores.pgvector import connection, errors, tables
from vpa.stores.pgvector.convert import COLUMNS, record_of, rows_of, vector_of
from vpa.stores.pgvector.filters import Statement, dump, flatten
from vpa.stores.remote.session import RemoteStore

T = TypeVar("T")
_FIELDS: Final = "id, text, metadata, system"
_SMALL: Final = 100
_MOST_TIES: Final = 1000


class PgvectorStore(RemoteStore):
    """PostgreSQL 13 or later with pgvector 0.8 or later."""

    provider: ClassVar[str] = "pgvector"
    client_version: ClassVar[str] = f"asyncpg {version('asyncpg')}, pgvector {version('pgvector')}"
    tested_clients: ClassVar[Mapping[str, tuple[str, str]]] = {
        "asyncpg": ("0.30.0", "0.32.0"),
        "pgvector": ("0.3.6", "0.5.1"),
    }

    def __init__(self, config: VectorDatabaseConfig) -> None:
        self._target = connection.Target(config)
        super().__init__(config)
        self._hnsw = self._target.options.get("index") == "hnsw"
        self._connection = connection.Connection(config, self._target)
        self._indexed: set[str] = set()
        self.capabilities = Capabilities(
            durable=True,
            atomic_conflict=True,
            atomic_replace=True,
            atomic_update=True,
            approximate=self._hnsw,
            encrypts_in_transit=True,
        )

    def translate(self, error: Exception) -> VectorDatabaseError:
        """By the table in errors.py."""
        return errors.translate(error) or self.unexpected(error)

    def scrub(self, message: str) -> str:
        """Also without a password that stood in the URL."""
        text = super().scrub(message)
        return text.replace(self._target.password, "**********") if self._target.password else text

    # Lifecycle

    async def open(self) -> None:
        """Connect; makes the extension and the table of collections where they are missing."""
        if not self._connection.is_open:
            await self.ask("connect", self._connection.open)

    async def close(self) -> None:
        """Close the pool."""
        self._indexed.clear()
        await self._connection.close()

    async def ping(self) -> dict[str, Any]:
        """Versions."""
        found = await self._fetch("ping", "SELECT count(*) AS n FROM " + self._registry, [])
        return {**self._connection.facts, "collections": found[0]["n"]}

    def concerns(self, facts: Mapping[str, Any]) -> list[str]:
        """pgvector before 0.8 has no iterative scans; before 0.8.6 it has faults that were mended there."""
        found = str(facts.get("pgvector_version") or "0")
        numbers = tuple(int(part) for part in found.split(".") if part.isdigit())
        if numbers < (0, 8):
            return [
                f"pgvector {found} has no iterative index scans: filtered searches by index would return too few; upgrade to 0.8.6"
            ]
        return (
            [f"pgvector {found} is older than 0.8.6, which mends faults of it; upgrade the extension"]
            if numbers < (0, 8, 6)
            else []
        )

    @property
    def _registry(self) -> str:
        return self._connection.relation("vpa_collections")

    def _table(self, name: str) -> str:
        return self._connection.relation(f"vpa_{name}")

    async def _fetch(self, verb: str, sql: str, parameters: Sequence[Any]) -> list[Any]:
        async def run() -> list[Any]:
            async with self._connection.borrow() as lent:
                rows: list[Any] = await lent.fetch(sql, *parameters)
                return rows

        return await self.ask(verb, run)

    async def _in_transaction(self, verb: str, work: Callable[[Any], Awaitable[T]], *, idempotent: bool = True) -> T:
        async def run() -> T:
            async with self._connection.transaction() as lent:
                return await work(lent)

        return await self.ask(verb, run, idempotent=idempotent)

    # Collections

    async def create_collection(self, info: CollectionInfo) -> None:
        """A table with its indexes and the row about it, in one transaction."""
        if info.dimension > tables.MAX_DIMENSION:
            raise ConfigurationError(f"pgvector stores at most {tables.MAX_DIMENSION} dimensions, not {info.dimension}")

        async def create(lent: Any) -> None:
            await lent.execute("SELECT pg_advisory_xact_lock($1)", connection.DDL_LOCK)
            for sql in tables.create(self._table(info.name), info, hnsw=self._hnsw):
                await lent.execute(sql)
            await lent.execute(f"INSERT INTO {self._registry} VALUES ($1, $2)", info.name, json.dumps(info.to_json()))

        await self._in_transaction("create_collection", create, idempotent=False)

    async def describe_collection(self, name: str) -> CollectionInfo | None:
        """From the table of collections."""
        rows = await self._fetch("describe_collection", tables.DESCRIBE.format(registry=self._registry), [name, f"vpa_{name}"])  # fmt: skip
        if not rows:
            return None
        self._indexed.discard(name)
        if rows[0]["indexed"]:
            self._indexed.add(name)
        return CollectionInfo.from_json(json.loads(rows[0]["info"]))

    async def list_collections(self) -> list[str]:
        """Sorted by code point."""
        rows = await self._fetch("list_collections", f"SELECT name FROM {self._registry} ORDER BY name", [])
        return [row["name"] for row in rows]

    async def drop_collection(self, name: str) -> None:
        """The table and the row about it."""

        async def drop(lent: Any) -> None:
            await lent.execute("SELECT pg_advisory_xact_lock($1)", connection.DDL_LOCK)
            gone = await lent.fetchval(f"DELETE FROM {self._registry} WHERE name = $1 RETURNING name", name)
            if gone is None:
                raise CollectionNotFoundError(f"no collection {name!r}", collection=name)
            await lent.execute(f"DROP TABLE IF EXISTS {self._table(name)}")

        await self._in_transaction("drop_collection", drop, idempotent=False)

    async def set_embedding(self, name: str, embedding: EmbeddingIdentity) -> CollectionInfo:
        """Into the row about it."""

        async def change(lent: Any) -> CollectionInfo:
            stored = await lent.fetchval(f"SELECT info FROM {self._registry} WHERE name = $1 FOR UPDATE", name)
            if stored is None:
                raise CollectionNotFoundError(f"no collection {name!r}", collection=name)
            changed = replace(CollectionInfo.from_json(json.loads(stored)), embedding=embedding)
            text = json.dumps(changed.to_json())
            await lent.execute(f"UPDATE {self._registry} SET info = $2 WHERE name = $1", name, text)
            return changed

        return await self._in_transaction("set_embedding", change)

    async def optimize(self, info: CollectionInfo) -> None:
        """Build the HNSW index after loading, which is faster than with every row; searches then use it."""
        if not self._hnsw or info.name in self._indexed or tables.index_type(info) is None:
            return

        async def build(lent: Any) -> None:
            await lent.execute("SET LOCAL maintenance_work_mem = '1GB'")
            await lent.execute("SET LOCAL statement_timeout = 0")
            await lent.execute(tables.build_index(self._table(info.name), info))

        await self._in_transaction("optimize", build)
        self._indexed.add(info.name)

    # Writes

    async def upsert(
        self,
        info: CollectionInfo,
        batch: RecordBatch,
        *,
        scope: Scope,
        on_conflict: OnConflict,
        replacing: Filter | None,
    ) -> int:
        """One transaction, `replacing` included."""
        rows = list(rows_of(batch, scope))

        async def write(lent: Any) -> int:
            if replacing is not None and replacing is not NEVER:
                statement = Statement()
                where = statement.where(replacing, scope)
                kept = statement.bind(list(batch.ids))
                await lent.execute(
                    f"DELETE FROM {self._table(info.name)} WHERE {where} AND NOT (id = ANY({kept}::text[]))",
                    *statement.parameters,
                )
            return await self._insert(lent, info, rows, on_conflict=on_conflict)

        return await self._in_transaction("upsert", write)

    async def _insert(
        self, lent: Any, info: CollectionInfo, rows: Sequence[tuple[Any, ...]], *, on_conflict: OnConflict
    ) -> int:
        table = self._table(info.name)
        if len(rows) <= _SMALL and on_conflict is OnConflict.REPLACE:
            await lent.executemany(tables.upsert_one(table), rows)
            return len(rows)
        await lent.execute(f"CREATE TEMP TABLE vpa_incoming (LIKE {table}) ON COMMIT DROP")
        await lent.copy_records_to_table("vpa_incoming", records=rows, columns=COLUMNS)
        if on_conflict is OnConflict.REPLACE:
            await lent.execute(tables.upsert_many(table))
            return len(rows)
        written = await lent.fetch(tables.insert_new(table))
        if on_conflict is OnConflict.ERROR and len(written) < len(rows):
            new = {row["id"] for row in written}
            ids = [row[2] for row in rows if row[2] not in new]
            shown = ", ".join(repr(value) for value in ids[:10])
            # Raised inside the transaction: nothing of it stays.
            raise RecordExistsError(f"{len(ids)} ids exist, nothing was written: {shown}", ids=ids)
        return len(written)

    async def delete(self, info: CollectionInfo, target: Target, *, dry_run: bool) -> int:
        """By ids or by condition."""
        if target.filter is NEVER:
            return 0
        statement, where = self._condition(target)
        verb = "SELECT count(*) AS n FROM" if dry_run else "DELETE FROM"
        sql = f"{verb} {self._table(info.name)} WHERE {where}"
        if dry_run:
            return int((await self._fetch("delete", sql, statement.parameters))[0]["n"])

        async def remove(lent: Any) -> int:
            return int((await lent.execute(sql, *statement.parameters)).rpartition(" ")[2])

        # In a transaction it is not committed if its answer was not waited for.
        return await self._in_transaction("delete", remove)

    def _condition(self, target: Target) -> tuple[Statement, str]:
        statement = Statement()
        where = statement.where(target.filter if target.ids is None else ALWAYS, target.scope)
        if target.ids is not None:
            where += f" AND id = ANY({statement.bind(list(target.ids))}::text[])"
        return statement, where

    async def update_metadata(self, info: CollectionInfo, target: Target, edit: MetadataEdit, *, dry_run: bool) -> int:
        """Reads the rows and locks them, merges, writes: one transaction."""
        if target.filter is NEVER:
            return 0
        statement, where = self._condition(target)
        table = self._table(info.name)

        async def update(lent: Any) -> int:
            rows = await lent.fetch(
                f"SELECT id, metadata, system FROM {table} WHERE {where} ORDER BY id FOR UPDATE", *statement.parameters
            )
            _refuse_missing(target, {row["id"] for row in rows})
            if dry_run or not rows:
                return len(rows)
            merged = [_merged(row, edit) for row in rows]
            flat = [flatten(metadata, json.loads(row["system"])) for metadata, row in zip(merged, rows, strict=True)]
            await lent.execute(
                tables.update_metadata(table),
                target.scope.tenant,
                target.scope.namespace,
                [row["id"] for row in rows],
                [dump(metadata) for metadata in merged],
                flat,
            )
            return len(rows)

        return await self._in_transaction("update_metadata", update)

    # Reads

    async def get(
        self, info: CollectionInfo, ids: Sequence[str], *, scope: Scope, include_vectors: bool
    ) -> list[Record]:
        """In the order asked."""
        statement, where = self._condition(Target(scope=scope, ids=list(dict.fromkeys(ids))))
        rows = await self._fetch(
            "get",
            f"SELECT {_columns(include_vectors)} FROM {self._table(info.name)} WHERE {where}",
            statement.parameters,
        )
        found = {row["id"]: record_of(row, dimension=info.dimension, with_vector=include_vectors) for row in rows}
        return [found[value] for value in ids if value in found]

    async def count(self, info: CollectionInfo, node: Filter, *, scope: Scope | AllScopes) -> int:
        """As PostgreSQL counts."""
        if node is NEVER:
            return 0
        statement = Statement()
        where = statement.where(node, _one(scope))
        sql = f"SELECT count(*) AS n FROM {self._table(info.name)} WHERE {where}"
        return int((await self._fetch("count", sql, statement.parameters))[0]["n"])

    async def search(self, info: CollectionInfo, request: SearchRequest, node: Filter) -> list[Matches]:
        """One query after the other; with an index by it, else exact, ties in id order."""
        if node is NEVER:
            return [Matches(()) for _ in request.vectors]
        return [await self._search_one(info, request, query=query, node=node) for query in request.vectors]

    async def _search_one(
        self, info: CollectionInfo, request: SearchRequest, *, query: FloatVector, node: Filter
    ) -> Matches:
        exact = request.exact or info.name not in self._indexed
        depth, requests = (request.top_k if exact else request.top_k + 1), 1
        rows = await self._nearest(info, request, query=query, node=node, limit=depth, exact=exact)
        while (
            not exact and len(rows) == depth and rows[-1]["d"] == rows[request.top_k - 1]["d"] and depth <= _MOST_TIES
        ):
            depth, requests = depth * 2, requests + 1
            rows = await self._nearest(info, request, query=query, node=node, limit=depth, exact=False)
        if not exact and len(rows) < depth:
            # The index may have given up before it had enough.
            exact, requests = True, requests + 1
            rows = await self._nearest(info, request, query=query, node=node, limit=request.top_k, exact=True)
        matches = [_match(info, row, with_vector=request.include_vectors) for row in rows]
        matches.sort(key=lambda match: (-match.score, match.id))
        least = -math.inf if request.score_threshold is None else request.score_threshold
        kept = tuple(match for match in matches[: request.top_k] if match.score >= least)
        return Matches(kept, exact, Usage(candidates=len(rows), requests=requests))

    async def _nearest(
        self, info: CollectionInfo, request: SearchRequest, *, query: FloatVector, node: Filter, limit: int, exact: bool
    ) -> list[Any]:
        statement = Statement()
        asked = statement.bind(query)
        where = statement.where(node, request.scope)
        sql = tables.nearest(
            self._table(info.name), info, columns=_columns(request.include_vectors), query=asked, where=where,
            limit=statement.bind(limit), exact=exact,
        )  # fmt: skip
        return await self._fetch("search", sql, statement.parameters)

    async def scan(
        self,
        info: CollectionInfo,
        node: Filter,
        *,
        scope: Scope | AllScopes,
        batch_size: int,
        cursor: str | None,
        include_vectors: bool,
    ) -> AsyncIterator[RecordBatch]:
        """In the order of scope and id, page by page."""
        if node is NEVER:
            return
        after: tuple[str, str, str] | None = None
        if cursor is not None:
            start, last = decode_cursor(cursor)
            after = (start.tenant, start.namespace, last)
        while True:
            statement = Statement()
            where = statement.where(node, _one(scope))
            if after is not None:
                where += f" AND (tenant, namespace, id) > ({', '.join(statement.bind(part) for part in after)})"
            limit = statement.bind(min(batch_size, 5000))
            rows = await self._fetch(
                "scan",
                f"SELECT tenant, namespace, {_columns(include_vectors)} FROM {self._table(info.name)} WHERE {where} "
                f"ORDER BY tenant, namespace, id LIMIT {limit}",
                statement.parameters,
            )
            for run in _runs(rows):
                yield _batch(run, info, include_vectors=include_vectors)
            if not rows:
                return
            after = (rows[-1]["tenant"], rows[-1]["namespace"], rows[-1]["id"])

    def native_form(self, node: Filter) -> Any:
        """SQL and its parameters."""
        statement = Statement()
        where = statement.where(node, None)
        return {"where": where, "parameters": statement.parameters}

    async def statistics(self, info: CollectionInfo) -> dict[str, Any]:
        """The planner's estimate of rows, bytes with indexes, and whether there is an HNSW index."""
        rows = await self._fetch("statistics", tables.STATISTICS, [self._table(info.name)])
        return {"records_estimate": int(rows[0]["rows"]), "size_bytes": rows[0]["bytes"], "indexed": info.name in self._indexed}  # fmt: skip


def _columns(vectors: bool) -> str:
    return f"{_FIELDS}, embedding" if vectors else _FIELDS


def _one(scope: Scope | AllScopes) -> Scope | None:
    return None if isinstance(scope, AllScopes) else scope


def _refuse_missing(target: Target, found: set[str]) -> None:
    missing = [value for value in dict.fromkeys(target.ids or ()) if value not in found]
    if missing:
        shown = ", ".join(repr(value) for value in missing[:10])
        raise RecordNotFoundError(f"{len(missing)} ids do not exist, nothing was changed: {shown}")


def _merged(row: Any, edit: MetadataEdit) -> dict[str, Any]:
    kept = {key: value for key, value in json.loads(row["metadata"]).items() if key not in edit.remove}
    try:
        return canonical_metadata({**kept, **edit.assign})
    except InvalidRecordError as error:
        raise InvalidRecordError(f"record {row['id']!r}: {error.message}; nothing was changed") from None


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


def create_store(config: VectorDatabaseConfig) -> PgvectorStore:
    """The factory that the registry calls."""
    return PgvectorStore(config)
