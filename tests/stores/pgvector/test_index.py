"""A collection that is made with an HNSW index is searched by it, in the process that made it too."""

from __future__ import annotations

import numpy as np

from deployments import RunningStores
from vpa.base.records import Record
from vpa.client.manager import VectorDatabaseManager


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
