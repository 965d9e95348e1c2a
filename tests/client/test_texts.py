"""Texts in and texts asked for, on a collection that has an embedder."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vpa
import vpa.sync
from vpa import errors
from vpa.base.arrays import FloatMatrix


class Counting(vpa.Embedder):
    """Two axes: letters a, and the rest. Counts what it was asked."""

    def __init__(self, name: str = "counting") -> None:
        self._name = name
        self.texts: list[str] = []
        self.closed = 0

    @property
    def identity(self) -> vpa.EmbeddingIdentity:
        return vpa.EmbeddingIdentity(name=self._name, dimension=2)

    async def embed(self, texts: Sequence[str], *, kind: str) -> FloatMatrix:
        self.texts += texts
        return np.asarray([[text.count("a") + 0.1, len(text) - text.count("a") + 0.1] for text in texts], np.float32)

    async def close(self) -> None:
        self.closed += 1


@pytest.fixture
async def db() -> AsyncIterator[vpa.VectorDatabaseManager]:
    async with vpa.connect("mock://") as manager:
        yield manager


async def test_texts_are_embedded_and_searched_and_the_model_is_remembered(db: vpa.VectorDatabaseManager) -> None:
    docs = await db.create_collection("docs", embedder=Counting())
    assert (docs.info.dimension, str(docs.info.embedding)) == (2, "counting")
    ids = await docs.add_texts(["aaa", "bbb"], metadata=[{"n": 1}, {"n": 2}])
    assert len(set(ids)) == 2
    assert (await docs.search(text="aa")).ids == ids
    assert [found.ids[0] for found in await docs.search_batch(texts=["b", "a"])] == ids[::-1]
    assert (await docs.search(text="aa", filter={"n": 2})).ids == ids[1:]
    assert [record.text for record in await docs.get(ids)] == ["aaa", "bbb"]
    assert await docs.search_batch(texts=[]) == []


async def test_ids_and_one_mapping_for_all_are_taken(db: vpa.VectorDatabaseManager) -> None:
    docs = await db.create_collection("docs", embedder=Counting())
    scope = vpa.Scope("acme")
    assert await docs.add_texts(["aa", "bb"], ids=["x", "y"], metadata={"by": "me"}, scope=scope) == ["x", "y"]
    assert [record.metadata async for record in docs.scan(scope=scope)] == [{"by": "me"}] * 2
    assert await docs.add_texts([]) == []


async def test_nothing_is_embedded_where_anything_is_wrong(db: vpa.VectorDatabaseManager) -> None:
    model = Counting()
    docs = await db.create_collection("docs", embedder=model)
    for texts, options in (
        (["a", "b"], {"ids": ["x"]}),
        (["a", "b"], {"metadata": [{}]}),
        (["a", "b"], {"metadata": [{}, {"m": {"x": object()}}]}),
        (["a", "b"], {"ids": ["x", "x"]}),
        (["a", " "], {}),
        (["a", 5], {}),
        ("ab", {}),
        (["a"], {"ids": [""]}),
    ):
        with pytest.raises(errors.InvalidRecordError):
            await docs.add_texts(texts, **options)  # type: ignore[arg-type]
    for text in ("", " ", "\ud800"):
        with pytest.raises(errors.InvalidQueryError):
            await docs.search_batch(texts=["a", text])
    assert model.texts == []


async def test_without_an_embedder_the_error_says_how_to_give_one(db: vpa.VectorDatabaseManager) -> None:
    docs = await db.create_collection("docs", dimension=2)
    for call in (docs.add_texts(["a"]), docs.search(text="a"), docs.search_batch(texts=["a"])):
        with pytest.raises(errors.ConfigurationError, match=r"db\.collection\('docs', embedder="):
            await call


async def test_a_query_is_a_vector_or_a_text(db: vpa.VectorDatabaseManager) -> None:
    docs = await db.create_collection("docs", embedder=Counting())
    with pytest.raises(errors.InvalidQueryError, match=r"text='aa'"):
        await docs.search("aa")
    for call in (docs.search(), docs.search([1, 0], text="a"), docs.search_batch(), docs.search_batch(texts="ab")):
        with pytest.raises(errors.InvalidQueryError):
            await call


async def test_another_model_than_the_stored_one_is_refused(db: vpa.VectorDatabaseManager) -> None:
    await db.create_collection("docs", embedder=Counting())
    for call in (db.collection("docs", embedder=Counting("other")), db.open_collection("docs", embedder=Counting("x"))):
        with pytest.raises(errors.EmbeddingMismatchError, match="counting"):
            await call
    with pytest.raises(errors.DimensionMismatchError, match="leave dimension out"):
        await db.create_collection("more", dimension=3, embedder=Counting())
    docs = await db.collection("docs", embedder=Counting())
    assert len(await docs.add_texts(["a"])) == 1


async def test_a_collection_without_a_model_takes_one(db: vpa.VectorDatabaseManager) -> None:
    await db.create_collection("empty", dimension=2)
    assert str((await db.collection("empty", embedder=Counting())).info.embedding) == "counting"
    filled = await db.create_collection("filled", dimension=2)
    # Only in another scope: it is not empty.
    await filled.upsert([vpa.Record("a", vector=[1, 0], text="aa")], scope=vpa.Scope("acme"))
    docs = await db.collection("filled", embedder=Counting())
    assert docs.info.embedding is None
    assert (await docs.search(text="aa", scope=vpa.Scope("acme"))).ids == ["a"]
    with pytest.raises(errors.EmbeddingMismatchError):
        await filled.adopt_embedding(Counting().identity)


async def test_open_makes_what_is_missing_and_opens_what_is_there(db: vpa.VectorDatabaseManager) -> None:
    made = await db.open_collection("docs", dimension=2, metric="dot")
    await made.upsert({"id": "a", "vector": [1, 0]})
    assert await (await db.open_collection("docs")).count() == 1
    assert await (await db.open_collection("docs", dimension=2)).count() == 1
    with pytest.raises(errors.DimensionMismatchError):
        await db.open_collection("docs", dimension=3)
    with pytest.raises(errors.ConfigurationError, match="metric"):
        await db.open_collection("docs", metric="cosine")
    with pytest.raises(errors.ConfigurationError, match="needs a dimension"):
        await db.open_collection("new")


async def test_an_embedder_of_the_caller_stays_open_one_by_name_is_loaded_once() -> None:
    model = Counting()
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", embedder=model)
        await docs.add_texts(["a"])
        named = await db.create_collection("named", embedder="hashing")
        await named.add_texts(["one word", "another"])
        assert (await named.search(text="word"))[0].text == "one word"
        assert (await db.open_collection("third", embedder="hashing")).info.embedding == named.info.embedding
    assert model.closed == 0


async def test_each_handle_has_its_own_embedder_and_opening_takes_the_callers_word(
    db: vpa.VectorDatabaseManager,
) -> None:
    filled = await db.create_collection("filled", dimension=2)
    await filled.upsert([vpa.Record("a", vector=[1, 0], text="aa")])
    one, two = Counting("one"), Counting("two")
    first = await db.collection("filled", embedder=one)
    await first.within(vpa.Scope("acme")).search(text="first")
    assert one.texts == ["first"]
    # It is the caller's word, and only one; a handle without an embedder has none.
    with pytest.raises(errors.EmbeddingMismatchError, match="is open here with one, not with two"):
        await db.open_collection("filled", embedder=two)
    with pytest.raises(errors.ConfigurationError, match="opened without one"):
        await filled.search(text="third")
    await filled.adopt_embedding(vpa.EmbeddingIdentity(name="two", dimension=2), vouched=True)
    with pytest.raises(errors.EmbeddingMismatchError, match="holds vectors of two, the model in use is one"):
        await first.add_texts(["written with the wrong one"])
    # Another handle of the model that a collection is known to have serves one that was given none.
    await db.create_collection("known", embedder=one)
    await (await db.collection("known")).search(text="fourth")
    assert one.texts[-1] == "fourth"


async def test_of_two_models_that_open_an_empty_collection_at_once_one_is_refused(
    db: vpa.VectorDatabaseManager,
) -> None:
    for _ in range(5):
        await db.create_collection("empty", dimension=2)
        handles = await asyncio.gather(
            *(db.collection("empty", embedder=Counting(name)) for name in ("one", "two")), return_exceptions=True
        )
        refused = [one for one in handles if isinstance(one, errors.EmbeddingMismatchError)]
        assert len(refused) == 1
        await db.drop_collection("empty")


async def test_a_decorated_function_is_another_model(db: vpa.VectorDatabaseManager) -> None:
    def embed(texts: list[str]) -> list[list[float]]:
        return [[float(len(text)), 1.0] for text in texts]

    def prefixed(prefix: str, function: Any) -> Any:
        @functools.wraps(function)
        def call(texts: list[str]) -> Any:
            return function([prefix + text for text in texts])

        return call

    plain = await db.open_collection("plain", embedder=embed)
    other = await db.open_collection("other", embedder=prefixed("passage: ", embed))
    for docs, length in ((plain, 1.0), (other, 10.0)):
        await docs.add_texts(["x"], ids=["a"])
        [record] = await docs.get(["a"])
        assert record.vector is not None
        assert float(record.vector[0] / record.vector[1]) == pytest.approx(length)


async def test_one_model_wrapped_anew_for_each_opening_is_kept_once(db: vpa.VectorDatabaseManager) -> None:
    def embed(texts: list[str]) -> list[list[float]]:
        return [[float(len(text)), 1.0] for text in texts]

    before = threading.active_count()
    for _ in range(20):
        docs = await db.open_collection("docs", embedder=vpa.as_embedder(embed, name="m"))
        await docs.search(text="x")
    assert threading.active_count() <= before + 3


async def test_a_method_of_an_object_is_one_model() -> None:
    class Model:
        def __init__(self) -> None:
            self.calls = 0

        def embed(self, texts: list[str]) -> list[list[float]]:
            self.calls += 1
            return [[1.0, 0.0] for _ in texts]

    model = Model()
    async with vpa.connect("mock://") as db:
        for _ in range(5):
            await db.open_collection("docs", embedder=model.embed)
    # Asked once for its dimension.
    assert model.calls == 1
    model.calls = 0
    with vpa.sync.connect("mock://") as twin:
        for _ in range(5):
            twin.open_collection("docs", embedder=model.embed)
    assert model.calls == 1


async def test_opening_an_empty_collection_to_read_writes_nothing(tmp_path: Path) -> None:
    async with vpa.connect(tmp_path) as db:
        await db.create_collection("docs", dimension=2)
        async with vpa.connect(tmp_path, read_only=True) as reader:
            docs = await reader.collection("docs", embedder=Counting())
            assert docs.info.embedding is None
            assert (await docs.search(text="a")).ids == []


async def test_texts_whose_ids_exist_are_replaced_skipped_or_refused(db: vpa.VectorDatabaseManager) -> None:
    model = Counting()
    docs = await db.create_collection("docs", embedder=model)
    await docs.add_texts(["old"], ids=["a"], metadata={"n": 1})
    assert await docs.add_texts(["new", "b"], ids=["a", "b"], metadata=[{"n": 2}, {"n": 3}], on_conflict="skip") == [
        "a",
        "b",
    ]
    assert model.texts == ["old", "b"]
    assert [(one.text, one.metadata) for one in await docs.get(["a", "b"])] == [("old", {"n": 1}), ("b", {"n": 3})]
    with pytest.raises(errors.RecordExistsError, match="1 ids exist, nothing was written: 'a'"):
        await docs.add_texts(["new", "c"], ids=["a", "c"], on_conflict="error")
    assert model.texts == ["old", "b"]
    await docs.add_texts(["new"], ids=["a"])
    assert (await docs.get(["a"]))[0].text == "new"
    with pytest.raises(errors.InvalidQueryError, match="on_conflict"):
        await docs.add_texts(["x"], on_conflict="merge")  # type: ignore[arg-type]
    with pytest.raises(errors.InvalidRecordError, match=r"text 1.*'n'"):
        await docs.add_texts(["x", "y"], metadata=[{"n": 1}, {"n": float("nan")}])
    with pytest.raises(errors.InvalidRecordError, match="texts alone are embedded by add_texts"):
        await docs.upsert([{"id": "t", "text": "alone"}])


def test_the_synchronous_names_do_the_same() -> None:
    with vpa.sync.connect("mock://") as db:
        docs = db.open_collection("docs", embedder=Counting())  # type: ignore[attr-defined]
        ids = docs.add_texts(iter(["aaa", "bbb"]))
        assert docs.search(text="aa").ids == ids
        assert docs.within(vpa.Scope("acme")).count() == 0
