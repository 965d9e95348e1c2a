"""What is particular to PostgreSQL with pgvector: indexes by dimension."""

from __future__ import annotations

import numpy as np
import pytest

from deployments import RunningStores
from vpa import F, Record
from vpa.base import errors
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.pgvector.tables import VECTOR_INDEXES


@pytest.mark.parametrize(
    ("dimension", "kind"), [(8, "vector"), (2500, "halfvec"), (4500, None)], ids=["vector", "halfvec", "none"]
)
async def test_pgvector_indexes_what_it_can(stores: RunningStores, dimension: int, kind: str | None) -> None:
    config = stores.config("pgvector with hnsw")
    rng = np.random.default_rng(2)
    rows = rng.standard_normal((60, dimension)).astype(np.float32)
    async with VectorDatabaseManager(config) as db:
        docs = await db.create_collection("wide", dimension=dimension)
        await docs.upsert([Record(f"r{n:02d}", vector=row, metadata={"n": n}) for n, row in enumerate(rows)])
        docs = await db.collection("wide")
        assert (await db.get_statistics())["collections"]["wide"]["indexed"] is (kind is not None)
        for n in range(5):
            usual, exact = [await docs.search(vector=rows[n], top_k=5, exact=exact) for exact in (False, True)]
            assert usual.ids[0] == exact.ids[0] == f"r{n:02d}"
            assert usual[0].score == pytest.approx(exact[0].score, abs=1e-6)
        few = await docs.search(vector=rows[0], top_k=10, filter=F("n") >= 55)
        assert len(few) == 5
        await db.drop_collection("wide")


@pytest.mark.parametrize("dimension", [8, 2500], ids=["vector", "halfvec"])
async def test_an_index_is_built_after_a_batch_that_is_larger_than_the_table(
    stores: RunningStores, dimension: int
) -> None:
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((1_500, dimension)).astype(np.float32)
    async with VectorDatabaseManager(stores.config("pgvector with hnsw")) as db:
        docs = await db.create_collection("bulk", dimension=dimension)
        database = db._store._database  # type: ignore[union-attr]
        before = await database.fetch("indexes", VECTOR_INDEXES, [database.table("bulk")])
        await docs.upsert([Record(f"r{n:04d}", vector=row) for n, row in enumerate(rows)])
        await db._store.indexed(docs.info)  # type: ignore[union-attr]
        built = await database.fetch("indexes", VECTOR_INDEXES, [database.table("bulk")])
        # One again, and a new one; a batch that is no larger than the table keeps it.
        assert [len(before), len(built)] == [1, 1]
        number = "SELECT $1::text::regclass::oid AS number"
        first = await database.fetch("indexes", number, [built[0]["name"]])
        await docs.upsert([Record(f"r{n:04d}", vector=row) for n, row in enumerate(rows)])
        [kept_name] = await database.fetch("indexes", VECTOR_INDEXES, [database.table("bulk")])
        assert (await database.fetch("indexes", number, [kept_name["name"]]))[0]["number"] == first[0]["number"]
        answer = await docs.search(vector=rows[7], top_k=3)
        assert (answer.ids[0], answer.exact) == ("r0007", False)
        with pytest.raises(errors.RecordExistsError):
            await docs.upsert([Record(f"r{n:04d}", vector=rows[0]) for n in range(1_499, 4_500)], on_conflict="error")
        # Rolled back with its index.
        assert await docs.count() == 1_500
        assert len(await database.fetch("indexes", VECTOR_INDEXES, [database.table("bulk")])) == 1
        await db.drop_collection("bulk")
