"""What is particular to PostgreSQL with pgvector: indexes by dimension."""

from __future__ import annotations

import numpy as np
import pytest

from deployments import RunningStores
from vpa import F, Record
from vpa.client.manager import VectorDatabaseManager


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
