"""An index that is owed to a collection: by whom it is built, what becomes of it when things go wrong, whose it is."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import numpy as np
import pytest
import structlog

from deployments import RunningStores
from vpa.base.errors import ClosedError, ConfigurationError, InvalidRecordError
from vpa.base.records import Record
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.pgvector import building
from vpa.stores.pgvector.catalog import Catalog

DIMENSION = 16


def records(first: int, last: int) -> list[Record]:
    rows = np.random.default_rng(first).standard_normal((last - first, DIMENSION)).astype(np.float32)
    return [Record(f"r{n}", vector=row, metadata={"n": n}) for n, row in enumerate(rows, first)]


def database_of(db: VectorDatabaseManager) -> Any:
    return db._store._database  # type: ignore[union-attr]


def builds_of(db: VectorDatabaseManager) -> Any:
    return db._store._catalog.builds  # type: ignore[union-attr]


async def indexes_of(db: VectorDatabaseManager, name: str) -> list[str]:
    """Definitions of the indexes of vectors, those of partitions left out."""
    sql = "SELECT indexdef FROM pg_indexes WHERE tablename = $1 AND indexdef ~ 'hnsw|ivfflat' ORDER BY 1"
    return [row["indexdef"] for row in await database_of(db).fetch("indexes", sql, [f"vpa_{name}"])]


async def die(db: VectorDatabaseManager) -> None:
    """As if the process ended: what it was to do is not done."""
    for load in builds_of(db)._loads.values():
        load.let_go = True
        load.task.cancel()
    await asyncio.sleep(0.05)


async def test_what_a_loader_that_died_owed_is_built_by_whoever_opens_the_collection(
    stores: RunningStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "_PAUSE_S", 0.2)
    config = stores.config("pgvector with hnsw")
    async with VectorDatabaseManager(config) as loader, VectorDatabaseManager(replace(config, options={})) as other:
        docs = await loader.create_collection("orphan", dimension=DIMENSION)
        await docs.upsert(records(0, 1000))
        await die(loader)
        assert await indexes_of(other, "orphan") == []
        found = await other.collection("orphan")
        assert (await found.search(vector=np.ones(DIMENSION), top_k=3)).exact is True
        await other._store.indexed(found.info)  # type: ignore[union-attr]
        assert len(await indexes_of(other, "orphan")) == 1
        assert (await found.search(vector=np.ones(DIMENSION), top_k=3)).exact is False
        await loader.drop_collection("orphan")


async def test_a_process_sees_the_index_that_another_one_built(
    stores: RunningStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "_PAUSE_S", 0.2)
    monkeypatch.setattr("vpa.stores.pgvector.catalog._LOOK_AGAIN_S", 0.0)
    config = stores.config("pgvector with hnsw")
    async with VectorDatabaseManager(config) as loader, VectorDatabaseManager(config) as other:
        docs = await loader.create_collection("seen", dimension=DIMENSION)
        await docs.upsert(records(0, 1000))
        found = await other.collection("seen")
        await loader._store.indexed(docs.info)  # type: ignore[union-attr]
        assert (await found.search(vector=np.ones(DIMENSION), top_k=3)).exact is False
        await loader.drop_collection("seen")


async def test_a_batch_that_was_given_up_while_it_was_committed_owes_its_index(stores: RunningStores) -> None:
    async with VectorDatabaseManager(stores.config("pgvector with hnsw")) as db:
        docs = await db.create_collection("given-up", dimension=DIMENSION)
        connection = db._store._database._connection  # type: ignore[union-attr]
        whole = connection.transaction

        def transaction() -> Any:
            return _Slow(whole())

        connection.transaction = transaction
        writing = asyncio.create_task(docs.upsert(records(0, 1000)))
        await asyncio.sleep(1.5)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        connection.transaction = whole
        assert await docs.count() == 1000
        assert builds_of(db).is_under_way("given-up")
        await db._store.indexed(docs.info)  # type: ignore[union-attr]
        assert len(await indexes_of(db, "given-up")) == 1
        await db.drop_collection("given-up")


class _Slow:
    """A transaction whose answer to COMMIT is late."""

    def __init__(self, made: Any) -> None:
        self._made = made

    async def __aenter__(self) -> Any:
        return await self._made.__aenter__()

    async def __aexit__(self, *arguments: Any) -> Any:
        done = await self._made.__aexit__(*arguments)
        await asyncio.sleep(5)
        return done


async def test_optimizing_goes_on_where_the_caller_gives_up(stores: RunningStores) -> None:
    async with VectorDatabaseManager(stores.config("pgvector with hnsw")) as db:
        docs = await db.create_collection("cancelled", dimension=DIMENSION)
        await docs.upsert(records(0, 8000))
        optimizing = asyncio.create_task(docs.optimize())
        while not builds_of(db)._loads["cancelled"].hurry.is_set():
            await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        optimizing.cancel()
        await asyncio.gather(optimizing, return_exceptions=True)
        await db._store.indexed(docs.info)  # type: ignore[union-attr]
        assert (await db.get_statistics())["collections"]["cancelled"]["indexed"] is True
        await db.drop_collection("cancelled")


async def test_a_collection_made_anew_does_not_get_the_index_of_the_one_before(
    stores: RunningStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "_PAUSE_S", 0.5)
    config = stores.config("pgvector")
    async with VectorDatabaseManager(config) as first, VectorDatabaseManager(config) as second:
        docs = await first.create_collection("again", dimension=DIMENSION, store_options={"index": "hnsw", "m": 8})
        await docs.upsert(records(0, 500))
        task = builds_of(first)._loads["again"].task
        while builds_of(first)._loads["again"].lent is None:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        await second.drop_collection("again")
        await second.create_collection(
            "again", dimension=DIMENSION, metric="euclidean", store_options={"index": "none"}
        )
        await asyncio.wait({task})
        assert await indexes_of(second, "again") == []
        await second.drop_collection("again")


async def test_readers_do_not_wait_for_who_loads_or_drops_while_an_index_is_built(
    stores: RunningStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "_PAUSE_S", 60.0)
    config = stores.config("pgvector with hnsw", timeout_seconds=20.0)
    async with VectorDatabaseManager(config) as db, VectorDatabaseManager(config) as other:
        docs = await db.create_collection("waiting", dimension=DIMENSION)
        await docs.upsert(records(0, 1000))

        async def beside(lent: Any) -> None:
            # An index waits for every snapshot that is older; a transaction by itself keeps none between statements.
            await lent.execute("DECLARE held CURSOR FOR SELECT 1")
            optimizing.append(asyncio.create_task(docs.optimize()))
            while not await is_building(db):
                await asyncio.sleep(0.01)
            started = asyncio.get_running_loop().time()
            await docs.delete(filter={}, allow_all=True)
            assert await docs.upsert(records(0, 600)) == 600
            await asyncio.gather(*(docs.search(vector=np.ones(DIMENSION), top_k=3) for _ in range(5)))
            assert asyncio.get_running_loop().time() - started < 5
            assert not optimizing[0].done()
            # The one who builds is told to stop.
            await (await other.collection("waiting")).count()
            await other.drop_collection("waiting")

        optimizing: list[asyncio.Task[None]] = []
        await database_of(other).in_transaction("beside", beside)
        await asyncio.gather(*optimizing, return_exceptions=True)
        assert "waiting" not in await other.list_collections()


async def is_building(db: VectorDatabaseManager) -> bool:
    running = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND state = 'active'"
    return bool(await database_of(db).fetch("activity", running, []))


async def test_lists_that_were_taken_from_few_rows_are_taken_anew(
    stores: RunningStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "_PAUSE_S", 0.1)
    async with VectorDatabaseManager(stores.config("pgvector")) as db:
        docs = await db.create_collection("lists", dimension=DIMENSION, store_options={"index": "ivfflat"})
        await docs.upsert(records(0, 300))
        await db._store.indexed(docs.info)  # type: ignore[union-attr]
        # Of so few rows none is built by itself.
        assert await indexes_of(db, "lists") == []
        await docs.upsert(records(300, 1300))
        await db._store.indexed(docs.info)  # type: ignore[union-attr]
        for first in range(2000, 7000, 1000):
            await docs.upsert(records(first, first + 1000))
        await docs.optimize()
        [built] = await indexes_of(db, "lists")
        assert "lists='6'" in built
        await docs.optimize()
        assert await indexes_of(db, "lists") == [built]
        await db.drop_collection("lists")


async def test_only_the_index_that_is_built_again_is_left_out(stores: RunningStores) -> None:
    async with VectorDatabaseManager(stores.config("pgvector with hnsw")) as db:
        docs = await db.create_collection("dba", dimension=DIMENSION)
        table = database_of(db).table("dba")
        sql = f"CREATE INDEX mine ON {table} USING hnsw (embedding vector_l2_ops) WITH (m = 24)"
        await database_of(db).in_transaction("index", lambda lent: lent.execute(sql))
        before = await indexes_of(db, "dba")
        await docs.upsert(records(0, 500))
        assert [one for one in await indexes_of(db, "dba") if "mine" in one]
        await docs.optimize()
        assert [one.partition(" ON ")[2] for one in await indexes_of(db, "dba")] == [
            one.partition(" ON ")[2] for one in before
        ]
        await db.drop_collection("dba")


@pytest.mark.parametrize("rows", [50, 1500])
async def test_partitions_keep_the_index_of_filters(stores: RunningStores, rows: int) -> None:
    async with VectorDatabaseManager(stores.config("pgvector")) as db:
        docs = await db.create_collection("parts", dimension=DIMENSION, store_options={"partitions": 3})
        await docs.upsert(records(0, rows))
        valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'vpa_parts_m_idx'::regclass"
        assert (await database_of(db).fetch("valid", valid, []))[0]["indisvalid"] is True
        leaves = "SELECT count(*) AS n FROM pg_indexes WHERE tablename LIKE 'vpa_parts#%' AND indexdef LIKE '%gin%'"
        assert (await database_of(db).fetch("leaves", leaves, []))[0]["n"] == 3
        await db.drop_collection("parts")


async def test_a_table_of_others_is_no_collection(stores: RunningStores) -> None:
    async with VectorDatabaseManager(stores.config("pgvector")) as db:
        sql = "CREATE TABLE vpa_foreign (id int, embedding vector(4))"
        await database_of(db).in_transaction("create", lambda lent: lent.execute(sql))
        try:
            for exist_ok in (False, True):
                with pytest.raises(ConfigurationError, match="that vpa did not make"):
                    await db.create_collection("foreign", dimension=4, exist_ok=exist_ok)
        finally:
            await database_of(db).in_transaction("drop", lambda lent: lent.execute("DROP TABLE vpa_foreign"))


async def test_half_precision_refuses_what_it_cannot_hold(stores: RunningStores) -> None:
    options = {"index": "hnsw", "index_over": "halfvec"}
    async with VectorDatabaseManager(stores.config("pgvector")) as db:
        docs = await db.create_collection("halves", dimension=3, metric="dot", store_options=options)
        for count in (1, 400):
            with pytest.raises(InvalidRecordError, match="'r0' has a value of 70000"):
                await docs.upsert([Record(f"r{n}", vector=[7e4, 1, n]) for n in range(count)])
        await docs.upsert([Record(f"r{n}", vector=[6e4, 1, n]) for n in range(400)])
        await docs.optimize()
        # What the index cannot be asked is looked for in every row.
        found = await docs.search(vector=[1e5, 0, 1e5], top_k=1)
        assert (found.ids, found.exact) == (["r399"], True)
        assert (await docs.search(vector=[1, 0, 1], top_k=1)).exact is False
        # Without saying so, only unit vectors go by halves.
        wide = await db.create_collection("wide", dimension=2500, metric="dot", store_options={"index": "none"})
        assert wide.info.store_options["index"] == "none"
        with pytest.raises(ConfigurationError, match="halfvec"):
            await db.create_collection("wider", dimension=2500, metric="dot", store_options={"index": "hnsw"})
        for name in ("halves", "wide"):
            await db.drop_collection(name)


async def test_a_promise_is_measured_by_the_index_whatever_the_planner_prefers(stores: RunningStores) -> None:
    async with VectorDatabaseManager(stores.config("pgvector with hnsw")) as db:
        docs = await db.create_collection("planned", dimension=DIMENSION, recall=0.99)
        # Until it was measured, every record is looked at.
        await docs.upsert(records(0, 1000))
        await db._store.indexed(docs.info)  # type: ignore[union-attr]
        assert (await docs.search(vector=np.ones(DIMENSION))).exact is True
        plans = await spied(db, docs)
        # Of few rows PostgreSQL would rather read all.
        assert plans
        assert all("Index Scan using" in plan and "Seq Scan" not in plan for plan in plans)
        [settings] = await database_of(db).fetch("show", "SELECT current_setting('enable_seqscan') AS s", [])
        assert settings["s"] == "on"
        assert (await docs.search(vector=np.ones(DIMENSION))).exact is False
        await db.drop_collection("planned")


async def spied(db: VectorDatabaseManager, docs: Collection) -> list[str]:
    """The plans of a measurement's searches."""
    connection = db._store._database._connection  # type: ignore[union-attr]
    plans: list[str] = []
    borrow = connection.borrow

    @asynccontextmanager
    async def watched(effort: Any = None) -> Any:
        async with borrow(effort) as lent:
            if effort is not None and len(plans) < 20:
                sql = "EXPLAIN SELECT id FROM vpa_planned ORDER BY embedding <#> $1 LIMIT 11"
                rows = await lent.fetch(sql, np.ones(DIMENSION, dtype=np.float32))
                plans.append("\n".join(row[0] for row in rows))
            yield lent

    connection.borrow = watched
    try:
        await docs.optimize()
    finally:
        connection.borrow = borrow
    return plans


async def test_who_may_not_build_the_index_says_so_once(stores: RunningStores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "_PAUSE_S", 0.1)
    monkeypatch.setattr("vpa.stores.pgvector.catalog._LOOK_AGAIN_S", 0.0)
    config = stores.config("pgvector with hnsw")
    async with VectorDatabaseManager(config) as owner:
        docs = await owner.create_collection("readable", dimension=DIMENSION)
        await docs.upsert(records(0, 1000))
        await die(owner)
        database = database_of(owner)
        for sql in ("CREATE ROLE looker LOGIN", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker"):
            await database.in_transaction("role", lambda lent, sql=sql: lent.execute(sql))
        try:
            url = "postgresql://looker@" + str(config.url).partition("//")[2].rpartition("@")[2]
            with structlog.testing.capture_logs() as logs:
                async with VectorDatabaseManager(replace(config, url=url)) as looker:
                    found = await looker.collection("readable")
                    for _ in range(10):
                        assert (await found.search(vector=np.ones(DIMENSION), top_k=3)).exact is True
                        await asyncio.sleep(0.1)
            assert len([one for one in logs if "the index was not built" in one["event"]]) == 1
        finally:
            for sql in ("DROP OWNED BY looker", "DROP ROLE looker"):
                await database.in_transaction("role", lambda lent, sql=sql: lent.execute(sql))
        await owner.drop_collection("readable")


async def test_a_build_that_failed_for_a_passing_reason_is_tried_again(
    stores: RunningStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "_PAUSE_S", 0.1)
    monkeypatch.setattr(building, "_RETRY_S", 0.3)
    settings, attempts = building._settings, []

    async def at_the_third(lent: Any, info: Any) -> None:
        await settings(lent, info)
        attempts.append(await lent.fetchval("SHOW maintenance_work_mem"))
        if len(attempts) < 3:
            raise asyncpg.OutOfMemoryError("out of memory")

    monkeypatch.setattr(building, "_settings", at_the_third)
    async with VectorDatabaseManager(stores.config("pgvector with hnsw")) as db:
        options = {"index": "hnsw", "build_memory_mb": 48}
        docs = await db.create_collection("again", dimension=DIMENSION, store_options=options)
        await docs.upsert(records(0, 1000))
        while len(attempts) < 1:
            await asyncio.sleep(0.02)
        facts = (await db.get_statistics())["collections"]["again"]
        assert (facts["indexed"], facts["index_error"]) == (False, "out of memory")
        await db._store.indexed(docs.info)  # type: ignore[union-attr]
        assert attempts == ["48MB"] * 3
        facts = (await db.get_statistics())["collections"]["again"]
        assert (facts["indexed"], facts["index_error"]) == (True, None)
        await db.drop_collection("again")


async def test_nothing_is_built_after_closing(stores: RunningStores) -> None:
    db = await VectorDatabaseManager(stores.config("pgvector with hnsw")).connect()
    docs = await db.create_collection("closing", dimension=DIMENSION)
    catalog: Catalog = db._store._catalog  # type: ignore[union-attr]
    info, planned = docs.info, catalog.planned(docs.info)
    assert planned is not None
    await db.close()
    catalog.builds.later(info, planned)
    assert not catalog.builds.is_under_way("closing")
    with pytest.raises(ClosedError):
        await catalog.builds.now(info, planned)
    async with VectorDatabaseManager(stores.config("pgvector with hnsw")) as again:
        await again.drop_collection("closing")
