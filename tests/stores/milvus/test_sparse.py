"""Sparse vectors of callers on Milvus Lite: a field of their own, and no weights below 0."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pymilvus import DataType, MilvusClient

from deployments import RunningStores
from vpa import Record
from vpa.base import errors
from vpa.client.manager import VectorDatabaseManager

SERVER = "milvus lite over gRPC"


@pytest.fixture
async def db(stores: RunningStores) -> AsyncIterator[VectorDatabaseManager]:
    async with VectorDatabaseManager(stores.config(SERVER)) as manager:
        yield manager
        await manager.drop_collection("sparse")


async def test_they_stand_beside_words_in_a_field_of_their_own(
    db: VectorDatabaseManager, stores: RunningStores
) -> None:
    docs = await db.create_collection("sparse", dimension=2, keywords="english", sparse=True)
    await docs.upsert(
        [
            Record("a", vector=[1, 0], text="rusty pumps", sparse={1: 2.0, 2**32 - 3: 1.0}),
            Record("b", vector=[0, 1], text="pumps"),
        ]
    )
    client = MilvusClient(stores.config(SERVER).url)
    fields = client.describe_collection("sparse")["fields"]
    client.close()
    assert {field["name"] for field in fields if field["type"] is DataType.SPARSE_FLOAT_VECTOR} == {"s", "w"}
    assert (await docs.search(sparse={1: 1.0})).ids == ["a"]
    assert (await docs.search(sparse={2**32 - 3: 1.0, 7: 1.0}, exact=True)).ids == ["a"]
    assert (await docs.search(text="pump", mode="keyword")).ids == ["b", "a"]


async def test_weights_below_0_are_refused_before_anything_is_written(db: VectorDatabaseManager) -> None:
    docs = await db.create_collection("sparse", dimension=2, sparse=True)
    with pytest.raises(errors.InvalidRecordError, match=r"record 'b' has a weight of -0.5, and milvus takes none"):
        await docs.upsert([Record("a", vector=[1, 0]), Record("b", vector=[1, 0], sparse={1: 1.0, 2: -0.5})])
    assert await docs.count() == 0
    with pytest.raises(errors.InvalidQueryError, match="below 0"):
        await docs.search(sparse={1: -1.0})
