"""LlamaIndex's vector store by words, and by words and vectors together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import MockEmbedding, QueryBundle, VectorStoreIndex
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import (
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)

import vpa
from vpa.integrations.llamaindex import VPAVectorStore

MODES = VectorStoreQueryMode
# By vector "car" is nearest to the questions' [1, 0], by words those texts are that hold them.
ROWS = {
    "car": ("a red car, model X-200b", [1.0, 0.0]),
    "tea": ("green tea", [0.9, 0.1]),
    "port": ("ports and cars by the sea", [0.6, 0.8]),
    "boat": ("a boat at sea", [0.0, 1.0]),
}


def nodes() -> list[TextNode]:
    return [
        TextNode(
            id_=name,
            text=text,
            embedding=vector,
            metadata={"letters": len(name)},
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=f"doc-{name}")},
        )
        for name, (text, vector) in ROWS.items()
    ]


@pytest.fixture
def store() -> Iterator[VPAVectorStore]:
    with VPAVectorStore(keywords="en") as made:
        made.add(nodes())
        yield made


def query(mode: Any, text: str | None = "the sea", **options: Any) -> VectorStoreQuery:
    return VectorStoreQuery(
        **{"query_embedding": [1.0, 0.0], "similarity_top_k": 4} | options, query_str=text, mode=mode
    )


def ids(result: Any) -> list[str]:
    return list(result.ids)


@pytest.mark.parametrize("mode", [MODES.TEXT_SEARCH, MODES.SPARSE, "text_search"])
async def test_words_are_compared_without_an_embedding(store: VPAVectorStore, mode: Any) -> None:
    result = store.query(query(mode, query_embedding=None))
    assert ids(result) == ["boat", "port"]
    assert result.similarities == sorted(result.similarities, reverse=True)
    assert result.nodes[0].get_content() == "a boat at sea"
    assert ids(await store.aquery(query(mode, sparse_top_k=1, query_embedding=None))) == ["boat"]
    assert ids(store.query(query(mode, similarity_top_k=1))) == ["boat"]
    assert ids(store.query(query(mode, doc_ids=["doc-port", "doc-car"]))) == ["port"]
    four = MetadataFilters(filters=[MetadataFilter(key="letters", value=3, operator=FilterOperator.EQ)])
    assert ids(store.query(query(mode, text="x-200B", filters=four))) == ["car"]


async def test_hybrid_weighs_vectors_with_alpha(store: VPAVectorStore) -> None:
    middle = store.query(query(MODES.HYBRID))
    assert ids(middle)[0] == "port"
    assert 1 > middle.similarities[0] > middle.similarities[-1] > 0
    assert ids(store.query(query(MODES.HYBRID, alpha=0.5))) == ids(middle)
    assert ids(store.query(query(MODES.HYBRID, alpha=1))) == ["car", "tea", "port", "boat"]
    assert ids(store.query(query(MODES.HYBRID, alpha=0)))[:2] == ["boat", "port"]
    assert ids(await store.aquery(query(MODES.HYBRID, hybrid_top_k=2, sparse_top_k=3))) == ids(middle)[:2]
    by_rank = store.query(query(MODES.HYBRID, alpha=0.99), fusion="rrf")
    assert ids(by_rank)[0] == "car"
    # As for other stores: it is for hybrid queries only, and written with every mode.
    assert ids(store.query(query(MODES.DEFAULT, alpha=0))) == ["car", "tea", "port", "boat"]


def test_an_index_asks_in_every_mode(store: VPAVectorStore) -> None:
    index = VectorStoreIndex.from_vector_store(store, embed_model=MockEmbedding(embed_dim=2))
    words = index.as_retriever(vector_store_query_mode="text_search", similarity_top_k=1)
    [best] = words.retrieve("boats")
    assert (best.node.node_id, best.score) == ("boat", store.query(query("text_search", "boats")).similarities[0])
    retriever = index.as_retriever(
        vector_store_query_mode="hybrid",
        alpha=0.0,
        similarity_top_k=4,
        hybrid_top_k=1,
        vector_store_kwargs={"fusion": "minmax"},
    )
    [best] = retriever.retrieve(QueryBundle("boats", embedding=[1.0, 0.0]))
    assert (best.node.node_id, best.score) == ("boat", 1.0)


def test_what_a_mode_lacks_is_named(store: VPAVectorStore) -> None:
    for mode in (MODES.HYBRID, MODES.TEXT_SEARCH):
        with pytest.raises(vpa.InvalidQueryError, match=f"query mode '{mode.value}' needs a query_str, and has none"):
            store.query(query(mode, text=None))
    with pytest.raises(vpa.InvalidQueryError, match="'hybrid' needs a query_embedding"):
        store.query(query(MODES.HYBRID, query_embedding=None))
    with pytest.raises(vpa.InvalidQueryError, match=r"alpha must be a number from 0 to 1, not 1\.5"):
        store.query(query(MODES.HYBRID, alpha=1.5))
    with pytest.raises(vpa.InvalidQueryError, match="fusion is for mode='hybrid', and this search has mode='dense'"):
        store.query(query(MODES.DEFAULT), fusion="rrf")


async def test_a_collection_without_a_keyword_index_is_named(tmp_path: Path) -> None:
    with VPAVectorStore(place=tmp_path) as store:
        store.add(nodes())
        for mode in (MODES.HYBRID, MODES.TEXT_SEARCH):
            with pytest.raises(vpa.ConfigurationError, match="'llamaindex' has no keyword index; build one"):
                await store.aquery(query(mode))
        await store.client.arun(lambda collection: collection.create_keyword_index("english"))
        assert ids(store.query(query(MODES.TEXT_SEARCH))) == ["boat", "port"]
        with VPAVectorStore(place=tmp_path, keywords="en") as other:
            again = VPAVectorStore.from_dict(other.to_dict())
            assert again.keywords == "en"
            assert ids(again.query(query(MODES.TEXT_SEARCH))) == ["boat", "port"]
            again.close()


@pytest.mark.usefixtures("_no_words")
def test_a_store_that_keeps_no_words_is_named() -> None:
    with (
        VPAVectorStore(keywords="en") as store,
        pytest.raises(vpa.ConfigurationError, match="keeps no keyword index yet; leave keywords out"),
    ):
        store.add(nodes())
    with VPAVectorStore() as store:
        store.add(nodes())
        with pytest.raises(vpa.ConfigurationError, match="keeps no keyword index yet; search by vector"):
            store.query(query(MODES.HYBRID))
