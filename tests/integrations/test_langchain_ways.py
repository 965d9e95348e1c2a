"""What users of LangChain do with a vector store, beyond its standard tests."""

from __future__ import annotations

import asyncio
import datetime
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.indexing import aindex, index
from langchain_core.structured_query import Comparator, Comparison, Operation, Operator, StructuredQuery
from langchain_tests.integration_tests.base_store import BaseStoreAsyncTests, BaseStoreSyncTests

import vpa
from deployments import PROVIDERS, RunningStores
from vpa.integrations.langchain import VPAVectorStore
from vpa.integrations.langchain_cache import VPAByteStore
from vpa.integrations.langchain_index import VPARecordManager
from vpa.integrations.langchain_query import VPATranslator
from vpa.integrations.payload import UNFILTERED


class Counting(Embeddings):
    """Two axes: how much of a text is `a`, and how much is `b`; counts what it is asked."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.calls.append(len(texts))
        return [[float(text.count("a")), float(text.count("b"))] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return [float(text.count("a")), float(text.count("b"))]


@pytest.mark.parametrize(
    ("verb", "keywords", "message"),
    [
        ("similarity_search", {"query": "a", "where": {}}, "similarity_search takes filter, not where"),
        ("similarity_search", {"query": "a", "filters": {}}, "similarity_search takes filter, not filters"),
        ("similarity_search", {"query": "a", "top_k": 2}, "similarity_search takes k, not top_k"),
        ("similarity_search_by_vector", {"query_vector": [1.0]}, "takes embedding, not query_vector"),
        ("add_texts", {"texts": ["a"], "metadata": [{}]}, "add_texts takes metadatas, not metadata"),
        ("delete", {"where": {}}, "delete takes filter, not where"),
        ("get", {"filter": {}}, "get takes where, not filter"),
    ],
)
def test_an_argument_of_another_library_is_answered_with_ours(
    verb: str, keywords: dict[str, Any], message: str
) -> None:
    with VPAVectorStore(Counting()) as store, pytest.raises(TypeError, match=message):
        getattr(store, verb)(**keywords)


def test_the_constructor_says_what_it_takes() -> None:
    for wrong, message in (({"url": "x"}, "takes place, not url"), ({"persist_directory": "x"}, "takes place, not")):
        with pytest.raises(TypeError, match=f"VPAVectorStore {message}"):
            VPAVectorStore(Counting(), **wrong)
    with pytest.raises(TypeError, match="VPAByteStore takes place, not path"):
        VPAByteStore(path="x")  # type: ignore[call-arg]


@pytest.fixture(params=PROVIDERS)
def store(request: pytest.FixtureRequest, stores: RunningStores) -> Iterator[VPAVectorStore]:
    place = stores.config(PROVIDERS[request.param])
    with VPAVectorStore(Counting(), place=place, collection_name="ways") as made:
        made.add_texts(
            ["aaa", "aab", "abb", "bbb"],
            [{"n": 0}, {"n": 1}, {"n": 2, "kind": "mixed"}, {"n": 3}],
            ids=["d0", "d1", "d2", "d3"],
        )
        yield made
    with VPAVectorStore(Counting(), place=place, collection_name="ways") as again:
        again.delete_collection()


def ids(documents: list[Document]) -> list[str | None]:
    return [document.id for document in documents]


async def test_eight_first_additions_at_once_keep_eight_texts(tmp_path: Path) -> None:
    async with VPAVectorStore(DeterministicFakeEmbedding(size=6), place=f"mock://{tmp_path}") as store:
        await asyncio.gather(*(store.aadd_texts([f"text {n}"], ids=[str(n)]) for n in range(8)))
        assert len(await store.aget_by_ids([str(n) for n in range(8)])) == 8


def test_a_second_store_lives_beside_an_old_retriever(tmp_path: Path) -> None:
    place = f"mock://{tmp_path}"
    retriever = VPAVectorStore.from_texts(["a"], Counting(), place=place).as_retriever(search_kwargs={"k": 1})
    with VPAVectorStore(Counting(), place=place, collection_name="others") as second:
        second.add_texts(["b"])
        assert [one.page_content for one in retriever.invoke("a")] == ["a"]
    assert [one.page_content for one in retriever.invoke("a")] == ["a"]


def test_after_close_nothing_is_embedded_and_every_call_raises(store: VPAVectorStore) -> None:
    store.close()
    for call in (
        lambda: store.add_texts(["a"]),
        lambda: store.similarity_search("a"),
        lambda: store.delete(["d0"]),
        lambda: store.get_by_ids(["d0"]),
        lambda: store.max_marginal_relevance_search("a"),
    ):
        with pytest.raises(vpa.ClosedError):
            call()
    assert store.embeddings.calls == [4]  # type: ignore[attr-defined]


def test_malformed_lists_are_refused_before_anything_is_embedded() -> None:
    with VPAVectorStore(Counting()) as store:
        for options in ({"metadatas": [{}]}, {"ids": ["x"]}, {"metadatas": [{"x": object()}, {}]}):
            with pytest.raises(vpa.InvalidRecordError):
                store.add_texts(["a", "b"], **options)  # type: ignore[arg-type]
        assert store.embeddings.calls == []  # type: ignore[attr-defined]
        mixed: Any = [None, {"n": 1}]
        store.add_texts(["a", "b"], mixed, ids=["x", None])  # type: ignore[list-item]
        assert store.get_by_ids(["x"])[0].metadata == {}
        assert store.add_texts([]) == []


def test_a_batch_size_parts_the_work(store: VPAVectorStore) -> None:
    assert len(store.add_texts(["a"] * 5, batch_size=2)) == 5
    assert store.embeddings.calls == [4, 2, 2, 1]  # type: ignore[attr-defined]


def test_delete_honours_ids_and_filter_and_refuses_neither(store: VPAVectorStore) -> None:
    store.delete(["d0", "d1"], filter={"n": {"$gte": 1}})
    assert ids(store.get_by_ids(["d0", "d1"])) == ["d0"]
    with pytest.raises(vpa.InvalidFilterError, match="had neither"):
        store.delete()
    store.delete([])
    store.delete(filter={"kind": "mixed"})
    assert store.get()["ids"] == ["d0", "d3"]


@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
def test_relevance_is_the_score_and_a_threshold_means_one_thing(metric: str) -> None:
    with VPAVectorStore(Counting(), metric=metric) as store:
        store.add_texts(["a", "ab", "aabb", "b"], ids=["a", "ab", "aabb", "b"])
        scores = {one.id: score for one, score in store.similarity_search_with_score("a", k=4)}
        relevances = {one.id: score for one, score in store.similarity_search_with_relevance_scores("a", k=4)}
        assert relevances == {name: min(1.0, max(0.0, score)) for name, score in scores.items()}
        for threshold in (0.3, 0.6, 1.0 - 1e-6):
            above = {name for name, score in scores.items() if score >= threshold}
            retriever = store.as_retriever(
                search_type="similarity_score_threshold", search_kwargs={"k": 4, "score_threshold": threshold}
            )
            assert set(ids(retriever.invoke("a"))) == above
            assert set(ids(store.similarity_search("a", 4, score_threshold=threshold))) == above
            found = store.similarity_search_with_score("a", k=4, score_threshold=threshold)
            assert {one.id for one, _ in found} == above


def test_another_metric_and_another_model_are_refused(tmp_path: Path) -> None:
    class Named(Counting):
        def __init__(self, model: str) -> None:
            super().__init__()
            self.model = model

    place = f"mock://{tmp_path}"
    with VPAVectorStore(Named("small"), place=place) as first:
        first.add_texts(["a"])
        with (
            VPAVectorStore(Named("small"), place=place, metric="dot") as dot,
            pytest.raises(vpa.ConfigurationError, match="has metric cosine, dot was asked for"),
        ):
            dot.similarity_search("a")
        with (
            VPAVectorStore(Named("large"), place=place) as other,
            pytest.raises(vpa.EmbeddingMismatchError, match="vectors of small, the model in use is large"),
        ):
            other.similarity_search("a")


async def test_diversity_by_text_and_by_vector_agree(store: VPAVectorStore) -> None:
    by_text = ids(store.max_marginal_relevance_search("aab", 2, 4, 0.1))
    assert ids(store.max_marginal_relevance_search_by_vector([2.0, 1.0], 2, 4, 0.1)) == by_text
    assert ids(await store.amax_marginal_relevance_search_by_vector([2.0, 1.0], 2, 4, 0.1)) == by_text
    assert by_text == ["d1", "d3"]
    retriever = store.as_retriever(search_type="mmr", search_kwargs={"k": 1, "filter": {"n": 3}})
    assert ids(await retriever.ainvoke("a")) == ["d3"]


async def test_a_filter_may_be_the_third_argument(store: VPAVectorStore) -> None:
    assert ids(store.similarity_search("a", 4, {"n": 2})) == ["d2"]
    assert [one.id for one, _ in store.similarity_search_with_score("a", 4, {"n": 2})] == ["d2"]
    assert ids(await store.asimilarity_search_by_vector([1.0, 0.0], 4, {"n": 2})) == ["d2"]


async def test_get_by_ids_and_where(store: VPAVectorStore) -> None:
    assert store.get(where={"n": {"$gte": 2}}) == {
        "ids": ["d2", "d3"],
        "documents": ["abb", "bbb"],
        "metadatas": [{"n": 2, "kind": "mixed"}, {"n": 3}],
    }
    assert store.get(["d3", "d0"], {"n": 0})["ids"] == ["d0"]
    assert (await store.aget(limit=2, offset=1))["ids"] == ["d1", "d2"]


async def test_documents_are_updated(store: VPAVectorStore) -> None:
    store.update_document("d0", Document(page_content="bb", metadata={"n": 9}))
    await store.aupdate_documents(["d3"], [Document(page_content="aa")])
    assert [one.page_content for one in store.get_by_ids(["d0", "d3"])] == ["bb", "aa"]
    assert ids(store.similarity_search("a", k=1)) == ["d3"]


async def test_the_ways_to_make_one(tmp_path: Path) -> None:
    place = f"mock://{tmp_path}"
    documents = [Document(id="x", page_content="a", metadata={"n": 1})]
    made = await VPAVectorStore.afrom_documents(documents, Counting(), place=place, collection_name="made")
    there = VPAVectorStore.from_existing(Counting(), place=place, collection_name="made")
    assert there.get_by_ids(["x"]) == documents
    with pytest.raises(vpa.CollectionNotFoundError, match="no collection 'missing'"):
        VPAVectorStore.from_existing(Counting(), place=place, collection_name="missing")
    async with vpa.connect("mock://") as db:
        on_manager = VPAVectorStore(Counting(), place=db, collection_name="given")
        await on_manager.aadd_texts(["a"], ids=["y"])
        assert await (await db.collection("given")).count() == 1
    for store in (made, there):
        store.close()


def test_what_loaders_write_is_kept_and_comes_back() -> None:
    written = {"source": "a.pdf", "boxes": [{"page": 1, "at": [1, 2]}], "rate": math.nan, "$x": 1}
    with VPAVectorStore(Counting()) as store:
        store.add_documents([Document(id="x", page_content="a", metadata=written)])
        [back] = store.similarity_search("a", filter={"source": "a.pdf"})
        assert math.isnan(back.metadata.pop("rate"))
        assert back.metadata == {key: value for key, value in written.items() if key != "rate"}
        assert UNFILTERED == "unfiltered_json"
        with pytest.raises(vpa.InvalidRecordError, match="type date"):
            store.add_texts(["a"], [{"day": datetime.date(2024, 1, 1)}])


@pytest.mark.parametrize("cleanup", ["incremental", "full", "scoped_full"])
async def test_indexing_adds_skips_and_cleans_up(cleanup: Any, tmp_path: Path) -> None:
    place = f"mock://{tmp_path}"
    options: Any = {"cleanup": cleanup, "source_id_key": "source", "key_encoder": "blake2b"}

    def documents(*texts: str) -> list[Document]:
        return [Document(page_content=text, metadata={"source": "s"}) for text in texts]

    with VPAVectorStore(Counting(), place=place) as store, VPARecordManager("vpa/docs", place=place) as manager:
        manager.create_schema()
        first = index(documents("a", "ab", "b"), manager, store, batch_size=2, **options)
        assert (first["num_added"], first["num_skipped"]) == (3, 0)
        again = await aindex(documents("a", "abb"), manager, store, **options)
        assert (again["num_added"], again["num_skipped"], again["num_deleted"]) == (1, 1, 2)
        assert sorted(store.get()["documents"]) == ["a", "abb"]
        assert len(await manager.alist_keys()) == 2


def test_a_record_manager_keeps_namespaces_and_times_apart() -> None:
    now = 1000.0
    with vpa.sync.connect("mock://") as db:
        first, other = (VPARecordManager(name, place=db, clock=lambda: now) for name in ("one", "two"))
        first.update(["k1", "k2"], group_ids=["g", None])
        now = 2000.0
        other.update(["k1"])
        first.update(["k3"], group_ids=["g"])
        assert first.exists(["k1", "k9"]) == [True, False]
        assert sorted(first.list_keys(before=1500)) == ["k1", "k2"]
        assert first.list_keys(after=1000, group_ids=["g"]) == ["k3"]
        assert len(first.list_keys(limit=2)) == 2
        first.delete_keys(["k1", "k2", "k3"])
        assert (first.list_keys(), other.list_keys()) == ([], ["k1"])
        with pytest.raises(ValueError, match="before time_at_least"):
            first.update(["k"], time_at_least=3000.0)
        with pytest.raises(ValueError, match="one for each key"):
            first.update(["k"], group_ids=["a", "b"])


class TestBytes(BaseStoreSyncTests[bytes]):
    @pytest.fixture
    def kv_store(self) -> Iterator[VPAByteStore]:  # type: ignore[override]
        with VPAByteStore() as made:
            yield made

    @pytest.fixture
    def three_values(self) -> tuple[bytes, bytes, bytes]:
        return b"\0foo", b"", b"\xff" * 1000


class TestBytesAwaited(BaseStoreAsyncTests[bytes]):
    @pytest.fixture
    async def kv_store(self) -> Any:
        async with VPAByteStore() as made:
            yield made

    @pytest.fixture
    def three_values(self) -> tuple[bytes, bytes, bytes]:
        return b"\0foo", b"", b"\xff" * 1000


def test_structured_queries_become_filters(store: VPAVectorStore) -> None:
    def compared(comparator: Comparator, value: Any) -> Comparison:
        return Comparison(comparator=comparator, attribute="n", value=value)

    either = Operation(
        operator=Operator.OR,
        arguments=[
            compared(Comparator.GTE, 3),
            Operation(
                operator=Operator.AND,
                arguments=[
                    compared(Comparator.LT, 2),
                    Operation(operator=Operator.NOT, arguments=[compared(Comparator.IN, [0])]),
                ],
            ),
        ],
    )
    text, keywords = VPATranslator().visit_structured_query(StructuredQuery(query="a", filter=either, limit=3))
    assert keywords["k"] == 3
    assert sorted(ids(store.similarity_search(text, **keywords))) == ["d1", "d3"]  # type: ignore[type-var]
    day = Comparison(comparator=Comparator.EQ, attribute="day", value={"date": "2024-01-31", "type": "date"})
    assert day.accept(VPATranslator()) == {"day": {"$eq": "2024-01-31"}}
    with pytest.raises(vpa.UnsupportedFilterError, match="vpa has no like"):
        compared(Comparator.LIKE, "x").accept(VPATranslator())


def test_a_misspelt_collection_is_told_once_and_a_filter_for_everything_is_refused(tmp_path: Path) -> None:
    with VPAVectorStore(Counting(), place=tmp_path, collection_name="notes") as store:
        store.add_texts(["a"])
        for everything in ({}, {"n": {"$nin": []}}):
            with pytest.raises(vpa.InvalidFilterError, match=r"delete_collection\(\) removes everything"):
                store.delete(filter=everything)
        with (
            VPAVectorStore(Counting(), place=tmp_path, collection_name="noets") as other,
            structlog.testing.capture_logs() as logged,
        ):
            assert other.similarity_search("a") == other.similarity_search("b") == []
        assert [line["event"] for line in logged] == [
            "no collection 'noets', so nothing is found; did you mean 'notes'?"
        ]
