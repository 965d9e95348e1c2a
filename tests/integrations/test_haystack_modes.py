"""Haystack's retrieval by words, and by words and embeddings together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from haystack import Document, Pipeline
from haystack.document_stores.types import FilterPolicy

import vpa
from haystack_integrations.components.retrievers.vpa import VPABM25Retriever, VPAEmbeddingRetriever, VPAHybridRetriever
from haystack_integrations.document_stores.vpa import VPADocumentStore
from vpa.integrations import haystack

# By embedding "car" is nearest to [1, 0], by words those texts are that hold them.
ROWS: dict[str, tuple[str, list[float] | None]] = {
    "car": ("a red car, model X-200b", [1.0, 0.0]),
    "tea": ("green tea", [0.9, 0.1]),
    "port": ("ports and cars by the sea", [0.6, 0.8]),
    "boat": ("a boat at sea", [0.0, 1.0]),
    "bare": ("sea, sea, sea", None),
}
NOT_BARE = {"field": "meta.letters", "operator": "!=", "value": 0}
RED = [1.0, 0.0]


def documents() -> list[Document]:
    return [
        Document(id=name, content=text, embedding=vector, meta={"letters": len(name) if vector else 0})
        for name, (text, vector) in ROWS.items()
    ]


@pytest.fixture
def store() -> Iterator[VPADocumentStore]:
    with VPADocumentStore(metric="cosine", keywords="en") as made:
        made.write_documents(documents())
        yield made


def ids(answer: Any) -> list[str]:
    return [document.id for document in (answer["documents"] if isinstance(answer, dict) else answer)]


async def test_words_find_documents_with_and_without_an_embedding(store: VPADocumentStore) -> None:
    best = store.bm25_retrieval("the seas")
    assert ids(best) == ["bare", "boat", "port"]
    scores = [document.score for document in best]
    assert scores == sorted(scores, reverse=True)  # type: ignore[type-var]
    assert scores[-1] > 0  # type: ignore[operator]
    assert ids(await store.bm25_retrieval_async("x-200B")) == ["car"]
    assert ids(store.bm25_retrieval("sea", filters=NOT_BARE, top_k=1)) == ["boat"]
    assert [document.embedding for document in store.bm25_retrieval("sea", return_embedding=True)][:2] == [None, [0, 1]]
    assert store.bm25_retrieval("sea", top_k=0) == []
    with pytest.raises(vpa.InvalidQueryError, match="stop words"):
        store.bm25_retrieval("of the")


async def test_hybrid_weighs_embeddings_with_alpha(store: VPADocumentStore) -> None:
    best = store.hybrid_retrieval("the sea", RED)
    assert ids(best)[0] == "port"
    assert "bare" not in ids(best)
    assert all(0 < document.score < 1 for document in best)  # type: ignore[operator]
    assert ids(await store.hybrid_retrieval_async("the sea", RED)) == ids(best)
    assert ids(store.hybrid_retrieval("sea", RED, alpha=1)) == ids(store.embedding_retrieval(RED))
    assert ids(store.hybrid_retrieval("sea", RED, alpha=0, top_k=2)) == ["boat", "port"]
    [first, *_] = store.hybrid_retrieval("sea", RED, fusion="minmax", alpha=1)
    assert (first.id, first.score) == ("car", 1.0)


def test_filters_on_a_documents_own_fields_hold_in_every_mode(store: VPADocumentStore) -> None:
    by_id = {"field": "id", "operator": "in", "value": ["boat", "bare", "tea"]}
    assert ids(store.bm25_retrieval("sea", filters=by_id)) == ["bare", "boat"]
    assert ids(store.bm25_retrieval("sea", filters=by_id, top_k=1)) == ["bare"]
    assert sorted(ids(store.hybrid_retrieval("sea", RED, filters=by_id))) == ["boat", "tea"]
    by_content = {"field": "content", "operator": "!=", "value": "sea, sea, sea"}
    assert ids(store.bm25_retrieval("sea", filters=by_content, top_k=1)) == ["boat"]
    # So many stand before it that the search has to go deeper.
    store.write_documents([Document(id=f"n{n}", content="sea " * 20, embedding=[1.0, 0.0]) for n in range(300)])
    assert ids(store.bm25_retrieval("sea", filters={"field": "id", "operator": "==", "value": "port"})) == ["port"]
    only = {"field": "id", "operator": "==", "value": "boat"}
    assert ids(store.hybrid_retrieval("sea", RED, filters=only, top_k=1)) == ["boat"]


async def test_components_take_what_they_were_made_with_or_a_runs_own(store: VPADocumentStore) -> None:
    words = VPABM25Retriever(store, filters=NOT_BARE, top_k=1)
    assert ids(words.run("sea")) == ids(await words.run_async("sea")) == ["boat"]
    every = {"field": "meta.letters", "operator": ">=", "value": 0}
    assert ids(words.run("sea", filters=every, top_k=3)) == ["bare", "boat", "port"]
    assert words.run("sea", return_embedding=True)["documents"][0].embedding == [0, 1]
    merging = VPABM25Retriever(store, filters=NOT_BARE, filter_policy=FilterPolicy.MERGE)
    assert ids(merging.run("sea", filters={"field": "id", "operator": "!=", "value": "boat"})) == ["port"]
    both = VPAHybridRetriever(store, alpha=0.0, top_k=2)
    assert ids(both.run("sea", RED)) == ids(await both.run_async("sea", RED)) == ["boat", "port"]
    assert ids(both.run("sea", RED, alpha=1.0, top_k=1, filters=NOT_BARE)) == ["car"]


@pytest.mark.parametrize("kind", [VPABM25Retriever, VPAHybridRetriever, VPAEmbeddingRetriever])
def test_what_cannot_work_is_refused_when_the_component_is_made(store: VPADocumentStore, kind: Any) -> None:
    assert getattr(haystack, kind.__name__) is kind
    with pytest.raises(TypeError, match="must be a VPADocumentStore, not dict"):
        kind({})
    with pytest.raises(ValueError, match="top_k must be at least 1, not 0"):
        kind(store, top_k=0)
    if kind is VPAHybridRetriever:
        with pytest.raises(vpa.InvalidQueryError, match="fusion is one of"):
            kind(store, fusion="best")
        with pytest.raises(vpa.InvalidQueryError, match="alpha must be a number from 0 to 1"):
            kind(store, alpha=2)


async def test_a_saved_pipeline_asks_in_both_ways(tmp_path: Path) -> None:
    store = VPADocumentStore(place=f"embedded://{tmp_path}", keywords="english", metric="cosine")
    store.write_documents(documents())
    pipeline = Pipeline()
    pipeline.add_component("words", VPABM25Retriever(store, top_k=1, filters=NOT_BARE, filter_policy="merge"))
    pipeline.add_component("both", VPAHybridRetriever(store, top_k=2, fusion="minmax", alpha=0.25))
    text = pipeline.dumps()
    assert "type: haystack_integrations.components.retrievers.vpa.VPABM25Retriever" in text
    again = Pipeline.loads(text)
    assert again.dumps() == text
    asked = {"words": {"query": "sea"}, "both": {"query": "boat", "query_embedding": RED}}
    answer = again.run(asked)
    assert ids(answer["words"]) == ["boat"]
    assert ids(answer["both"]) == ids(pipeline.run(asked)["both"]) == ["boat", "car"]
    assert ids((await again.run_async(asked))["both"]) == ["boat", "car"]
    store.close()
    again.close()


def test_a_collection_without_a_keyword_index_is_named(tmp_path: Path) -> None:
    with VPADocumentStore(place=tmp_path) as store:
        store.write_documents(documents())
        for ask in (
            lambda: VPABM25Retriever(store).run("sea"),
            lambda: VPAHybridRetriever(store).run("sea", RED),
        ):
            with pytest.raises(vpa.ConfigurationError, match="'haystack' has no keyword index; build one"):
                ask()
        with (
            VPADocumentStore(place=tmp_path, keywords="en") as other,
            pytest.raises(vpa.ConfigurationError, match="has no keyword index, one for english was asked for"),
        ):
            other.bm25_retrieval("sea")


@pytest.mark.usefixtures("_no_words")
def test_a_store_that_keeps_no_words_is_named() -> None:
    with (
        VPADocumentStore(keywords="en") as store,
        pytest.raises(vpa.ConfigurationError, match="keeps no keyword index yet; leave keywords out"),
    ):
        store.write_documents(documents())
    with VPADocumentStore() as store:
        store.write_documents(documents())
        with pytest.raises(vpa.ConfigurationError, match="keeps no keyword index yet; search by vector"):
            store.hybrid_retrieval("sea", RED)
