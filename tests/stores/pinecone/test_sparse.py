"""Sparse vectors of callers on Pinecone: its one set of sparse values, which words cannot share with them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vpa import Record
from vpa.base import errors
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.config import VectorDatabaseConfig
from wire.pinecone_server import PineconeServer, pinecone_server

Place = tuple[VectorDatabaseManager, PineconeServer]


@pytest.fixture
def place() -> Iterator[Place]:
    with pinecone_server() as (url, app):
        yield VectorDatabaseManager(VectorDatabaseConfig(provider="pinecone", url=url, api_key="secret")), app


async def test_they_are_the_sparse_values_as_they_are(place: Place) -> None:
    manager, app = place
    async with manager as db:
        docs = await db.create_collection("docs", dimension=2, sparse=True)
        await docs.upsert([Record("a", vector=[1, 0], sparse={7: 0.123456789, 9: -2.0}), Record("b", vector=[0, 1])])
        [rows] = app.indexes["docs"][2].view("fetch").values()
        values = {number: round(value, 6) for row in rows.values() for number, value in row.get("sparse", {}).items()}
        assert values == {7: 0.123457, 9: -2.0}
        assert [match.score for match in await docs.search(sparse={9: 1.0}, exact=True)] == [-2.0]
        assert (await docs.search(sparse={9: -1.0})).ids == ["a"]


async def test_words_and_they_have_one_place(place: Place) -> None:
    async with place[0] as db:
        with pytest.raises(errors.ConfigurationError, match="one place"):
            await db.create_collection("both", dimension=2, keywords="en", sparse=True)
        docs = await db.create_collection("docs", dimension=2, sparse=True)
        with pytest.raises(errors.ConfigurationError, match="one place"):
            await docs.create_keyword_index("en")
        with pytest.raises(errors.ConfigurationError, match="leave sparse out"):
            await db.create_collection("far", dimension=2, metric="euclidean", sparse=True)
        assert await db.list_collections() == ["docs"]


async def test_more_weights_than_it_takes_are_refused(place: Place) -> None:
    async with place[0] as db:
        docs = await db.create_collection("docs", dimension=2, sparse=True)
        long = dict.fromkeys(range(2049), 1.0)
        with pytest.raises(errors.InvalidRecordError, match="pinecone takes at most 2048"):
            await docs.upsert([Record("b", vector=[1, 0]), Record("a", vector=[1, 0], sparse=long)])
        assert await docs.count() == 0
        with pytest.raises(errors.InvalidQueryError, match="at most 2048"):
            await docs.search(sparse=long)
