"""Collections: a table each, and a row about it in the table of collections."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from vpa.base.errors import CollectionNotFoundError, ConfigurationError
from vpa.base.records import CollectionInfo, EmbeddingIdentity
from vpa.stores.pgvector import connection, tables
from vpa.stores.pgvector.database import Database


class Catalog:
    """The collections of one database. Knows which have an HNSW index."""

    def __init__(self, database: Database, *, hnsw: bool) -> None:
        self._database = database
        self._hnsw = hnsw
        self._indexed: set[str] = set()

    def is_indexed(self, name: str) -> bool:
        """Whether searches in the collection can use an index."""
        return name in self._indexed

    def forget(self) -> None:
        """The connection was closed."""
        self._indexed.clear()

    async def create(self, info: CollectionInfo) -> None:
        """A table with its indexes and the row about it, in one transaction."""
        if info.dimension > tables.MAX_DIMENSION:
            raise ConfigurationError(f"pgvector stores at most {tables.MAX_DIMENSION} dimensions, not {info.dimension}")

        async def create(lent: Any) -> None:
            await lent.execute("SELECT pg_advisory_xact_lock($1)", connection.DDL_LOCK)
            for sql in tables.create(self._database.table(info.name), info, hnsw=self._hnsw):
                await lent.execute(sql)
            await lent.execute(
                f"INSERT INTO {self._database.registry} VALUES ($1, $2)", info.name, json.dumps(info.to_json())
            )

        await self._database.in_transaction("create_collection", create, idempotent=False)
        if self._hnsw and tables.index_type(info) is not None:
            self._indexed.add(info.name)

    async def describe(self, name: str) -> CollectionInfo | None:
        """From the table of collections."""
        rows = await self._database.fetch(
            "describe_collection", tables.DESCRIBE.format(registry=self._database.registry), [name, f"vpa_{name}"]
        )
        if not rows:
            return None
        self._indexed.discard(name)
        if rows[0]["indexed"]:
            self._indexed.add(name)
        return CollectionInfo.from_json(json.loads(rows[0]["info"]))

    async def names(self) -> list[str]:
        """Sorted by code point."""
        rows = await self._database.fetch(
            "list_collections", f"SELECT name FROM {self._database.registry} ORDER BY name", []
        )
        return [row["name"] for row in rows]

    async def drop(self, name: str) -> None:
        """The table and the row about it."""

        async def drop(lent: Any) -> None:
            await lent.execute("SELECT pg_advisory_xact_lock($1)", connection.DDL_LOCK)
            gone = await lent.fetchval(f"DELETE FROM {self._database.registry} WHERE name = $1 RETURNING name", name)
            if gone is None:
                raise CollectionNotFoundError(f"no collection {name!r}", collection=name)
            await lent.execute(f"DROP TABLE IF EXISTS {self._database.table(name)}")

        await self._database.in_transaction("drop_collection", drop, idempotent=False)

    async def set_embedding(self, name: str, embedding: EmbeddingIdentity) -> CollectionInfo:
        """Into the row about it."""

        async def change(lent: Any) -> CollectionInfo:
            stored = await lent.fetchval(f"SELECT info FROM {self._database.registry} WHERE name = $1 FOR UPDATE", name)
            if stored is None:
                raise CollectionNotFoundError(f"no collection {name!r}", collection=name)
            changed = replace(CollectionInfo.from_json(json.loads(stored)), embedding=embedding)
            text = json.dumps(changed.to_json())
            await lent.execute(f"UPDATE {self._database.registry} SET info = $2 WHERE name = $1", name, text)
            return changed

        return await self._database.in_transaction("set_embedding", change)

    async def optimize(self, info: CollectionInfo) -> None:
        """Build the HNSW index after loading, which is faster than with every row; searches then use it."""
        if not self._hnsw or info.name in self._indexed or tables.index_type(info) is None:
            return

        await self._database.in_transaction("optimize", lambda lent: self._build(lent, info))
        self._indexed.add(info.name)

    async def _build(self, lent: Any, info: CollectionInfo) -> None:
        # The graph is built in memory where it fits, many times faster than row by row.
        await lent.execute("SET LOCAL maintenance_work_mem = '1GB'")
        await lent.execute("SET LOCAL statement_timeout = 0")
        await lent.execute(tables.build_index(self._database.table(info.name), info))

    @asynccontextmanager
    async def index_after(self, lent: Any, info: CollectionInfo, *, rows: int) -> AsyncIterator[None]:
        """Within a transaction that adds `rows`: build the index after them, where they are more than what is there.

        Other sessions wait for the collection until the transaction ends, so a larger one keeps its index meanwhile.
        """
        table = self._database.table(info.name)
        # Looks at no more rows than it takes to decide.
        there = await lent.fetchval(f"SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT $1) AS counted", rows)
        if there >= rows:
            yield
            return
        for index in await lent.fetch(tables.HNSW_INDEXES, table):
            await lent.execute(f"DROP INDEX {index['name']}")
        yield
        await self._build(lent, info)
