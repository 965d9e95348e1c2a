"""Collections: a table each, and a row about it in the table of collections."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

import asyncpg

from vpa.base.calibration import Calibration
from vpa.base.errors import (
    CollectionExistsError,
    CollectionNotFoundError,
    ConfigurationError,
    InvalidRecordError,
    ProviderError,
)
from vpa.base.keywords import KeywordIndex, WordSnapshot
from vpa.base.records import CollectionInfo, EmbeddingIdentity
from vpa.stores.layout.version import check_layout
from vpa.stores.pgvector import connection, tables
from vpa.stores.pgvector.building import IndexBuilds, stop_builder
from vpa.stores.pgvector.database import Database
from vpa.stores.pgvector.indexing import VectorIndex, check_index, options_of, parameters_of, planned_index

# The first of two numbers under which one session at a time loads a table without its indexes.
_LOADING: Final = 0x76706101
# In what is stored of a collection: that it was made with the index of the connection's default.
_BY_DEFAULT: Final = "index_by_default"
# How often a process looks whether another one has built an index that was left out.
_LOOK_AGAIN_S: Final = 5.0


class Catalog:
    """The collections of one database. Knows which have an index for searches."""

    def __init__(self, database: Database, *, hnsw: bool) -> None:
        self._database = database
        self._hnsw = hnsw
        self.builds = IndexBuilds(database)
        # Those that were made with the index of the connection's default, which stands in no options.
        self._by_default: set[str] = set()
        self._looked: dict[str, float] = {}

    def is_indexed(self, name: str) -> bool:
        """Whether searches in the collection can use an index."""
        return name in self.builds.indexed

    async def create(self, info: CollectionInfo) -> None:
        """A table with its indexes and the row about it, in one transaction."""
        if info.dimension > tables.MAX_DIMENSION:
            raise ConfigurationError(f"pgvector stores at most {tables.MAX_DIMENSION} dimensions, not {info.dimension}")

        check_index(info)
        table, index = self._database.table(info.name), self.planned(info)
        built = index is not None and index.method == "hnsw"
        partitions = self._partitions(info)
        by_default = index is not None and options_of(info).index is None

        async def create(lent: Any) -> None:
            await lent.execute("SELECT pg_advisory_xact_lock($1)", connection.DDL_LOCK)
            for sql in tables.create(table, info, partitions=partitions):
                await lent.execute(sql)
            if index is not None and built:
                await lent.execute(index.build(table, info, rows=0))
            about = {**info.to_json(), _BY_DEFAULT: by_default}
            await lent.execute(f"INSERT INTO {self._database.registry} VALUES ($1, $2)", info.name, json.dumps(about))

        try:
            await self._database.in_transaction("create_collection", create, idempotent=False)
        except CollectionExistsError:
            await self._refuse_foreign(info.name)
            raise
        except (ConfigurationError, InvalidRecordError, ProviderError) as error:
            if not info.store_options:
                raise
            raise options_of(info).refused(error.message) from error
        if built:
            self.builds.indexed.add(info.name)
        if by_default:
            self._by_default.add(info.name)

    def planned(self, info: CollectionInfo) -> VectorIndex | None:
        """The index that the collection is to have, sooner or later."""
        return planned_index(info, default=self._hnsw or info.name in self._by_default)

    def owed(self, info: CollectionInfo) -> VectorIndex | None:
        """The index that the collection was made with, where it is not there."""
        was_made = options_of(info).index is not None or info.name in self._by_default
        return self.planned(info) if was_made and not self.is_indexed(info.name) else None

    async def look_again(self, info: CollectionInfo) -> None:
        """Now and then, whether an index that was left out is there by now: another process may have built it."""
        if self.is_indexed(info.name) or self.owed(info) is None:
            return
        now = time.monotonic()
        if now >= self._looked.get(info.name, 0.0):
            self._looked[info.name] = now + _LOOK_AGAIN_S
            await self.describe(info.name)

    async def indexed(self, info: CollectionInfo) -> None:
        """Wait for an index that was left out, and see whether it is there."""
        await self.builds.settle(info.name)
        await self.describe(info.name)

    async def _refuse_foreign(self, name: str) -> None:
        known = f"SELECT 1 FROM {self._database.registry} WHERE name = $1"
        if not await self._database.fetch("create_collection", known, [name]):
            raise ConfigurationError(
                f"there is a table {self._database.table(name)} that vpa did not make, so there can be no collection "
                f"{name!r}; take another name, or another schema (?schema=…)"
            ) from None

    def effort(self, info: CollectionInfo, value: int | None) -> connection.Effort:
        """How far a search by index is to look: as was calibrated, or as far as finds enough of most collections."""
        return self.searched(info).effort(value, trial=info.calibration is not None and info.calibration.trial)

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
        self.builds.indexed.discard(name)
        if rows[0]["indexed"]:
            self.builds.indexed.add(name)
        about = json.loads(rows[0]["info"])
        info = check_layout(CollectionInfo.from_json(about))
        if about.get(_BY_DEFAULT):
            self._by_default.add(name)
        owed = self.owed(info)
        if owed is not None and not self.builds.is_under_way(name):
            # Left out by a process that is at it still, or is gone.
            self.builds.later(info, owed)
        return info

    async def names(self) -> list[str]:
        """Sorted by code point."""
        rows = await self._database.fetch(
            "list_collections", f"SELECT name FROM {self._database.registry} ORDER BY name", []
        )
        return [row["name"] for row in rows]

    async def drop(self, name: str) -> None:
        """The table and the row about it."""
        self._by_default.discard(name)
        await self.builds.stop(name)
        await stop_builder(self._database, name)

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

    async def set_words(self, name: str, words: WordSnapshot) -> CollectionInfo:
        """Into the row about it."""
        return await self._redescribe(name, "set_words", words=words)

    async def set_keywords(
        self, name: str, keywords: KeywordIndex, first: Callable[[Any], Awaitable[None]]
    ) -> CollectionInfo:
        """Into the row about it, once `first` has changed the table; one that is not finished."""

        async def change(lent: Any) -> CollectionInfo:
            await lent.execute("SET LOCAL statement_timeout = 0")
            await first(lent)
            return await self._changed(lent, name, keywords=keywords, words=None)

        return await self._database.in_transaction("set_keywords", change)

    async def _redescribe(self, name: str, verb: str, **changes: Any) -> CollectionInfo:
        return await self._database.in_transaction(verb, lambda lent: self._changed(lent, name, **changes))

    async def _changed(self, lent: Any, name: str, **changes: Any) -> CollectionInfo:
        stored = await lent.fetchval(f"SELECT info FROM {self._database.registry} WHERE name = $1 FOR UPDATE", name)
        if stored is None:
            raise CollectionNotFoundError(f"no collection {name!r}", collection=name)
        about = json.loads(stored)
        changed = replace(CollectionInfo.from_json(about), **changes)
        text = json.dumps({**about, **changed.to_json()})
        await lent.execute(f"UPDATE {self._database.registry} SET info = $2 WHERE name = $1", name, text)
        return changed

    async def optimize(self, info: CollectionInfo) -> None:
        """Build the index after loading, which is faster than with every row, write the log from now on, and count what
        there is for the planner, which without that takes every filter for one that keeps a thousandth.
        """
        table = self._database.table(info.name)
        if bool((await self._database.fetch("optimize", tables.STATISTICS, [table]))[0]["unlogged"]):
            await self._database.in_transaction("optimize", lambda lent: self._write_log(lent, info))
        index = self.planned(info)
        if index is not None:
            await self._database.ask("optimize", lambda: self.builds.now(info, index))

        async def work(lent: Any) -> None:
            await lent.execute("SET LOCAL statement_timeout = 0")
            await tables.mend_indexes(lent, table, info)
            for index in await lent.fetch(tables.FILTER_INDEXES, table):
                await lent.execute(tables.SORT_IN, index["name"])
            await lent.execute(f"ANALYZE {table}")

        await self._database.in_transaction("optimize", work)

    async def _write_log(self, lent: Any, info: CollectionInfo) -> None:
        """The table is written anew, and its indexes with it: the dear one is built once, afterwards."""
        await lent.execute("SET LOCAL statement_timeout = 0")
        await self._drop_indexes(lent, info)
        for table in self._partitions(info) or [self._database.table(info.name)]:
            await lent.execute(f"ALTER TABLE {table} SET LOGGED")

    async def _drop_indexes(self, lent: Any, info: CollectionInfo) -> None:
        planned = self.planned(info)
        for index in await lent.fetch(tables.VECTOR_INDEXES, self._database.table(info.name)):
            if planned is not None and planned.is_built_as(index):
                await lent.execute(f"DROP INDEX {index['name']}")

    @asynccontextmanager
    async def without_indexes(self, lent: Any, info: CollectionInfo, *, rows: int) -> AsyncIterator[VectorIndex | None]:
        """Within a transaction that adds `rows` to few: without the indexes of filters and words where there was
        nothing, which are built after them, and without that of the vectors, which is left out: the one that is to be
        built later.

        Others wait for the collection until the transaction ends, so a larger one keeps its indexes meanwhile.
        """
        table = self._database.table(info.name)
        # Two that looked at the table and then wanted it for themselves would wait for each other.
        if not await lent.fetchval("SELECT pg_try_advisory_xact_lock($1, hashtext($2))", _LOADING, table):
            yield None
            return
        # Looks at no more rows than it takes to decide.
        there = await lent.fetchval(f"SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT $1) AS counted", rows)
        over = [] if there else tables.indexed_columns(info)
        own = [index for column in over for index in await lent.fetch(tables.OWN_INDEX, table, column)]
        # What is not valid is being built. What is not built again as it was stays: others made it.
        planned = self.planned(info)
        ready = [
            index
            for index in await lent.fetch(tables.VECTOR_INDEXES, table)
            if planned is not None and index["valid"] and planned.is_built_as(index)
        ]
        dropped = [*own, *(ready if there < rows else ())]
        if dropped and not await _without(lent, dropped):
            yield None if ready else planned
            return
        yield planned if there < rows or not ready else None
        if own:
            await tables.mend_indexes(lent, table, info)

    async def settings(self, info: CollectionInfo) -> dict[str, Any]:
        """What PostgreSQL's own catalogs say about the table and the index for searches."""
        table = self._database.table(info.name)
        about = (await self._database.fetch("statistics", tables.STATISTICS, [table]))[0]
        indexes = await self._database.fetch("statistics", tables.VECTOR_INDEXES, [table])
        settings: dict[str, Any] = {
            "unlogged": bool(about["unlogged"]),
            "partitions": int(about["partitions"]),
            "index": "none",
        }
        for index in indexes:
            settings |= {
                "index": index["method"],
                "index_over": index["operators"].split("_")[0],
                "index_valid": index["valid"],
                **{name: int(value) for name, value in parameters_of(index).items()},
            }
        return settings


async def _without(lent: Any, indexes: list[Any]) -> bool:
    """Whether they are dropped; not where one is being built or read for long: all others would wait behind this."""
    try:
        async with lent.transaction():
            await lent.execute("SET LOCAL lock_timeout = '100ms'")
            for index in indexes:
                await lent.execute(f"DROP INDEX {index['name']}")
            await lent.execute("SET LOCAL lock_timeout TO DEFAULT")
    except asyncpg.LockNotAvailableError:
        return False
    return True
