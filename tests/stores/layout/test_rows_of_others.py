"""A row that others put into a collection of ours is not shown, counted or removed with the default scope."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from deployments import RunningStores
from vpa import Record
from vpa.client.manager import VectorDatabaseManager


async def _put_by_qdrant(db: VectorDatabaseManager) -> None:
    from qdrant_client import models

    client: Any = db._store.driver.client  # type: ignore[union-attr]
    await client.upsert("mixed", [models.PointStruct(id=str(uuid4()), vector=[1.0, 0.0], payload={"n": 1})], wait=True)


async def _put_by_chroma(db: VectorDatabaseManager) -> None:
    driver: Any = db._store.driver  # type: ignore[union-attr]
    await driver._call(
        "_upsert",
        collection_id=driver._ids["mixed"],
        ids=[str(uuid4())],
        embeddings=[[1.0, 0.0]],
        metadatas=[{"n": 1}],
    )


@pytest.mark.parametrize(
    ("form", "put"), [("qdrant engine", _put_by_qdrant), ("chromadb server", _put_by_chroma)], ids=["qdrant", "chroma"]
)
async def test_it_is_left_alone(stores: RunningStores, form: str, put: Any) -> None:
    async with VectorDatabaseManager(stores.config(form)) as db:
        docs = await db.create_collection("mixed", dimension=2)
        await docs.upsert([Record(f"r{n}", vector=[1, n], metadata={"n": n}) for n in range(5)])
        await put(db)
        for exact in (False, True):
            assert (await docs.search(vector=[1, 0], top_k=3, exact=exact)).ids == ["r0", "r1", "r2"]
        assert (await docs.search(vector=[1, 0], top_k=9, filter={"n": {"$ne": 3}})).ids == ["r0", "r1", "r2", "r4"]
        assert await docs.count() == 5
        assert await docs.count(filter={"other": {"$exists": False}}) == 5
        assert await docs.delete(filter={"n": {"$gte": 0}}) == 5
        assert await docs.count() == 0
        await db.drop_collection("mixed")
