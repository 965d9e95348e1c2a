"""Words on Pinecone: sparse values beside the vectors, and a table of statistics in a namespace of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from vpa import F, Record, Scope
from vpa.base import errors
from vpa.base.keywords import WordSnapshot
from vpa.base.scope import ALL_SCOPES
from vpa.client.manager import VectorDatabaseManager
from vpa.embeddings.batched import BatchedEmbedder
from vpa.embeddings.hashing import HashingEmbedder
from vpa.rag.system import EnhancedRAGSystem
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.layout.words import RowWords
from vpa.stores.pinecone.tables import TABLES
from vpa.stores.pinecone.words import sparse_values
from vpa.stores.requests import Count, Scan
from vpa.transfer.migrate import migrate
from wire.pinecone_server import Behaviour, PineconeServer, pinecone_server

TEXTS = {
    "a": "The red apple fell from the tree.",
    "b": "A green apple, and another green apple.",
    "c": "Pears are red at times.",
    "d": "Nothing of the kind.",
}
RECORDS = [Record(name, vector=[1, n], text=text, metadata={"n": n}) for n, (name, text) in enumerate(TEXTS.items())]
TABLE = np.random.default_rng(1).bytes(20_000).hex()


class Place:
    """The service, whose reads may lag. `index` is what stands behind a collection."""

    def __init__(self, url: str, app: PineconeServer) -> None:
        self.url, self.app = url, app

    def manager(self) -> VectorDatabaseManager:
        return VectorDatabaseManager(VectorDatabaseConfig(provider="pinecone", url=self.url, api_key="secret"))

    def index(self, name: str = "docs") -> Any:
        return self.app.indexes[name][2]

    @asynccontextmanager
    async def filled(self, metric: str = "cosine", **options: Any) -> AsyncIterator[Any]:
        async with self.manager() as db:
            docs = await db.create_collection("docs", dimension=2, metric=metric, **options)
            await docs.upsert(RECORDS)
            yield docs


@pytest.fixture(params=["fresh", "lagging"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    delays = {"query": 0.05, "fetch": 0.1, "list": 0.02} if request.param == "lagging" else {}
    with pinecone_server(behaviour=Behaviour(delays=delays)) as (url, app):
        yield Place(url, app)


async def ids(docs: Any, text: str, **options: Any) -> list[str]:
    return list((await docs.search(text=text, mode="keyword", **options)).ids)


@pytest.mark.parametrize("metric", ["cosine", "dot"])
async def test_words_are_written_overwritten_and_deleted(place: Place, metric: str) -> None:
    async with place.filled(metric, keywords="en") as docs:
        assert set(await ids(docs, "apples")) == {"a", "b"}
        await docs.upsert([Record("a", vector=[5, 6], text="A pear."), Record("b", vector=[5, 6])])
        assert await ids(docs, "apples") == []
        assert set(await ids(docs, "pear")) == {"a", "c"}
        await docs.delete(["c"])
        assert await ids(docs, "pear") == ["a"]


async def test_scores_by_vector_are_those_of_a_collection_without_words(place: Place) -> None:
    async with place.filled("cosine", keywords="en") as docs, place.manager() as db:
        plain = await db.create_collection("plain", dimension=2, metric="cosine")
        await plain.upsert(RECORDS)
        left, right = await docs.search([1, 2]), await plain.search([1, 2])
        assert [(one.id, one.score, one.distance) for one in left] == [
            (one.id, one.score, one.distance) for one in right
        ]
        both = await docs.search([1, 2], text="red apple", mode="hybrid", include_vectors=True)
        vectors = {one.id: one.vector.tolist() for one in both}
        assert vectors == {record.id: record.vector.tolist() for record in await docs.get(list(TEXTS))}


async def test_changed_metadata_leaves_the_words(place: Place) -> None:
    async with place.filled(keywords="en") as docs:
        await docs.update_metadata(set={"n": 9}, filter=F("n") < 2)
        assert set(await ids(docs, "apples", filter=F("n") == 9)) == {"a", "b"}


async def test_filters_and_scopes_hold_before_ranking(place: Place) -> None:
    async with place.filled(keywords="en") as docs:
        many = [Record(f"r{n}", vector=[1, n], text="apple apple", metadata={"n": 100 + n}) for n in range(60)]
        await docs.upsert(many)
        other = docs.within(Scope("t"))
        await other.upsert(many)
        assert await ids(docs, "apples", filter=F("n") < 1, top_k=3) == ["a"]
        assert set(await ids(docs, "apples", filter=F("n") >= 100, top_k=90)) == {record.id for record in many}
        assert set(await ids(other, "apples", top_k=90)) == {record.id for record in many}
        assert await ids(other, "pears") == []


async def test_an_index_on_a_collection_that_was_there_takes_in_old_and_new(place: Place) -> None:
    async with place.filled() as docs:
        await docs.within(Scope("t")).upsert([*RECORDS[:2], Record("none", vector=[1, 0])])
        await docs.create_keyword_index("en")
        await docs.upsert([Record("e", vector=[1, 9], text="apples")])
        assert set(await ids(docs, "apples")) == {"a", "b", "e"}
        assert set(await ids(docs.within(Scope("t")), "green apples")) == {"a", "b"}


async def test_an_exact_search_reads_every_record(place: Place) -> None:
    async with place.filled(keywords="en") as docs:
        filler = "word " * 1500
        await docs.delete(list(TEXTS))
        await docs.upsert(
            [Record(f"r{n:02}", vector=[1, n], text=filler + "apple " * n + "pear " * (n % 3)) for n in range(1, 50)]
        )
        exact = await docs.search(text="apple pear", mode="keyword", top_k=5, exact=True)
        quick = await docs.search(text="apple pear", mode="keyword", top_k=5)
        assert (exact.exact, quick.exact) == (True, False)
        assert exact.ids == quick.ids
        assert exact.usage.candidates == 49


async def test_euclidean_is_refused_with_what_to_do(place: Place) -> None:
    async with place.filled("euclidean") as docs, place.manager() as db:
        with pytest.raises(errors.ConfigurationError, match="metric='cosine' or metric='dot'"):
            await docs.create_keyword_index("en")
        with pytest.raises(errors.ConfigurationError, match="metric='cosine' or metric='dot'"):
            await db.create_collection("more", dimension=2, metric="euclidean", keywords="en")
        assert await db.list_collections() == ["docs"]
        assert list(place.app.indexes["docs"][0]["schema"]["fields"]) == ["_values"]


async def test_an_index_that_was_made_without_sparse_values_is_refused(place: Place) -> None:
    async with place.filled() as docs:
        del place.app.indexes["docs"][0]["schema"]["fields"]["_sparse_values"]
        with pytest.raises(errors.ConfigurationError, match="vpa migrate"):
            await docs.create_keyword_index("en")


async def test_a_table_of_words_is_kept_apart_and_replaced_whole(place: Place) -> None:
    async with place.filled(keywords="en") as docs:
        store = docs._bound().store
        for version, table in ((7, TABLE), (8, TABLE[::-1]), (9, "short")):
            words = WordSnapshot(version=version, records=3, mean_length=12.5, rest=2, total=4, table=table)
            info = await store.set_words("docs", words)
            assert info.words == words
            async with place.manager() as db:
                described = await (await db.collection("docs"))._bound().store.describe_collection("docs")
                assert described.words == words
        # What was replaced is gone, and what is there is nobody's record.
        place.app.behaviour.delays.clear()
        assert len(place.index().view("fetch")[TABLES]) == 1
        assert await store.scopes(info, limit=9) == [Scope()]
        assert await store.count(info, Count(scope=ALL_SCOPES)) == 4
        scan = Scan(scope=ALL_SCOPES, batch_size=10, include_vectors=False)
        assert sorted([name async for batch in store.scan(info, scan) for name in batch.ids]) == sorted(TEXTS)


async def test_other_changes_of_the_description_keep_the_table(place: Place) -> None:
    async with place.filled(keywords="en") as docs:
        store = docs._bound().store
        words = WordSnapshot(version=7, records=3, mean_length=12.5, table=TABLE)
        info = await store.set_words("docs", words)
        await store.driver.save_info(info)
        assert (await store.describe_collection("docs")).words == words
        assert len(place.index().views["fetch"][TABLES]) == 2


async def test_where_the_table_is_lost_words_are_counted_anew(place: Place) -> None:
    async with place.filled(keywords="en") as docs:
        assert set(await ids(docs, "apples")) == {"a", "b"}
        for view in place.index().views.values():
            view.pop(TABLES, None)
        async with place.manager() as db:
            other = await db.collection("docs")
            assert set(await ids(other, "apples")) == {"a", "b"}


async def test_nothing_of_words_is_written_for_a_collection_without(place: Place) -> None:
    async with place.filled() as docs:
        await docs.update_metadata(["a"], set={"n": 2})
        await docs.search([1, 0])
        place.app.behaviour.delays.clear()
        state = place.index().view("fetch")
        assert TABLES not in state
        assert not any("sparse" in row for rows in state.values() for row in rows.values())


def test_of_too_many_terms_those_that_add_most_are_kept() -> None:
    counts = {f"t{n}": 1 + n % 7 for n in range(3000)}
    every = dict(zip(*RowWords(counts, 9000).sparse, strict=True))
    values = sparse_values(RowWords(counts, 9000))
    assert values is not None
    assert len(values["indices"]) == 2048
    assert values["indices"] == sorted(values["indices"])
    assert min(values["values"]) >= sorted(every.values())[-2048] - 1e-6
    assert sparse_values(None) is None
    assert sparse_values(RowWords({}, 0)) is None


async def test_documents_and_copies_go_to_a_metric_without_words_all_the_same(place: Place) -> None:
    config = VectorDatabaseConfig(provider="pinecone", url=place.url, api_key="secret", metric="euclidean")
    async with (
        VectorDatabaseManager(config) as db,
        EnhancedRAGSystem(db, BatchedEmbedder(HashingEmbedder, batch_size=8)) as rag,
    ):
        await rag.add_document(document_id="a", content="Apples are red.")
        assert [result.document_id for result in await rag.search_knowledge("apples")] == ["a"]
    async with VectorDatabaseManager(VectorDatabaseConfig(provider="embedded")) as source, place.manager() as target:
        docs = await source.create_collection("copied", dimension=2, metric="euclidean", keywords="en")
        await docs.upsert(RECORDS)
        await migrate(source, target, collection="copied")
        copied = await target.collection("copied")
        assert (await copied.count(), copied.info.keywords) == (4, None)
