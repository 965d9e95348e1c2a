"""Collections: a table each, and a row about it in the table of collections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

import asyncpg

from vpa.base.calibration import Calibration
from vpa.base.errors import CollectionNotFoundError, ConfigurationError, InvalidRecordError, ProviderError
from vpa.base.records import CollectionInfo, EmbeddingIdentity
from vpa.observe.log import get_logger
from vpa.stores.layout.version import check_layout
from vpa.stores.pgvector import connection, tables
from vpa.stores.pgvector.database import Database
from vpa.stores.pgvector.indexing import VectorIndex, check_index, options_of, planned_index

# The first of two numbers under which one session at a time loads a table without its indexes.
_LOADING: Final = 0x76706101
_log: Final = get_logger("vpa.stores.pgvector")


class Catalog:
    """The collections of one database. Knows which have an index for searches."""

    def __init__(self, database: Database, *, hnsw: bool) -> None:
        self._database = database
        self._hnsw = hnsw
        self._indexed: set[str] = set()
        self._building: dict[str, asyncio.Task[None]] = {}

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

        check_index(info)
        table, index = self._database.table(info.name), self.planned(info)
        built = index is not None and index.method == "hnsw"
        partitions = self._partitions(info)

        async def create(lent: Any) -> None:
            await lent.execute("SELECT pg_advisory_xact_lock($1)", connection.DDL_LOCK)
            for sql in tables.create(table, info, partitions=partitions):
                await lent.execute(sql)
            if index is not None and built:
                await lent.execute(index.build(table, info, rows=0))
            await lent.execute(
                f"INSERT INTO {self._database.registry} VALUES ($1, $2)", info.name, json.dumps(info.to_json())
            )

        try:
            await self._database.in_transaction("create_collection", create, idempotent=False)
        except (ConfigurationError, InvalidRecordError, ProviderError) as error:
            if not info.store_options:
                raise
            raise options_of(info).refused(error.message) from error
        if built:
            self._indexed.add(info.name)

    def planned(self, info: CollectionInfo) -> VectorIndex | None:
        """The index that the collection is to have, sooner or later."""
        return planned_index(info, default=self._hnsw)

    def builds_after(self, info: CollectionInfo) -> bool:
        """Whether a large batch is followed by building the index: the one that exists, or one that needs rows."""
        return self.is_indexed(info.name) or options_of(info).index == "ivfflat"

    def effort(self, info: CollectionInfo, value: int | None) -> connection.Effort:
        """How far a search by index is to look: as was calibrated, or as far as finds enough of most collections."""
        return self.searched(info).effort(value)

    def searched(self, info: CollectionInfo) -> VectorIndex:
        """The index that searches go by: the one that was planned, or else HNSW, made by another manager."""
        return self.planned(info) or planned_index(info, default=True) or VectorIndex("hnsw", "vector")

    def _partitions(self, info: CollectionInfo) -> list[str]:
        return self._database.partitions(info.name, options_of(info).partitions or 0)

    async def describe(self, name: str) -> CollectionInfo | None:
        """From the table of collections."""
        statement = tables.DESCRIBE.format(registry=self._database.registry)
        rows = await self._database.fetch("describe_collection", statement, [name, self._database.table(name)])
        if not rows:
            return None
        self._indexed.discard(name)
        if rows[0]["indexed"]:
            self._indexed.add(name)
        return check_layout(CollectionInfo.from_json(json.loads(rows[0]["info"])))

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
        return await self._redescribe(name, "set_embedding", embedding=embedding)

    async def set_calibration(self, name: str, calibration: Calibration) -> CollectionInfo:
        """Into the row about it."""
        return await self._redescribe(name, "set_calibration", calibration=calibration)

    async def _redescribe(self, name: str, verb: str, **changes: Any) -> CollectionInfo:
        async def change(lent: Any) -> CollectionInfo:
            stored = await lent.fetchval(f"SELECT info FROM {self._database.registry} WHERE name = $1 FOR UPDATE", name)
            if stored is None:
                raise CollectionNotFoundError(f"no collection {name!r}", collection=name)
            changed = replace(CollectionInfo.from_json(json.loads(stored)), **changes)
            text = json.dumps(changed.to_json())
            await lent.execute(f"UPDATE {self._database.registry} SET info = $2 WHERE name = $1", name, text)
            return changed

        return await self._database.in_transaction(verb, change)

    async def optimize(self, info: CollectionInfo) -> None:
        """Build the index after loading, which is faster than with every row, write the log from now on, and count what
        there is for the planner, which without that takes every filter for one that keeps a thousandth.
        """
        under_way = self._building.pop(info.name, None)
        if under_way is not None:
            await asyncio.wait({under_way})
        table = self._database.table(info.name)
        indexed = bool(await self._database.fetch("optimize", tables.VECTOR_INDEXES, [table]))
        unlogged = bool((await self._database.fetch("optimize", tables.STATISTICS, [table]))[0]["unlogged"])
        builds = self.planned(info) is not None and not indexed

        async def work(lent: Any) -> None:
            await lent.execute("SET LOCAL statement_timeout = 0")
            if unlogged or builds:
                await self._finish(lent, info, unlogged=unlogged)
            for index in await lent.fetch(tables.FILTER_INDEXES, table):
                await lent.execute(tables.SORT_IN, index["name"])
            await lent.execute(f"ANALYZE {table}")

        await self._database.in_transaction("optimize", work)
        if self.planned(info) is not None:
            self._indexed.add(info.name)

    async def _finish(self, lent: Any, info: CollectionInfo, *, unlogged: bool) -> None:
        if unlogged:
            # The table is written anew, and its indexes with it: the dear one is built once, afterwards.
            await self._drop_indexes(lent, info)
            for table in self._partitions(info) or [self._database.table(info.name)]:
                await lent.execute(f"ALTER TABLE {table} SET LOGGED")
        await self._build(lent, info)

    async def _drop_indexes(self, lent: Any, info: CollectionInfo) -> None:
        for index in await lent.fetch(tables.VECTOR_INDEXES, self._database.table(info.name)):
            await lent.execute(f"DROP INDEX {index['name']}")

    async def _build(self, lent: Any, info: CollectionInfo, *, scope: str = "LOCAL") -> None:
        index, workers = self.planned(info), options_of(info).build_workers
        if index is None:
            return
        table = self._database.table(info.name)
        # The graph is built in memory where it fits, many times faster than row by row.
        await lent.execute(f"SET {scope} maintenance_work_mem = '1GB'")
        await lent.execute(f"SET {scope} statement_timeout = 0")
        if workers is not None:
            await lent.execute(f"SET {scope} max_parallel_maintenance_workers = {workers}")
        rows = await lent.fetchval(f"SELECT count(*) FROM {table}") if index.method == "ivfflat" else 0
        await lent.execute(index.build(table, info, rows=rows))

    @asynccontextmanager
    async def without_indexes(self, lent: Any, info: CollectionInfo, *, rows: int) -> AsyncIterator[bool]:
        """Within a transaction that adds `rows` to few: without the index of filters where there was nothing, which is
        built after them, and without that of the vectors, which is left out: True where `build_soon` is to follow.

        Others wait for the collection until the transaction ends, so a larger one keeps its indexes meanwhile.
        """
        table = self._database.table(info.name)
        # Two that looked at the table and then wanted it for themselves would wait for each other.
        if not await lent.fetchval("SELECT pg_try_advisory_xact_lock($1, hashtext($2))", _LOADING, table):
            yield False
            return
        # Looks at no more rows than it takes to decide.
        there = await lent.fetchval(f"SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT $1) AS counted", rows)
        own = [] if there else await lent.fetch(tables.OWN_FILTER_INDEX, table)
        ours = await lent.fetch(tables.VECTOR_INDEXES, table) if there < rows else []
        # What is not built again as it was stays: others made it.
        builds = there < rows and self.planned(info) is not None and self.builds_after(info)
        for index in [*own, *(ours if builds else ())]:
            await lent.execute(f"DROP INDEX {index['name']}")
        yield builds
        for index in own:
            await lent.execute(index["definition"])

    async def build_soon(self, info: CollectionInfo) -> None:
        """Build the index of the vectors, once the rows are written. Readers go on meanwhile, exactly.

        It is waited for as long as for a request; a larger one goes on, whatever becomes of the caller.
        """
        task = self._building[info.name] = asyncio.create_task(self._build_apart(info))
        task.add_done_callback(lambda done: None if done.cancelled() else done.exception())
        await asyncio.wait({task}, timeout=self._database.patience_s)

    async def _build_apart(self, info: CollectionInfo) -> None:
        self._indexed.discard(info.name)
        try:
            async with self._database.undisturbed() as lent:
                if not await lent.fetch(tables.VECTOR_INDEXES, self._database.table(info.name)):
                    await self._build(lent, info, scope="SESSION")
            self._indexed.add(info.name)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            _log.warning("the index was not built; optimize() does it", collection=info.name, error=str(error))

    async def close(self) -> None:
        """Let go of what is built: PostgreSQL goes on with it."""
        building = list(self._building.values())
        self._building.clear()
        for task in building:
            task.cancel()
        await asyncio.gather(*building, return_exceptions=True)

    async def settings(self, info: CollectionInfo) -> dict[str, Any]:
        """What PostgreSQL's own catalogs say about the table and the index for searches."""
        table = self._database.table(info.name)
        about = (await self._database.fetch("statistics", tables.STATISTICS, [table]))[0]
        indexes = await self._database.fetch("statistics", tables.SETTINGS, [table])
        settings: dict[str, Any] = {
            "unlogged": bool(about["unlogged"]),
            "partitions": int(about["partitions"]),
            "index": "none",
        }
        for index in indexes:
            parameters = dict(parameter.split("=", 1) for parameter in index["parameters"] or ())
            settings |= {
                "index": index["method"],
                "index_over": index["operators"].split("_")[0],
                "index_valid": index["valid"],
                **{name: int(value) for name, value in parameters.items()},
            }
        return settings
