"""LlamaIndex's vector store, in the shape of its own tests, on one form of each provider."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import MockEmbedding, StorageContext, VectorStoreIndex
from llama_index.core.schema import Document, ImageNode, NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)

import vpa
from deployments import PROVIDERS, RunningStores
from vpa.integrations.llamaindex import VPAVectorStore

OPERATORS = FilterOperator
FORMS = ("", *PROVIDERS.values())


def node(name: str, vector: list[float], document: str, **metadata: Any) -> TextNode:
    return TextNode(
        id_=name,
        text=f"text {name}",
        embedding=vector,
        metadata=metadata,
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=document)},
    )


def nodes() -> list[TextNode]:
    return [
        node("n1", [1.0, 0.0, 0.0], "doc-1", author="Stephen King", theme="Friendship", year=1994, tags=["a", "b"]),
        node("n2", [0.9, 0.1, 0.0], "doc-1", author="Francis Coppola", theme="Mafia", year=1972, tags=["b"]),
        node("n3", [0.0, 1.0, 0.0], "doc-2", author="Christopher Nolan", year=2010, tags=["c"]),
        node("n4", [0.0, 0.0, 1.0], "doc-3", theme="", year=2020.5),
    ]


@pytest.fixture(params=FORMS, ids=lambda form: form or "memory")
def store(request: pytest.FixtureRequest, stores: RunningStores) -> Iterator[VPAVectorStore]:
    place: Any = stores.config(request.param) if request.param else "mock://"
    with VPAVectorStore(place=place, collection_name="llamaindex-tests") as made:
        yield made
        made.delete_collection()


@pytest.fixture
def memory() -> Iterator[VPAVectorStore]:
    with VPAVectorStore() as made:
        made.add(nodes())
        yield made


def one(key: str, operator: FilterOperator, value: Any = None) -> MetadataFilter:
    return MetadataFilter(key=key, operator=operator, value=value)


def all_of(*parts: Any, condition: FilterCondition = FilterCondition.AND) -> MetadataFilters:
    return MetadataFilters(filters=list(parts), condition=condition)


def asked(store: VPAVectorStore, filters: MetadataFilters | None = None, **options: Any) -> list[str]:
    query = VectorStoreQuery(
        **{"query_embedding": [1.0, 0.2, 0.1], "similarity_top_k": 10, "filters": filters} | options
    )
    return list(store.query(query).ids or [])


def test_nodes_are_added_found_got_and_deleted(store: VPAVectorStore) -> None:
    assert store.query(VectorStoreQuery(query_embedding=[1.0, 0.0, 0.0])).ids == []
    assert store.add(nodes()) == ["n1", "n2", "n3", "n4"]
    result = store.query(VectorStoreQuery(query_embedding=[1.0, 0.0, 0.0], similarity_top_k=2))
    assert result.ids == ["n1", "n2"]
    assert result.similarities == pytest.approx([1.0, 0.9938], abs=1e-3)
    assert result.nodes is not None
    assert result.nodes[0].get_content() == "text n1"
    assert result.nodes[0].metadata == nodes()[0].metadata
    assert result.nodes[0].ref_doc_id == "doc-1"
    assert [found.node_id for found in store.get_nodes(["n3", "n9", "n1"])] == ["n3", "n1"]
    assert asked(store, doc_ids=["doc-2", "doc-3"]) == ["n3", "n4"]
    assert asked(store, node_ids=["n1", "n3"]) == ["n1", "n3"]
    store.delete("doc-1")
    assert asked(store) == ["n3", "n4"]
    store.delete_nodes(["n3", "n4"], all_of(one("year", OPERATORS.GT, 2015)))
    assert asked(store) == ["n3"]
    store.clear()
    assert store.get_nodes() == []


async def test_the_same_awaited(store: VPAVectorStore) -> None:
    assert await store.async_add(nodes()) == ["n1", "n2", "n3", "n4"]
    result = await store.aquery(VectorStoreQuery(query_embedding=[0.0, 1.0, 0.0], similarity_top_k=1))
    assert result.ids == ["n3"]
    await store.adelete("doc-2")
    await store.adelete_nodes(["n4"])
    assert [found.node_id for found in await store.aget_nodes()] == ["n1", "n2"]
    await store.aclear()
    assert await store.aget_nodes() == []


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (all_of(one("author", OPERATORS.EQ, "Stephen King")), "n1"),
        (all_of(one("year", OPERATORS.EQ, 1994)), "n1"),
        (all_of(one("theme", OPERATORS.NE, "Mafia")), "n1 n3 n4"),
        (all_of(one("year", OPERATORS.GT, 1994)), "n3 n4"),
        (all_of(one("year", OPERATORS.GTE, 1994)), "n1 n3 n4"),
        (all_of(one("year", OPERATORS.LT, 1994)), "n2"),
        (all_of(one("year", OPERATORS.LTE, 1994)), "n1 n2"),
        (all_of(one("year", OPERATORS.IN, [1972, 2010])), "n2 n3"),
        (all_of(one("year", OPERATORS.NIN, [1972, 2010])), "n1 n4"),
        (all_of(one("tags", OPERATORS.ANY, ["a", "c"])), "n1 n3"),
        (all_of(one("tags", OPERATORS.ALL, ["a", "b"])), "n1"),
        (all_of(one("tags", OPERATORS.CONTAINS, "b")), "n1 n2"),
        (all_of(one("theme", OPERATORS.IS_EMPTY)), "n3 n4"),
        (all_of(one("ref_doc_id", OPERATORS.EQ, "doc-1")), "n1 n2"),
        (all_of(one("tags", OPERATORS.CONTAINS, "b"), one("year", OPERATORS.LT, 1980)), "n2"),
        (
            all_of(one("year", OPERATORS.LT, 1980), one("year", OPERATORS.GT, 2015), condition=FilterCondition.OR),
            "n2 n4",
        ),
        (
            all_of(one("year", OPERATORS.LT, 1980), one("year", OPERATORS.GT, 2015), condition=FilterCondition.NOT),
            "n1 n3",
        ),
        (
            all_of(
                one("year", OPERATORS.GT, 1980),
                all_of(
                    one("tags", OPERATORS.CONTAINS, "a"), one("tags", OPERATORS.IS_EMPTY), condition=FilterCondition.OR
                ),
            ),
            "n1 n4",
        ),
        (all_of(), "n1 n2 n3 n4"),
        (None, "n1 n2 n3 n4"),
    ],
)
def test_filters_mean_what_llamaindex_says(memory: VPAVectorStore, filters: Any, expected: str) -> None:
    assert sorted(asked(memory, filters)) == expected.split()
    assert [found.node_id for found in memory.get_nodes(filters=filters)] == expected.split()


def test_what_vpa_does_not_have_is_named_in_a_line(memory: VPAVectorStore) -> None:
    with pytest.raises(vpa.UnsupportedFilterError, match="vpa has no 'text_match'"):
        asked(memory, all_of(one("author", OPERATORS.TEXT_MATCH, "King")))
    modes = VectorStoreQueryMode
    for mode in (modes.SEMANTIC_HYBRID, modes.SVM, modes.LOGISTIC_REGRESSION, modes.LINEAR_REGRESSION):
        message = f"query mode '{mode.value}' is not one that vpa has: use default, mmr, hybrid, text_search, sparse"
        with pytest.raises(vpa.InvalidQueryError, match=message):
            asked(memory, mode=mode)
    with pytest.raises(vpa.InvalidQueryError, match="needs a query_embedding"):
        asked(memory, query_embedding=None)
    with pytest.raises(vpa.InvalidFilterError, match="had neither"):
        memory.delete_nodes()
    with pytest.raises(vpa.InvalidRecordError, match="has no embedding"):
        memory.add([TextNode(text="x")])


def test_filters_of_another_kind_are_named(memory: VPAVectorStore) -> None:
    for wrong in ({"year": 1}, [{"key": "year", "value": 1}]):
        with pytest.raises(vpa.InvalidFilterError, match=r"filters is LlamaIndex's MetadataFilters\("):
            memory.get_nodes(filters=wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="VPAVectorStore takes place, not url"):
        VPAVectorStore(url="x")


def test_a_path_is_a_place_that_is_written_down_and_a_mode_may_be_its_name(tmp_path: Path) -> None:
    with VPAVectorStore(place=tmp_path) as made:
        again = VPAVectorStore.from_dict(made.to_dict())
        assert again.place == str(tmp_path)
        again.close()
        for mode in ("semantic_hybrid", "svm"):
            query = VectorStoreQuery(query_embedding=[1.0, 0.0], mode=mode)  # type: ignore[arg-type]
            with pytest.raises(vpa.InvalidQueryError, match=f"query mode '{mode}' is not one"):
                made.query(query)


def test_diversity_skips_what_is_alike(memory: VPAVectorStore) -> None:
    options = {"mode": VectorStoreQueryMode.MMR, "similarity_top_k": 2, "query_embedding": [1.0, 0.1, 0.1]}
    assert asked(memory, similarity_top_k=2) == ["n1", "n2"] or asked(memory, similarity_top_k=2) == ["n2", "n1"]
    diverse = asked(memory, **options, mmr_threshold=0.1)
    assert len(diverse) == 2
    assert not {"n1", "n2"} <= set(diverse)
    assert set(asked(memory, **options, mmr_threshold=1.0)) == {"n1", "n2"}


def test_nodes_of_every_kind_come_back_whole() -> None:
    with VPAVectorStore() as store:
        image = ImageNode(id_="i", image="aGk=", embedding=[1.0, 0.0], metadata={"page": 1})
        rich = TextNode(
            id_="t",
            text="text",
            embedding=[0.0, 1.0],
            metadata={"boxes": [{"x": 1}], "page": 2},
            excluded_llm_metadata_keys=["page"],
            start_char_idx=3,
            end_char_idx=7,
        )
        store.add([image, rich])
        back = {found.node_id: found for found in store.get_nodes()}
        for sent in (image, rich):
            assert type(back[sent.node_id]) is type(sent)
            assert back[sent.node_id].to_dict() == {**sent.to_dict(), "embedding": None}


def test_an_index_is_built_stored_and_opened_again(tmp_path: Path) -> None:
    place, model = f"mock://{tmp_path}", MockEmbedding(embed_dim=8)
    with VPAVectorStore(place=place) as store:
        context = StorageContext.from_defaults(vector_store=store)
        documents = [Document(text=f"document {n}", doc_id=f"d{n}", metadata={"n": n}) for n in range(3)]
        index = VectorStoreIndex.from_documents(documents, storage_context=context, embed_model=model)
        index.delete_ref_doc("d0")
        index.insert(Document(text="new", doc_id="d9", metadata={"n": 9}))
    with VPAVectorStore(place=place) as store:
        index = VectorStoreIndex.from_vector_store(store, embed_model=model)
        retriever = index.as_retriever(similarity_top_k=9, filters=all_of(one("n", OPERATORS.GTE, 2)))
        assert sorted(found.text for found in retriever.retrieve("anything")) == ["document 2", "new"]


def test_a_store_is_serialised_without_its_key(tmp_path: Path) -> None:
    place = f"mock://{tmp_path}"
    with VPAVectorStore.from_params(place, "kept", metric="dot", tenant="t", api_key="secret") as store:
        assert store.class_name() == "VPAVectorStore"
        assert "secret" not in store.to_json()
        store.add(nodes())
        for copy in (VPAVectorStore.from_dict(store.to_dict()), pickle.loads(pickle.dumps(store))):
            with copy:
                assert len(copy.get_nodes()) == 4
    with pytest.raises(vpa.ClosedError):
        store.get_nodes()


async def test_a_manager_is_a_place_too() -> None:
    async with vpa.connect("mock://") as db, VPAVectorStore(place=db) as store:
        await store.async_add(nodes())
        assert await (await db.collection("llamaindex")).count() == 4
