"""LangChain's vector store by words, and by words and vectors together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

import vpa
from vpa.integrations.langchain import VPAVectorStore
from vpa.integrations.mem0 import VPAMemories

# By vector, "red" lies at one end and "sea" at the other; by words, only those texts that hold them.
TEXTS = {
    "car": "a red car, model X-200b",
    "boat": "a boat at sea",
    "port": "ports and cars by the sea",
    "tea": "green tea",
}
AXES = {"car": [1.0, 0.0], "boat": [0.0, 1.0], "port": [0.6, 0.8], "tea": [0.9, 0.1]}


class Known(Embeddings):
    """The vectors of `AXES`; a question is [1, 0]. Counts the questions."""

    def __init__(self) -> None:
        self.questions = 0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        by_text = {text: AXES[name] for name, text in TEXTS.items()}
        return [by_text[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        self.questions += 1
        return [1.0, 0.0]


def filled(**options: Any) -> VPAVectorStore:
    metadata = [{"n": n} for n in range(len(TEXTS))]
    return VPAVectorStore.from_texts(list(TEXTS.values()), Known(), metadata, ids=list(TEXTS), **options)


@pytest.fixture
def store() -> Iterator[VPAVectorStore]:
    with filled(keywords="en") as made:
        yield made


def ids(documents: list[Document]) -> list[str | None]:
    return [document.id for document in documents]


async def test_each_mode_compares_what_it_says(store: VPAVectorStore) -> None:
    assert ids(store.similarity_search("sea", 2)) == ids(store.similarity_search("sea", 2, mode="dense"))
    assert ids(store.similarity_search("sea", 2)) == ["car", "tea"]
    model: Any = store.embeddings
    asked = model.questions
    assert ids(store.similarity_search("seas", mode="keyword")) == ["boat", "port"]
    assert ids(await store.asimilarity_search("x-200B", mode="keyword")) == ["car"]
    assert model.questions == asked
    assert ids(store.similarity_search("sea", mode="hybrid"))[0] == "port"
    assert ids(store.similarity_search("sea", 4, {"n": {"$ne": 2}}, mode="hybrid")) == ["car", "boat", "tea"]


async def test_a_fusion_is_named_or_weighed(store: VPAVectorStore) -> None:
    words = vpa.Fusion(semantic_weight=0, keyword_weight=1)
    assert ids(store.similarity_search("boat", 1, mode="hybrid", fusion=words)) == ["boat"]
    vectors = vpa.Fusion(method="minmax", keyword_weight=0)
    [(best, score)] = await store.asimilarity_search_with_score("boat", 1, mode="hybrid", fusion=vectors)
    assert (best.id, score) == ("car", 1.0)
    retriever = store.as_retriever(search_kwargs={"mode": "hybrid", "fusion": "rrf", "k": 2})
    assert ids(retriever.invoke("sea")) == ids(await retriever.ainvoke("sea"))
    for mode in ("dense", "keyword", None):
        with pytest.raises(vpa.InvalidQueryError, match="fusion is for mode='hybrid', and this search has mode="):
            store.similarity_search("sea", mode=mode, fusion="rrf")  # type: ignore[arg-type]
    with pytest.raises(vpa.InvalidQueryError, match="fusion is one of minmax, zscore"):
        store.similarity_search("sea", mode="hybrid", fusion="best")  # type: ignore[arg-type]
    with pytest.raises(vpa.InvalidQueryError, match="mode is one of dense, keyword, hybrid, not 'sparse'"):
        store.similarity_search("sea", mode="sparse")  # type: ignore[arg-type]


async def test_the_mode_of_the_store_is_that_of_searches_that_name_none() -> None:
    with filled(mode="hybrid", fusion="rrf") as store:
        assert ids(store.similarity_search("sea")) == ids(store.similarity_search("sea", mode="hybrid", fusion="rrf"))
        assert ids(await store.asimilarity_search("sea")) == ids(store.as_retriever().invoke("sea"))
        assert ids(store.similarity_search("sea", mode="dense")) == ["car", "tea", "port", "boat"]
        assert ids(store.similarity_search_by_vector([1.0, 0.0], 1)) == ["car"]
    with filled(mode="keyword") as store:
        assert ids(store.similarity_search("sea")) == ["boat", "port"]
    with pytest.raises(vpa.InvalidQueryError, match="mode is one of"):
        VPAVectorStore(Known(), mode="text")  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["dense", "keyword", "hybrid"])
async def test_relevance_is_from_0_to_1_and_a_threshold_is_on_it(store: VPAVectorStore, mode: Any) -> None:
    scores = store.similarity_search_with_score("the sea and a boat", mode=mode)
    pairs = store.similarity_search_with_relevance_scores("the sea and a boat", mode=mode)
    assert pairs == await store.asimilarity_search_with_relevance_scores("the sea and a boat", mode=mode)
    relevances = [score for _, score in pairs]
    assert [document for document, _ in pairs] == [document for document, _ in scores]
    assert relevances == sorted(relevances, reverse=True)
    assert 0 <= relevances[-1] < relevances[0] <= 1
    threshold = relevances[1]
    retriever = store.as_retriever(
        search_type="similarity_score_threshold", search_kwargs={"mode": mode, "score_threshold": threshold}
    )
    assert ids(retriever.invoke("the sea and a boat")) == [document.id for document, _ in pairs[:2]]
    above = store.similarity_search("the sea and a boat", mode=mode, score_threshold=scores[1][1])
    assert ids(above) == [document.id for document, _ in pairs[:2]]


async def test_diversity_compares_vectors_and_says_so(store: VPAVectorStore) -> None:
    for mode in ("keyword", "hybrid"):
        with pytest.raises(
            vpa.InvalidQueryError, match=rf"\(MMR\) compares vectors.* mode='{mode}' is for search_type"
        ):
            store.as_retriever(search_type="mmr", search_kwargs={"mode": mode}).invoke("sea")
        with pytest.raises(vpa.InvalidQueryError, match="compares vectors"):
            await store.amax_marginal_relevance_search("sea", mode=mode)  # type: ignore[arg-type]
    assert ids(store.max_marginal_relevance_search("sea", 1, mode="dense")) == ["car"]
    with filled(mode="hybrid") as hybrid:
        assert ids(hybrid.max_marginal_relevance_search("sea", 1)) == ["car"]


async def test_a_collection_without_a_keyword_index_is_named(tmp_path: Path) -> None:
    with filled(place=tmp_path) as store:
        for mode in ("keyword", "hybrid"):
            with pytest.raises(vpa.ConfigurationError, match="'langchain' has no keyword index; build one"):
                store.similarity_search("sea", mode=mode)  # type: ignore[arg-type]
        # A mode alone says what is asked, not what there is.
        with (
            VPAVectorStore(Known(), place=tmp_path, mode="hybrid") as other,
            pytest.raises(vpa.ConfigurationError, match="'langchain' has no keyword index; build one"),
        ):
            other.similarity_search("sea")
        with (
            VPAVectorStore(Known(), place=tmp_path, keywords="en") as third,
            pytest.raises(vpa.ConfigurationError, match="no keyword index, one for english was asked for"),
        ):
            third.similarity_search("sea")
    async with vpa.connect(tmp_path) as db:
        await (await db.collection("langchain")).create_keyword_index("english")
    with VPAVectorStore(Known(), place=tmp_path, keywords="english") as again:
        assert ids(again.similarity_search("sea", mode="keyword")) == ["boat", "port"]
    with (
        VPAVectorStore(Known(), place=tmp_path, keywords="de") as german,
        pytest.raises(vpa.ConfigurationError, match="keyword index for english, one for german was asked for"),
    ):
        german.similarity_search("sea")
    with pytest.raises(vpa.ConfigurationError, match="did you mean 'english'"):
        VPAVectorStore(Known(), keywords="englisch")


@pytest.mark.usefixtures("_no_words")
def test_a_store_that_keeps_no_words_is_named() -> None:
    for options in ({"keywords": "en"}, {"mode": "hybrid"}):
        with pytest.raises(vpa.ConfigurationError, match="keeps no keyword index yet; leave keywords out"):
            filled(**options)
    with filled() as store, pytest.raises(vpa.ConfigurationError, match="keeps no keyword index yet; search by vector"):
        store.similarity_search("sea", mode="keyword")


def test_memories_of_mem0_are_searched_for_words() -> None:
    with VPAMemories(keywords="en") as memories:
        memories.add_embeddings([[1.0, 0.0], [0.0, 1.0]], [{"data": "likes teas"}, {"data": "likes rain"}], ["a", "b"])
        assert ids(memories.similarity_search("tea", mode="keyword", filter={"data": "*"})) == ["a"]
