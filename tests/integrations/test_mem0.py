"""mem0 over its LangChain provider: as that provider calls a store, and mem0's own class where mem0 is installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import vpa
from deployments import PROVIDERS, RunningStores
from vpa.integrations.mem0 import VPAMemories

PAYLOADS: list[dict[str, Any]] = [
    {"data": "likes tea", "user_id": "ann", "hash": "x1", "created_at": "2026-01-02T03:04:05+01:00", "n": 1},
    {"data": "likes rain", "user_id": "ann", "hash": "x2", "n": 5},
    {"data": "likes tea", "user_id": "bob", "hash": "x3"},
]
VECTORS = [[1.0, 0.0], [0.8, 0.6], [1.0, 0.1]]


@pytest.fixture(params=PROVIDERS)
def memories(request: pytest.FixtureRequest, stores: RunningStores) -> Iterator[VPAMemories]:
    with VPAMemories(place=stores.config(PROVIDERS[request.param]), collection_name="mem0") as made:
        made.add_embeddings(embeddings=VECTORS, metadatas=PAYLOADS, ids=["a", "b", "c"])
        yield made
        made.delete_collection()


def found(memories: VPAMemories, condition: Any) -> list[str | None]:
    pairs = memories.similarity_search_with_score_by_vector(embedding=[1.0, 0.0], k=5, filter=condition)
    return [document.id for document, _ in pairs]


def test_memories_are_found_with_their_payloads_under_mem0s_filters(memories: VPAMemories) -> None:
    assert found(memories, None) == ["a", "c", "b"]
    assert found(memories, {"user_id": "ann"}) == ["a", "b"]
    assert found(memories, {"AND": [{"user_id": "ann"}, {"n": {"gte": 3}}]}) == ["b"]
    assert found(memories, {"n": "*"}) == ["a", "b"]
    assert found(memories, {"NOT": [{"user_id": "ann"}]}) == ["c"]
    [document] = memories.get_by_ids(["a"])
    assert (document.page_content, document.metadata) == ("likes tea", PAYLOADS[0])
    listed = memories._collection.get(where={"user_id": "ann"}, limit=1)
    assert (listed["ids"], listed["metadatas"]) == (["a"], [PAYLOADS[0]])


async def test_every_way_in_takes_mem0s_filters(memories: VPAMemories) -> None:
    awaited = await memories.asimilarity_search_with_score_by_vector([1.0, 0.0], 5, {"n": {"gte": 3}})
    assert [document.id for document, _ in awaited] == ["b"]
    diverse = memories.max_marginal_relevance_search_by_vector([1.0, 0.0], 5, filter={"n": "*"})
    assert sorted(str(document.id) for document in diverse) == ["a", "b"]
    assert (await memories.aget(where={"n": {"gte": 3}}))["ids"] == ["b"]
    await memories.adelete(filter={"n": {"gte": 3}})
    assert found(memories, None) == ["a", "c"]


def test_what_has_no_equal_here_is_said() -> None:
    with VPAMemories() as memories:
        memories.add_embeddings(VECTORS, PAYLOADS, ["a", "b", "c"])
        with pytest.raises(vpa.UnsupportedFilterError, match=r"mem0's filter .* whole texts"):
            found(memories, {"data": {"icontains": "tea"}})
        with pytest.raises(vpa.ConfigurationError, match="mem0 embeds the memories itself"):
            memories.add_texts(["x"])
        with pytest.raises(vpa.InvalidRecordError, match="3 embeddings and 1 payloads"):
            memories.add_embeddings(VECTORS, PAYLOADS[:1], ["a"])


def test_mem0s_own_provider_keeps_lists_updates_and_deletes() -> None:
    langchain = pytest.importorskip("mem0.vector_stores.langchain", reason="mem0ai is not installed")
    with VPAMemories() as client:
        store = langchain.Langchain(client=client, collection_name="mem0")
        store.insert(VECTORS, PAYLOADS, ["a", "b", "c"])
        [best, second] = store.search("tea", [1.0, 0.0], 2, {"user_id": "ann"})
        assert (best.id, second.id, best.payload) == ("a", "b", PAYLOADS[0])
        assert 1.0 >= best.score > second.score
        store.update("b", [0.0, 1.0], {**PAYLOADS[1], "data": "likes snow"})
        assert store.get("b").payload["data"] == "likes snow"
        [listed] = store.list({"user_id": "ann"}, 10)
        assert [one.id for one in listed] == ["a", "b"]
        store.delete("a")
        assert store.get("a") is None
        store.delete_col()
        assert store.list()[0] == []
