"""LangChain's own tests of vector stores, unchanged, and what they do not ask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from deployments import PROVIDERS, RunningStores
from vpa.integrations.langchain import VPAVectorStore


class OnStore(VectorStoreIntegrationTests):
    """On one form of each provider; servers are started once in a session."""

    store = ""

    @pytest.fixture
    def vectorstore(self, stores: RunningStores) -> Iterator[VPAVectorStore]:  # type: ignore[override]
        place: Any = stores.config(self.store) if self.store else "mock://"
        made = VPAVectorStore(self.get_embeddings(), place=place, collection="langchain-tests")
        yield made
        made.delete_collection()
        made.close()


class TestInMemory(OnStore):
    pass


class TestDurable(OnStore):
    store = "mock"


class TestPgvector(OnStore):
    store = PROVIDERS["pgvector"]


class TestQdrant(OnStore):
    store = PROVIDERS["qdrant"]


class TestChroma(OnStore):
    store = PROVIDERS["chromadb"]


class TestMilvus(OnStore):
    store = PROVIDERS["milvus"]


class TestWeaviate(OnStore):
    store = PROVIDERS["weaviate"]


class TestPinecone(OnStore):
    store = PROVIDERS["pinecone"]


del OnStore


@pytest.fixture
def filled() -> Iterator[VPAVectorStore]:
    documents = [
        Document(id=f"d{n}", page_content=f"text {n}", metadata={"n": n, "even": n % 2 == 0}) for n in range(20)
    ]
    made = VPAVectorStore.from_texts(
        [one.page_content for one in documents],
        DeterministicFakeEmbedding(size=6),
        [one.metadata for one in documents],
        ids=[f"d{n}" for n in range(20)],
    )
    yield made
    made.close()


def test_filters_are_vpa_filters_and_scores_are_higher_for_better(filled: VPAVectorStore) -> None:
    found = filled.similarity_search_with_score("text 3", k=5, filter={"n": {"$gte": 3}, "even": False})
    assert found[0][0].id == "d3"
    assert found[0][1] == pytest.approx(1.0)
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
    assert all(one.metadata["n"] >= 3 and not one.metadata["even"] for one, _ in found)
    assert filled.similarity_search_with_score("text 3", k=20, score_threshold=0.999)[0][0].id == "d3"


def test_diversity_keeps_the_filter(filled: VPAVectorStore) -> None:
    found = filled.max_marginal_relevance_search("text 3", k=4, fetch_k=8, filter={"even": True})
    assert len(found) == 4
    assert all(one.metadata["even"] for one in found)


def test_unknown_options_are_type_errors(filled: VPAVectorStore) -> None:
    with pytest.raises(TypeError):
        filled.similarity_search("x", where={"n": 1})  # type: ignore[call-arg]


def test_delete_by_filter(filled: VPAVectorStore) -> None:
    filled.delete(filter={"even": True})
    assert len(filled.similarity_search("x", k=50)) == 10


def test_any_model_is_an_embedding() -> None:
    from vpa.integrations.langchain_embeddings import VPAEmbeddings

    with_name = VPAVectorStore("hashing", collection="named")
    with_callable = VPAVectorStore(lambda texts: [[float(len(text)), 1.0] for text in texts], collection="called")
    for store in (with_name, with_callable):
        store.add_texts(["red car", "blue boat at sea"], ids=["a", "b"])
        assert [one.id for one in store.similarity_search("red car", k=1)] == ["a"]
        store.close()
    embeddings = VPAEmbeddings("minilm")
    assert len(embeddings.embed_query("x")) == 384
    assert np.allclose(embeddings.embed_documents(["x"])[0], embeddings.embed_query("x"), atol=1e-5)
    embeddings.close()
    embeddings.close()
