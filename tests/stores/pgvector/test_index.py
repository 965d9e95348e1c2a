"""A collection that is made with an HNSW index is searched by it, in the process that made it too."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deployments import RunningStores
from vpa.base.calibration import Calibration
from vpa.base.records import Record
from vpa.client.manager import VectorDatabaseManager
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


async def test_a_load_does_not_wait_for_an_index_that_takes_long(
    stores: RunningStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.random.default_rng(4).standard_normal((6000, 64)).astype(np.float32)
    async with VectorDatabaseManager(stores.config("pgvector with hnsw")) as db:
        docs = await db.create_collection("long", dimension=64)
        monkeypatch.setattr(Database, "patience_s", 0.001)
        assert await docs.upsert([Record(f"r{n}", vector=row) for n, row in enumerate(rows)]) == 6000
        # Readers go on, exactly.
        assert await docs.count() == 6000
        found = await docs.search(vector=rows[7], top_k=3)
        assert (found.ids[0], found.exact) == ("r7", True)
        await docs.optimize()
        assert (await _facts(db))["indexed"] is True
        assert (await docs.search(vector=rows[7], top_k=3)).exact is False
        await db.drop_collection("long")


async def _facts(db: VectorDatabaseManager) -> dict[str, Any]:
    found: dict[str, Any] = (await db.get_statistics())["collections"]["long"]
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
