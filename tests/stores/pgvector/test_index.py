"""A collection that is made with an HNSW index is searched by it, in the process that made it too."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import asyncpg
import numpy as np
import pytest

from deployments import RunningStores
from vpa.base.calibration import Calibration
from vpa.base.records import Record
from vpa.client import promise
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.pgvector import building
from vpa.stores.pgvector.database import Database


async def test_the_process_that_made_the_index_uses_it(stores: RunningStores) -> None:
    rows = np.random.default_rng(4).standard_normal((50, 4)).astype(np.float32)
    async with VectorDatabaseManager(stores.config("pgvector with hnsw")) as db:
        docs = await db.create_collection("made-here", dimension=4)
        assert (await db.get_statistics())["collections"]["made-here"]["indexed"] is True
        await docs.upsert([Record(f"r{n}", vector=row) for n, row in enumerate(rows)])
        found = await docs.search(vector=rows[7], top_k=5)
        assert found.ids[0] == "r7"
        assert found.exact is False
        await db.drop_collection("made-here")


@pytest.mark.parametrize("form", ["pgvector", "pgvector with hnsw"])
async def test_first_batches_that_come_at_once_do_not_wait_for_each_other(stores: RunningStores, form: str) -> None:
    rows = np.random.default_rng(4).standard_normal((8000, 8)).astype(np.float32)
    async with VectorDatabaseManager(stores.config(form, max_retries=0)) as db:
        docs = await db.create_collection("at-once", dimension=8)
        await asyncio.gather(*(docs.count() for _ in range(4)))

        async def load(first: int) -> int:
            return await docs.upsert([Record(f"r{n}", vector=rows[n]) for n in range(first, first + 2000)])

        assert await asyncio.gather(*map(load, range(0, 8000, 2000))) == [2000] * 4
        assert await docs.count() == 8000
        await db.drop_collection("at-once")


def records(first: int, last: int, dimension: int = 64) -> list[Record]:
    """Vectors by chance."""
    rows = np.random.default_rng(first).standard_normal((last - first, dimension)).astype(np.float32)
    return [Record(f"r{n}", vector=row) for n, row in enumerate(rows, first)]


async def test_a_load_in_batches_gets_its_index_when_it_pauses(
    stores: RunningStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "_PAUSE_S", 0.5)
    async with VectorDatabaseManager(stores.config("pgvector with hnsw")) as db:
        docs = await db.create_collection("loaded", dimension=64)
        for first in range(0, 8000, 1000):
            batch = records(first, first + 1000)
            await docs.upsert(batch)
            found = await docs.search(vector=batch[7].vector, top_k=3)
            # Readers go on, exactly.
            assert (found.ids[0], found.exact) == (f"r{first + 7}", True)
            # It will be searched by an index, so a promise is measured when that is there.
            assert db._store.efforts(docs.info)  # type: ignore[union-attr]
            assert (await facts(db, "loaded"))["indexed"] is False
        await until_indexed(db, "loaded")
        assert (await docs.search(vector=batch[7].vector, top_k=3)).exact is False
        # Few records more are no load.
        await docs.upsert(records(9000, 10_000))
        assert (await facts(db, "loaded"))["indexed"] is True
        await db.drop_collection("loaded")


async def test_a_load_that_never_pauses_gets_its_index_beside_it(
    stores: RunningStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "_LONGEST_S", 0.5)
    async with VectorDatabaseManager(stores.config("pgvector with hnsw")) as db:
        docs = await db.create_collection("ceaseless", dimension=64)
        first = 0
        async with asyncio.timeout(60):
            while not (await facts(db, "ceaseless"))["indexed"]:
                await docs.upsert(records(first, first + 500))
                first += 500
        assert await docs.count() == first
        await db.drop_collection("ceaseless")


@pytest.mark.parametrize("patience_s", [0.0, 10.0])
async def test_closing_leaves_an_index_behind(
    stores: RunningStores, monkeypatch: pytest.MonkeyPatch, patience_s: float
) -> None:
    monkeypatch.setattr(Database, "patience_s", patience_s)
    config = stores.config("pgvector with hnsw")
    async with VectorDatabaseManager(config) as db:
        docs = await db.create_collection("closed", dimension=64)
        await docs.upsert(records(0, 4000))
        if not patience_s:
            # Begun, and let go of before it is there.
            building_now = db._store._catalog.builds._loads["closed"]  # type: ignore[union-attr]
            building_now.hurry.set()
            while building_now.lent is None or not await is_building(db):
                await asyncio.sleep(0.01)
    async with VectorDatabaseManager(config) as db:
        await until_indexed(db, "closed")
        await db.drop_collection("closed")


async def test_writers_do_not_wait_for_an_index_that_is_being_built(stores: RunningStores) -> None:
    config = stores.config("pgvector with hnsw", timeout_seconds=5.0)
    async with VectorDatabaseManager(config) as db, VectorDatabaseManager(config) as other:
        docs = await db.create_collection("beside", dimension=64)
        await docs.upsert(records(0, 1000))
        database: Any = other._store._database  # type: ignore[union-attr]

        async def old(lent: Any) -> None:
            # An index waits for every transaction that is older.
            await lent.execute(f"DELETE FROM {database.table('beside')} WHERE id = 'r999'")
            optimizing = asyncio.create_task(docs.optimize())
            while not await is_building(db):
                await asyncio.sleep(0.01)
            assert await docs.upsert(records(2000, 5000)) == 3000
            assert not optimizing.done()
            self_ended.append(optimizing)

        self_ended: list[asyncio.Task[None]] = []
        await database.in_transaction("delete", old)
        await self_ended[0]
        assert (await facts(db, "beside"))["indexed"] is True
        assert await docs.count() == 3999
        await db.drop_collection("beside")


async def test_a_collection_is_dropped_while_its_index_is_built(stores: RunningStores) -> None:
    async with VectorDatabaseManager(stores.config("pgvector with hnsw")) as db:
        docs = await db.create_collection("dropped", dimension=64)
        await docs.upsert(records(0, 20_000))
        load = db._store._catalog.builds._loads["dropped"]  # type: ignore[union-attr]
        load.hurry.set()
        while not await is_building(db):
            await asyncio.sleep(0.01)
        await db.drop_collection("dropped")
        assert load.task.done()
        assert "dropped" not in await db.list_collections()


async def test_an_index_whose_builder_was_stopped_is_built_anew(stores: RunningStores) -> None:
    async with VectorDatabaseManager(stores.config("pgvector with hnsw")) as db:
        docs = await db.create_collection("stopped", dimension=64)
        await docs.upsert(records(0, 4000))
        database: Any = db._store._database  # type: ignore[union-attr]
        async with database.apart() as lent:
            await lent.execute("SET statement_timeout = 50")
            with pytest.raises(asyncpg.QueryCanceledError):
                sql = "USING hnsw (embedding vector_ip_ops) WITH (m = 16, ef_construction = 64)"
                await lent.execute(f"CREATE INDEX CONCURRENTLY ON {database.table('stopped')} {sql}")
        found = await facts(db, "stopped")
        assert (found["indexed"], found["settings"]["index_valid"]) == (False, False)
        await docs.optimize()
        found = await facts(db, "stopped")
        assert (found["indexed"], found["settings"]["index_valid"]) == (True, True)
        indexes = "SELECT indexname FROM pg_indexes WHERE tablename = $1 AND indexdef LIKE '%hnsw%'"
        assert len(await database.fetch("indexes", indexes, ["vpa_stopped"])) == 1
        await db.drop_collection("stopped")


async def test_what_two_managers_load_at_once_gets_one_index(
    stores: RunningStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "_PAUSE_S", 0.3)
    config = stores.config("pgvector with hnsw")
    async with VectorDatabaseManager(config) as first, VectorDatabaseManager(config) as second:
        await first.create_collection("shared", dimension=64)

        async def load(db: VectorDatabaseManager, start: int) -> None:
            docs = await db.collection("shared")
            for at in range(start, start + 3000, 1000):
                await docs.upsert(records(at, at + 1000))

        await asyncio.gather(load(first, 0), load(second, 10_000))
        await until_indexed(first, "shared")
        await until_indexed(second, "shared")
        database: Any = first._store._database  # type: ignore[union-attr]
        indexes = "SELECT indexname FROM pg_indexes WHERE tablename = $1 AND indexdef LIKE '%hnsw%'"
        assert len(await database.fetch("indexes", indexes, ["vpa_shared"])) == 1
        assert await (await first.collection("shared")).count() == 6000
        await first.drop_collection("shared")


async def test_a_promise_is_measured_when_the_index_is_there(
    stores: RunningStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "_PAUSE_S", 1.0)
    monkeypatch.setattr(promise, "_QUIET_S", 0.1)
    async with VectorDatabaseManager(stores.config("pgvector with hnsw")) as db:
        docs = await db.create_collection("promised", dimension=64, recall=0.95)
        for first in range(0, 4000, 1000):
            await docs.upsert(records(first, first + 1000))
        while (seen := (await facts(db, "promised"))["promise"])["kept"] is None:
            await asyncio.sleep(0.05)
        assert seen["effort"] is not None
        assert (await facts(db, "promised"))["indexed"] is True
        await db.drop_collection("promised")


async def until_indexed(db: VectorDatabaseManager, name: str) -> None:
    """Asked as by a person who looks now and then."""
    async with asyncio.timeout(60):
        await db.collection(name)
        while not (await facts(db, name))["indexed"]:
            await asyncio.sleep(0.05)
            await db._store.describe_collection(name)  # type: ignore[union-attr]


async def is_building(db: VectorDatabaseManager) -> bool:
    """Whether PostgreSQL builds an index beside writers."""
    database: Any = db._store._database  # type: ignore[union-attr]
    running = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND state = 'active'"
    return bool(await database.fetch("activity", running, []))


async def facts(db: VectorDatabaseManager, name: str) -> dict[str, Any]:
    """What statistics say."""
    found: dict[str, Any] = (await db.get_statistics())["collections"][name]
    return found


async def test_a_first_batch_leaves_the_indexes_of_others_as_they_are(stores: RunningStores) -> None:
    rows = np.random.default_rng(4).standard_normal((3000, 8)).astype(np.float32)
    async with VectorDatabaseManager(stores.config("pgvector with hnsw")) as db:
        await db.create_collection("others", dimension=8)
        database: Any = db._store._database  # type: ignore[union-attr]
        table = database.table("others")
        sql = f"CREATE INDEX mine ON {table} USING gin (to_tsvector('english', text))"
        await database.in_transaction("index", lambda lent: lent.execute(sql))

        async def definitions() -> list[str]:
            found = await database.fetch(
                "indexes", "SELECT indexdef FROM pg_indexes WHERE tablename = $1 ORDER BY 1", ["vpa_others"]
            )
            return [one["indexdef"] for one in found]

        before = await definitions()
        async with VectorDatabaseManager(replace(stores.config("pgvector with hnsw"), options={})) as plain:
            docs = await plain.collection("others")
            await docs.upsert([Record(f"r{n}", vector=row) for n, row in enumerate(rows)])
            assert (await docs.search(vector=rows[7], top_k=3)).ids[0] == "r7"
        assert await definitions() == before
        await db.drop_collection("others")


async def test_a_setting_of_one_collection_is_not_that_of_another(stores: RunningStores) -> None:
    rows = np.random.default_rng(4).standard_normal((50, 4)).astype(np.float32)
    config = stores.config("pgvector with hnsw", connection_pool_size=1)
    async with VectorDatabaseManager(config) as maker:
        for name in ("first", "second"):
            docs = await maker.create_collection(name, dimension=4)
            await docs.upsert([Record(f"r{n}", vector=row) for n, row in enumerate(rows)])
        async with VectorDatabaseManager(replace(config, options={})) as db:
            database: Any = db._store._database  # type: ignore[union-attr]

            async def current() -> str:
                return str((await database.fetch("show", "SHOW hnsw.ef_search", []))[0][0])

            first, second = await db.collection("first"), await db.collection("second")
            first._binding.info = replace(first.info, calibration=Calibration(effort=40, filtered=40))
            await first.search(vector=rows[0])
            assert await current() == "40"
            await second.search(vector=rows[0])
            assert await current() == "200"
        for name in ("first", "second"):
            await maker.drop_collection(name)
