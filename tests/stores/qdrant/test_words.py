"""Words on Qdrant: a sparse vector beside the record's own, over both protocols and in the local mode."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import numpy as np
import pytest
from qdrant_client import models
from qdrant_client.conversions.conversion import RestToGrpc

from vpa import F, Record, Scope
from vpa.base import errors
from vpa.base.keywords import WordSnapshot
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.layout.driver import Where
from vpa.stores.qdrant import filters, messages
from vpa.stores.qdrant.points import Selection
from vpa.stores.qdrant.words import SPARSE, TERMS, as_model
from wire.qdrant_grpc import serve_grpc
from wire.qdrant_server import QdrantServer, _Collection, serve

WAYS = ("on", "off", "local")
TEXTS = {
    "a": "The red apple fell from the tree.",
    "b": "A green apple, and another green apple.",
    "c": "Pears are red at times.",
    "d": "Nothing of the kind.",
}
RECORDS = [Record(name, vector=[1, n], text=text, metadata={"n": n}) for n, (name, text) in enumerate(TEXTS.items())]


class Place:
    """One server, reached by either protocol; or a directory of the local mode. `sent`: bodies of REST, with paths."""

    def __init__(self, way: str, path: Path, app: QdrantServer, url: str, port: int) -> None:
        self.way, self.path, self.app, self.url, self.port = way, path, app, url, port
        self.sent: list[tuple[str, Any]] = []
        handle = app.result

        def noting(request: Any) -> Any:
            self.sent.append((request.path, request.json() if request.method in ("PUT", "POST") else None))
            return handle(request)

        app.result = noting  # type: ignore[method-assign]

    def manager(self) -> VectorDatabaseManager:
        if self.way == "local":
            return VectorDatabaseManager(VectorDatabaseConfig(provider="qdrant", path=str(self.path / "local")))
        options = MappingProxyType({"grpc": self.way, "grpc_port": str(self.port)})
        return VectorDatabaseManager(
            VectorDatabaseConfig(provider="qdrant", url=self.url, max_retries=0, options=options)
        )

    @asynccontextmanager
    async def filled(self, **options: Any) -> AsyncIterator[Any]:
        async with self.manager() as db:
            docs = await db.create_collection("docs", dimension=2, metric="euclidean", **options)
            await docs.upsert(RECORDS)
            yield docs


@pytest.fixture(params=WAYS)
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    app = QdrantServer(tmp_path)
    try:
        with serve(app) as rest, serve_grpc(app) as port:
            yield Place(request.param, tmp_path, app, f"http://127.0.0.1:{rest}", port)
    finally:
        app.close()


async def ids(docs: Any, text: str, **options: Any) -> list[str]:
    return list((await docs.search(text=text, mode="keyword", **options)).ids)


async def test_words_are_written_overwritten_and_deleted(place: Place) -> None:
    async with place.filled(keywords="en") as docs:
        assert set(await ids(docs, "apples")) == {"a", "b"}
        await docs.upsert([Record("a", vector=[5, 6], text="A pear."), Record("b", vector=[5, 6])])
        assert await ids(docs, "apples") == []
        assert set(await ids(docs, "pear")) == {"a", "c"}
        await docs.delete(["c"])
        assert await ids(docs, "pear") == ["a"]


async def test_vectors_come_back_as_they_were_and_searches_by_them_see_no_words(place: Place) -> None:
    async with place.filled(keywords="en") as docs:
        [match, *_] = await docs.search(text="pears", mode="keyword", include_vectors=True)
        assert match.vector.tolist() == [1, 2]
        assert [record.vector.tolist() for record in await docs.get(["a", "d"])] == [[1, 0], [1, 3]]
        assert [record.vector.tolist() async for record in docs.scan()]
        near = await docs.search([1, 3], include_vectors=True, top_k=2)
        assert [(one.id, one.vector.tolist()) for one in near] == [("d", [1, 3]), ("c", [1, 2])]
        both = await docs.search([1, 3], text="red apple", mode="hybrid", include_vectors=True)
        assert {one.id: one.vector.tolist()[1] for one in both} == {"a": 0, "b": 1, "c": 2, "d": 3}


async def test_changed_metadata_leaves_the_words(place: Place) -> None:
    async with place.filled(keywords="en") as docs:
        await docs.update_metadata(set={"n": 9}, filter=F("n") < 2)
        assert set(await ids(docs, "apples", filter=F("n") == 9)) == {"a", "b"}


async def test_filters_and_scopes_hold_before_ranking(place: Place) -> None:
    async with place.filled(keywords="en") as docs:
        many = [Record(f"r{n}", vector=[1, n], text="apple apple", metadata={"n": 100 + n}) for n in range(120)]
        await docs.upsert(many)
        other = docs.within(Scope("t"))
        await other.upsert(many)
        assert await ids(docs, "apples", filter=F("n") < 1, top_k=3) == ["a"]
        assert set(await ids(docs, "apples", filter=F("n") >= 100, top_k=200)) == {record.id for record in many}
        assert set(await ids(other, "apples", top_k=200)) == {record.id for record in many}
        assert await ids(other, "pears") == []


async def test_an_index_on_a_collection_that_was_there_takes_in_old_and_new(place: Place) -> None:
    async with place.filled() as docs:
        await docs.within(Scope("t")).upsert(RECORDS[:2])
        await docs.create_keyword_index("en")
        await docs.upsert([Record("e", vector=[1, 9], text="apples")])
        assert set(await ids(docs, "apples")) == {"a", "b", "e"}
        assert set(await ids(docs.within(Scope("t")), "green apples")) == {"a", "b"}
        assert [record.vector.tolist() for record in await docs.get(["a"])] == [[1, 0]]


async def test_scores_are_exact_where_texts_are_far_longer_than_usual(place: Place) -> None:
    async with place.filled(keywords="en") as docs:
        filler = "word " * 1500
        await docs.delete(list(TEXTS))
        await docs.upsert(
            [Record(f"r{n:02}", vector=[1, n], text=filler + "apple " * n + "pear " * (n % 3)) for n in range(1, 60)]
        )
        found = await docs.search(text="apple pear", mode="keyword", top_k=5, exact=True)
        assert found.exact
        assert [match.score for match in found] == sorted((match.score for match in found), reverse=True)
        every = await docs.search(text="apple pear", mode="keyword", top_k=60)
        assert every.ids[:5] == found.ids


async def test_a_table_of_words_is_kept_with_the_collection(place: Place) -> None:
    table = np.random.default_rng(1).bytes(30_000).hex()[:40_000]
    async with place.filled(keywords="en") as docs:
        store = docs._bound().store
        words = WordSnapshot(version=7, records=3, mean_length=12.5, rest=2, total=4, table=table)
        await store.set_words("docs", words)
        described = await store.describe_collection("docs")
        assert described.words == words
    async with place.manager() as db:
        described = await (await db.collection("docs"))._bound().store.describe_collection("docs")
        assert described.words == words


async def test_words_of_points_that_are_gone_are_not_written(place: Place) -> None:
    async with place.filled(keywords="en") as docs:
        bound = docs._bound()
        writer, driver = bound.store._writer, bound.store.driver
        fetch = driver.fetch_keys

        async def and_then_gone(*arguments: Any, **options: Any) -> Any:
            rows = await fetch(*arguments, **options)
            await driver.remove_keys(bound.info, [row.key for row in rows][:2], scope=Scope())
            return rows

        driver.fetch_keys = and_then_gone
        await writer.write_words(bound.info, Scope(), list(TEXTS))
        driver.fetch_keys = fetch
        assert await docs.count() == 2


async def test_nothing_of_words_is_sent_for_a_collection_without(place: Place) -> None:
    async with place.filled() as docs:
        await docs.search([1, 0], include_vectors=True)
        await docs.get(["a"])
        await docs.update_metadata(["a"], set={"n": 2})
        points = [body for path, body in place.sent if "/points" in path]
        assert TERMS not in str(points)
        assert all(body.get("with_vector") in (None, True, False) for body in points)
        assert (place.way == "local") is not bool(points)


async def test_a_collection_that_was_made_without_the_vector_gets_it_or_says_what_to_do(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place.way == "local":
        pytest.skip("every collection of the local mode is of this version")
    async with place.filled() as docs, httpx.AsyncClient(base_url=place.url) as client:
        described = (await client.get("/collections/docs")).json()["result"]
        for name in ("docs", "late"):
            await client.delete(f"/collections/{name}")
            metadata = {"vpa": described["config"]["metadata"]["vpa"].replace('"name": "docs"', f'"name": "{name}"')}
            body = {"vectors": {"size": 2, "distance": "Euclid"}, "metadata": metadata}
            await client.put(f"/collections/{name}", json=body)
        await docs.upsert(RECORDS)
        await docs.create_keyword_index("en")
        assert set(await ids(docs, "apples")) == {"a", "b"}
        monkeypatch.setattr(_Collection, "adds_vectors", False)
        async with place.manager() as db:
            late = await db.collection("late")
            with pytest.raises(errors.ConfigurationError, match="vpa migrate"):
                await late.create_keyword_index("en")
            assert late.info.keywords is None


def test_an_upsert_with_sparse_vectors_is_what_the_client_would_send() -> None:
    vectors = np.random.default_rng(1).standard_normal((3, 70)).astype(np.float32)
    names = [f"00000000-0000-8000-8000-{n:012}" for n in range(3)]
    both = {TERMS: ([7, 2**32 - 1], [0.5, 1.25]), SPARSE: ([3], [-2.0])}
    named: list[Any] = [{}, both, {SPARSE: (list(range(300)), [0.1] * 300)}]
    theirs = [
        models.PointStruct(
            id=name,
            vector={"": vector.tolist(), **{name: as_model(sparse) for name, sparse in others.items()}}
            if others
            else vector.tolist(),
            payload={"id": "x"},
        )
        for name, vector, others in zip(names, vectors, named, strict=True)
    ]
    wire = messages.upsert("docs", names, vectors=vectors, payloads=[{"id": "x"}] * 3, named=named)
    assert messages.messages.UpsertPoints.FromString(wire) == messages.messages.UpsertPoints(
        collection_name="docs", wait=True, points=[RestToGrpc.convert_point_struct(point) for point in theirs]
    )


def test_a_question_of_words_is_what_the_client_would_send() -> None:
    chosen, selection = filters.spell(Where(Scope("t"))), Selection(vectors=True, named=True)
    wire = messages.sparse_query("docs", ([3, 9], [0.5, 2.0]), chosen, using=TERMS, limit=7, selection=selection)
    nearest = models.NearestQuery(nearest=models.SparseVector(indices=[3, 9], values=[0.5, 2.0]))
    assert messages.messages.QueryPoints.FromString(wire) == messages.messages.QueryPoints(
        collection_name="docs",
        query=RestToGrpc.convert_query(nearest),
        using=TERMS,
        filter=messages.filter_of(chosen),
        limit=7,
        with_payload=messages.payload_selector(selection),
        with_vectors=RestToGrpc.convert_with_vectors([""]),
    )
