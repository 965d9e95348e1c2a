"""Several collections in one system, and documents deleted by filter."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

import vpa
from vpa import errors


@pytest.fixture
async def rag() -> AsyncIterator[vpa.EnhancedRAGSystem]:
    async with (
        vpa.connect("mock://") as db,
        vpa.create_enhanced_rag_system(manager=db, embedder="hashing") as system,
    ):
        yield system


async def test_each_collection_has_its_own_documents(rag: vpa.EnhancedRAGSystem) -> None:
    await rag.add_document(document_id="a", content="apples are red")
    await rag.add_document(document_id="a", content="pears are green", collection="other")
    await rag.add_documents([{"document_id": "b", "content": "plums are blue"}], collection="other")
    assert [(one.document_id, one.length) for one in await rag.list_documents()] == [("a", 14)]
    assert [one.document_id for one in await rag.list_documents(collection="other")] == ["a", "b"]
    # The same question of both, with nothing written between: each has its own answer in the cache.
    for _ in range(2):
        assert {one.content for one in await rag.search_knowledge("are")} == {"apples are red"}
        assert len(await rag.search_knowledge("are", collection="other")) == 2
    assert (await rag.get_document("a", collection="other")).content == "pears are green"
    await rag.update_document("a", content="pears are sweet", collection="other")
    assert (await rag.get_document("a")).content == "apples are red"
    assert await rag.delete_document("a", collection="other")
    assert [one.document_id for one in await rag.list_documents(collection="other")] == ["b"]
    assert await rag.manager.list_collections() == ["other", "vpa-index"]


async def test_reading_makes_no_collection_and_another_model_is_refused(rag: vpa.EnhancedRAGSystem) -> None:
    for call in (
        rag.search_knowledge("x", collection="nope"),
        rag.list_documents(collection="nope"),
        rag.get_document("x", collection="nope"),
        rag.delete_document("x", collection="nope"),
        rag.delete_documents(filter={"a": 1}, collection="nope"),
        rag.update_document("x", content="y", collection="nope"),
    ):
        with pytest.raises(errors.CollectionNotFoundError, match="nope"):
            await call
    assert await rag.manager.list_collections() == ["vpa-index"]
    theirs = vpa.EmbeddingIdentity(name="theirs", dimension=384)
    dimension = (await rag.manager.collection("vpa-index")).info.dimension
    await rag.manager.create_collection("theirs", dimension=dimension, embedding=theirs)
    for call in (rag.search_knowledge("x", collection="theirs"), rag.list_documents(collection="theirs")):
        with pytest.raises(errors.EmbeddingMismatchError):
            await call


async def test_documents_are_deleted_by_their_metadata_whole(rag: vpa.EnhancedRAGSystem) -> None:
    scope = vpa.Scope("acme")
    documents = [{"document_id": f"d{n:03d}", "content": f"word {n}. " * 300, "metadata": {"n": n}} for n in range(120)]
    await rag.add_documents(documents)
    await rag.add_documents(documents[:3], scope=scope)
    assert await rag.delete_documents(filter=vpa.F("n") < 110) == 110
    assert [one.document_id for one in await rag.list_documents()] == [f"d{n}" for n in range(110, 120)]
    assert await (await rag.manager.collection("vpa-index")).count(filter=vpa.F("n") < 110) == 0
    assert len(await rag.list_documents(scope=scope)) == 3
    assert await rag.delete_documents(filter={"n": 5}) == 0
    with pytest.raises(errors.InvalidFilterError, match="allow_all"):
        await rag.delete_documents()
    assert await rag.delete_documents(filter={}, allow_all=True, scope=scope) == 3
    assert (await rag.get_system_stats())["document_statistics"]["documents_deleted"] == 113
