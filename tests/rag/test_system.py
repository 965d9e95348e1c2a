"""The RAG system on the engine with the hashing embedder: documents in, results out, nothing stale between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vpa.base import errors
from vpa.base.records import EmbeddingIdentity
from vpa.base.scope import Scope
from vpa.config.settings import DeploymentConfig
from vpa.core.enhanced_rag import EnhancedRAGSystem, NewDocument, create_enhanced_rag_system
from vpa.core.vector_database import F, VectorDatabaseConfig, VPAVectorDatabaseManager
from vpa.embeddings.hashing import HashingEmbedder
from vpa.testing.fakes import WeakStore

LONG = "\n\n".join(
    f"Paragraph {n} speaks of topic-{n % 7} at some length, so that chunks are needed." for n in range(60)
)


def settings(**changes: Any) -> DeploymentConfig:
    return DeploymentConfig(embedding_model="hashing", chunk_size=200, chunk_overlap=40, **changes)


@pytest.fixture(params=["engine", "weak store"])
async def rag(request: pytest.FixtureRequest) -> AsyncIterator[EnhancedRAGSystem]:
    manager = VPAVectorDatabaseManager(
        VectorDatabaseConfig(), store=WeakStore() if request.param == "weak store" else None
    )
    async with create_enhanced_rag_system(settings(), manager=manager) as system:
        yield system
    assert manager.is_connected
    await manager.close()


async def fill(rag: EnhancedRAGSystem) -> None:
    await rag.add_document(
        document_id="cats", title="Cats", content="Cats sleep all day.", metadata={"kind": "pet", "n": 1}
    )
    await rag.add_document(
        document_id="dogs", title="Dogs", content="Dogs guard the house.", metadata={"kind": "pet", "n": 2}
    )
    await rag.add_document(document_id="long", title="Long", content=LONG, metadata={"kind": "text", "n": 3})


async def test_the_promised_lines_work(rag: EnhancedRAGSystem) -> None:
    summary = await rag.add_document(
        document_id="doc1",
        title="AI Document",
        content="Artificial intelligence.",
        metadata={"category": "AI", "author": "Expert"},
    )
    assert (summary.document_id, summary.chunk_count) == ("doc1", 1)
    results = await rag.search_knowledge(
        user_id="user123", query="artificial intelligence applications", top_k=5, filters={"category": "AI"}
    )
    assert [result.document_id for result in results] == ["doc1"]
    assert results[0].metadata == {"category": "AI", "author": "Expert"}
    stats = await rag.get_system_stats()
    assert stats["search_statistics"]["total_searches"] == 1
    assert stats["search_statistics"]["avg_response_time"] > 0
    assert stats["document_statistics"]["total_documents"] == 1
    assert stats["embedding"]["lexical"] is True


async def test_a_document_is_rebuilt_and_results_point_into_it(rag: EnhancedRAGSystem) -> None:
    await fill(rag)
    document = await rag.get_document("long")
    assert document.content == LONG
    assert document.metadata == {"kind": "text", "n": 3}
    assert document.chunk_count > 10
    results = await rag.search_knowledge("topic-3 length", top_k=8, filters={"kind": "text"})
    assert len(results) == 8
    for result in results:
        assert LONG[result.start : result.end] == result.content
        assert result.title == "Long"
        assert result.chunk_count == document.chunk_count


async def test_the_title_is_embedded_but_not_stored_in_the_text(rag: EnhancedRAGSystem) -> None:
    await rag.add_document(document_id="a", title="Zebra", content="nothing of that kind here")
    [result] = await rag.search_knowledge("zebra", top_k=1)
    assert result.score > 0.2
    assert result.content == "nothing of that kind here"


async def test_a_title_alone_is_a_document(rag: EnhancedRAGSystem) -> None:
    await rag.add_document(document_id="a", title="Only a title", content="")
    assert (await rag.get_document("a")).content == ""
    assert [r.document_id for r in await rag.search_knowledge("title")] == ["a"]


async def test_grouping_gives_each_document_once(rag: EnhancedRAGSystem) -> None:
    await fill(rag)
    chunks = await rag.search_knowledge("paragraph topic-1", top_k=3)
    assert {result.document_id for result in chunks} == {"long"}
    grouped = await rag.search_knowledge("paragraph topic-1", top_k=3, group_by="document")
    assert [result.document_id for result in grouped][0] == "long"
    assert len({result.document_id for result in grouped}) == len(grouped) == 3
    with pytest.raises(errors.InvalidQueryError, match="group_by"):
        await rag.search_knowledge("x", group_by="author")  # type: ignore[arg-type]


async def test_filters_thresholds_and_expressions(rag: EnhancedRAGSystem) -> None:
    await fill(rag)
    found = await rag.search_knowledge("cats", top_k=10, filters=(F("n") <= 2) & (F("kind") == "pet"))
    assert {result.document_id for result in found} == {"cats", "dogs"}
    assert await rag.search_knowledge("cats", score_threshold=0.999) == []
    assert await rag.search_knowledge("cats", filters={"kind": "nothing"}) == []


async def test_adding_again_replaces(rag: EnhancedRAGSystem) -> None:
    await fill(rag)
    await rag.add_document(document_id="long", title="Long", content="short now")
    assert (await rag.get_document("long")).content == "short now"
    assert (await rag.get_system_stats())["document_statistics"]["total_chunks"] == 3


async def test_an_update_replaces_what_is_given(rag: EnhancedRAGSystem) -> None:
    await fill(rag)
    first = await rag.get_document("long")
    await rag.update_document("long", content=LONG.replace("topic-3", "subject-3"))
    second = await rag.get_document("long")
    assert "topic-3" not in second.content
    assert (second.title, second.metadata) == (first.title, first.metadata)
    assert second.version > first.version
    await rag.update_document("long", metadata={"only": True})
    third = await rag.get_document("long")
    assert (third.content, third.metadata) == (second.content, {"only": True})
    assert {result.document_id for result in await rag.search_knowledge("subject-3", filters={"only": True})} == {
        "long"
    }
    with pytest.raises(errors.DocumentNotFoundError, match="nope"):
        await rag.update_document("nope", content="x")


async def test_a_change_of_metadata_keeps_the_vectors(rag: EnhancedRAGSystem) -> None:
    await fill(rag)
    before = {r.text: np.asarray(r.vector) async for r in rag.manager.scan(filter={"kind": "text"})}
    await rag.update_document("long", metadata={"kind": "text"})
    after = {r.text: np.asarray(r.vector) async for r in rag.manager.scan(filter={"kind": "text"})}
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[key], after[key]) for key in before)


async def test_readers_meet_one_version_never_both_never_neither(rag: EnhancedRAGSystem) -> None:
    contents = [LONG.replace("Paragraph", word) for word in ("Alpha", "Beta", "Gamma")]
    await rag.add_document(document_id="d", title="D", content=contents[0])
    done = asyncio.Event()

    async def write() -> None:
        for round_number in range(12):
            await rag.update_document("d", content=contents[round_number % 3])
        done.set()

    async def read() -> None:
        while not done.is_set():
            document = await rag.get_document("d")
            assert document.content in contents
            results = await rag.search_knowledge(f"topic {np.random.default_rng().random()}", top_k=20)
            assert results
            assert len({result.version for result in results}) == 1
            assert len({result.content.split()[0] for result in results if result.start == 0}) <= 1

    await asyncio.gather(write(), read(), read())


async def test_deleting_a_document_removes_all_of_it(rag: EnhancedRAGSystem) -> None:
    await fill(rag)
    assert await rag.delete_document("long") is True
    assert await rag.delete_document("long") is False
    with pytest.raises(errors.DocumentNotFoundError):
        await rag.get_document("long")
    assert [d.document_id for d in await rag.list_documents()] == ["cats", "dogs"]


async def test_documents_are_listed_with_filter_and_limit(rag: EnhancedRAGSystem) -> None:
    await fill(rag)
    assert [d.document_id for d in await rag.list_documents(filter={"kind": "pet"})] == ["cats", "dogs"]
    assert [d.document_id for d in await rag.list_documents(limit=1)] == ["cats"]
    [long] = await rag.list_documents(filter={"kind": "text"})
    assert long.length == len(LONG)


async def test_the_cache_answers_again_and_sees_every_write(rag: EnhancedRAGSystem) -> None:
    await fill(rag)
    first = await rag.search_knowledge("cats sleep", top_k=3)
    first[0].metadata["spoiled"] = True
    second = await rag.search_knowledge("cats sleep", top_k=3)
    assert "spoiled" not in second[0].metadata
    assert (await rag.get_system_stats())["search_statistics"]["cache_hits"] == 1
    await rag.delete_document("cats")
    assert "cats" not in {r.document_id for r in await rag.search_knowledge("cats sleep", top_k=3)}
    await rag.manager.update_metadata(filter={"n": 2}, set={"n": 20})
    assert [r.document_id for r in await rag.search_knowledge("cats sleep", top_k=3, filters={"n": 20})] == ["dogs"]
    await rag.manager.delete(filter={"n": 20})
    assert await rag.search_knowledge("cats sleep", top_k=3, filters={"n": 20}) == []


async def test_cached_answers_do_not_cross_kinds_users_or_scopes(rag: EnhancedRAGSystem) -> None:
    await rag.add_document(document_id="int", title="t", content="same words", metadata={"v": 1})
    await rag.add_document(document_id="text", title="t", content="same words", metadata={"v": "1"})
    assert [r.document_id for r in await rag.search_knowledge("same words", filters={"v": 1})] == ["int"]
    assert [r.document_id for r in await rag.search_knowledge("same words", filters={"v": "1"})] == ["text"]
    assert await rag.search_knowledge("same words", filters={"v": 1}, scope=Scope("other")) == []


async def test_scopes_keep_documents_apart(rag: EnhancedRAGSystem) -> None:
    a, b = Scope("a"), Scope("b")
    await rag.add_document(document_id="d", title="t", content="of a", scope=a)
    await rag.add_document(document_id="d", title="t", content="of b", scope=b)
    assert (await rag.get_document("d", scope=a)).content == "of a"
    await rag.delete_document("d", scope=a)
    assert (await rag.get_document("d", scope=b)).content == "of b"
    assert await rag.list_documents() == []


async def test_history_is_kept_by_user_newest_first(rag: EnhancedRAGSystem) -> None:
    await fill(rag)
    await rag.search_knowledge("one", user_id="u", filters={"kind": "pet"})
    await rag.search_knowledge("two", user_id="u")
    await rag.search_knowledge("three", user_id="v")
    history = await rag.get_search_history("u")
    assert [entry["query"] for entry in history] == ["two", "one"]
    assert history[1]["filters"] == {"kind": {"$eq": "pet"}}
    assert history[0]["result_count"] > 0
    assert await rag.get_search_history("u", limit=1) == history[:1]
    assert await rag.get_search_history("nobody") == []


@pytest.mark.parametrize("query", ["", "   ", None, 5])
async def test_a_query_must_be_text(rag: EnhancedRAGSystem, query: Any) -> None:
    with pytest.raises(errors.InvalidQueryError):
        await rag.search_knowledge(query)
    assert (await rag.get_system_stats())["search_statistics"]["failed_searches"] == 1


@pytest.mark.parametrize(
    "document",
    [
        {"document_id": "", "content": "x"},
        {"document_id": "x" * 481, "content": "x"},
        {"document_id": "a\0", "content": "x"},
        {"document_id": 5, "content": "x"},
        {"document_id": "a", "content": None},
        {"document_id": "a", "content": "x\0"},
        {"document_id": "a", "content": " ", "title": ""},
        {"document_id": "a", "content": "x", "title": 5},
        {"document_id": "a", "content": "x", "metadata": {"$k": 1}},
        {"document_id": "a", "content": "x", "metadata": {"v": (1,)}},
    ],
)
async def test_a_document_that_breaks_a_rule_is_refused(rag: EnhancedRAGSystem, document: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidRecordError):
        await rag.add_document(**document)
    with pytest.raises(errors.InvalidRecordError):
        await rag.add_documents([{"document_id": "good", "content": "good"}, document])
    report = await rag.add_documents([document, {"document_id": "good", "content": "good"}], collect_errors=True)
    assert report.documents == 1
    assert len(report.failed) == 1


async def test_many_documents_are_added_with_progress(rag: EnhancedRAGSystem) -> None:
    seen: list[int] = []

    async def source() -> AsyncIterator[NewDocument]:
        for number in range(600):
            yield NewDocument(document_id=f"d{number}", title=f"T{number}", content=f"content {number}")

    report = await rag.add_documents(source(), progress=lambda so_far: seen.append(so_far.documents))
    assert (report.documents, report.chunks, report.failed) == (600, 600, {})
    assert seen[-1] == 600
    # So many at once at first, more where that takes little time.
    assert seen[0] == 64
    assert len(seen) >= 3
    assert len(await rag.list_documents()) == 600


async def test_a_document_twice_in_one_call_and_unknown_keys_are_refused(rag: EnhancedRAGSystem) -> None:
    twice = [{"document_id": "a", "content": "x"}, {"document_id": "a", "content": "y"}]
    with pytest.raises(errors.InvalidRecordError, match="twice"):
        await rag.add_documents(twice)
    with pytest.raises(errors.InvalidRecordError, match="unknown keys"):
        await rag.add_documents([{"document_id": "a", "content": "x", "txt": 1}])
    with pytest.raises(errors.InvalidRecordError, match="mapping"):
        await rag.add_documents(["x"])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        await rag.add_document(document_id="a", content="x", tags=["x"])  # type: ignore[call-arg]


async def test_before_and_after_its_life_it_says_so() -> None:
    rag = create_enhanced_rag_system(settings())
    stats = await rag.get_system_stats()
    assert stats["initialized"] is False
    assert stats["search_statistics"]["total_searches"] == 0
    with pytest.raises(errors.ClosedError, match="initialize"):
        await rag.search_knowledge("x")
    await rag.initialize()
    await rag.initialize()
    await rag.shutdown()
    await rag.shutdown()
    with pytest.raises(errors.ClosedError):
        await rag.add_document(document_id="a", content="x")
    assert (await rag.get_system_stats())["initialized"] is False
    await rag.initialize()
    await rag.shutdown()


class _OtherModel(HashingEmbedder):
    identity = EmbeddingIdentity(name="other", revision="1", dimension=384)


async def test_another_model_of_the_same_dimension_is_refused_at_initialize(tmp_path: Path) -> None:
    config = settings(vector_db_path=str(tmp_path))
    async with create_enhanced_rag_system(config) as rag:
        await rag.add_document(document_id="a", content="x")
    with pytest.raises(errors.EmbeddingMismatchError, match=r"hashing.*other"):
        await create_enhanced_rag_system(config, embedder=_OtherModel()).initialize()
    async with create_enhanced_rag_system(config) as rag:
        assert (await rag.get_document("a")).content == "x"


async def test_a_dimension_that_is_not_the_models_is_refused_at_initialize(tmp_path: Path) -> None:
    with pytest.raises(errors.DimensionMismatchError, match=r"768.*384"):
        await create_enhanced_rag_system(settings(vector_db_dimension=768)).initialize()
    async with VPAVectorDatabaseManager(VectorDatabaseConfig(path=str(tmp_path), dimension=100)):
        pass
    with pytest.raises(errors.DimensionMismatchError, match=r"100.*384"):
        await create_enhanced_rag_system(settings(vector_db_path=str(tmp_path))).initialize()


async def test_the_cache_is_bounded_in_bytes_and_time() -> None:
    async with create_enhanced_rag_system(settings(cache_size_mb=0.01, cache_ttl_seconds=300)) as rag:
        await rag.add_document(document_id="a", content="x")
        for number in range(50):
            await rag.search_knowledge(f"query {number}")
        cache = (await rag.get_system_stats())["cache"]
        assert cache["size_bytes"] <= cache["max_bytes"] == int(0.01 * 2**20)
        assert 0 < cache["entries"] < 50
    async with create_enhanced_rag_system(settings(cache_ttl_seconds=0)) as rag:
        await rag.add_document(document_id="a", content="x")
        await rag.search_knowledge("q")
        await rag.search_knowledge("q")
        assert (await rag.get_system_stats())["search_statistics"]["cache_hits"] == 0


async def test_a_write_that_outlives_its_call_reaches_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vpa.engine.table import Table

    gate = asyncio.Event()
    loop = asyncio.get_running_loop()
    real = Table.delete

    def slow(self: Table, **arguments: Any) -> int:
        asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()
        return real(self, **arguments)

    async with create_enhanced_rag_system(settings(vector_db_path=str(tmp_path))) as rag:
        await rag.add_document(document_id="a", content="some words")
        monkeypatch.setattr(Table, "delete", slow)
        task = asyncio.create_task(rag.delete_document("a"))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # Not deleted yet, so this is right, and is kept by the cache…
        assert await rag.search_knowledge("words") != []
        gate.set()
        while await rag.manager.count():
            await asyncio.sleep(0.001)
        # …but not served once the delete, which nobody awaits any more, has taken effect.
        assert await rag.search_knowledge("words") == []


async def test_a_collection_that_was_made_again_is_not_answered_from_the_cache() -> None:
    async with create_enhanced_rag_system(settings()) as rag:
        await rag.add_document(document_id="a", content="some words")
        assert await rag.search_knowledge("words") != []
        info = (await rag.manager.collection("vpa-index")).info
        await rag.manager.drop_collection("vpa-index")
        await rag.manager.create_collection("vpa-index", dimension=384, embedding=info.embedding)
        assert await rag.search_knowledge("words") == []
        await rag.manager.drop_collection("vpa-index")
        await rag.add_document(document_id="b", content="new words")
        assert [one.document_id for one in await rag.search_knowledge("words")] == ["b"]


async def test_updates_and_deletes_of_one_document_at_once_follow_one_another(rag: EnhancedRAGSystem) -> None:
    for number in range(5):
        await rag.add_document(document_id="d", title="t", content=LONG, metadata={"k": 0})
        await asyncio.gather(
            rag.update_document("d", title=f"t{number}"),
            rag.update_document("d", metadata={"k": number}),
            rag.update_document("d", content=LONG + str(number)),
        )
        document = await rag.get_document("d")
        assert (document.title, document.metadata, document.content) == (
            f"t{number}",
            {"k": number},
            LONG + str(number),
        )
        _, deleted = await asyncio.gather(
            rag.update_document("d", title="late"), rag.delete_document("d"), return_exceptions=True
        )
        assert deleted is True
        with pytest.raises(errors.DocumentNotFoundError):
            await rag.get_document("d")


async def test_a_reader_beside_a_writer_gives_no_answer_of_yesterday(tmp_path: Path) -> None:
    place = f"mock://{tmp_path}"
    async with create_enhanced_rag_system(settings(vector_db_url=place)) as writer:
        await writer.add_document(document_id="old", content="the secret of old")
        reading = VPAVectorDatabaseManager(VectorDatabaseConfig(path=str(tmp_path), read_only=True))
        async with reading, create_enhanced_rag_system(settings(), manager=reading) as reader:
            assert [one.document_id for one in await reader.search_knowledge("secret")] == ["old"]
            await writer.add_document(document_id="new", content="the secret of new")
            await writer.delete_document("old")
            assert [one.document_id for one in await reader.search_knowledge("secret")] == ["new"]


@pytest.mark.parametrize("concurrency", [0, -1, "2", 1.5])
async def test_a_concurrency_that_cannot_be_is_refused(rag: EnhancedRAGSystem, concurrency: Any) -> None:
    with pytest.raises(errors.InvalidQueryError, match="concurrency is a whole number from 1 up"):
        await asyncio.wait_for(
            rag.add_documents([{"document_id": "a", "content": "b"}], concurrency=concurrency), timeout=5
        )


async def test_limits_formats_and_settings_of_a_wrong_kind_are_told(rag: EnhancedRAGSystem) -> None:
    for limit in (-1, 1.5, "2"):
        with pytest.raises(errors.InvalidQueryError, match="limit is a whole number from 0 up"):
            await rag.list_documents(limit=limit)  # type: ignore[arg-type]
    with pytest.raises(errors.InvalidRecordError, match="format of document 'a' must be a string"):
        await rag.add_document(document_id="a", content="b", format=5)  # type: ignore[arg-type]
    with pytest.raises(errors.ConfigurationError, match="config is what get_config returns, not dict"):
        create_enhanced_rag_system({"chunk_size": 5})  # type: ignore[arg-type]
    with pytest.raises(errors.InvalidQueryError, match="lone surrogate at position 1"):
        await rag.search_knowledge("a\udcff")
