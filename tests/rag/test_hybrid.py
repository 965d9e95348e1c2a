"""Searches of the RAG system for meaning, for words, or both, and what may be asked for beside that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from vpa import errors
from vpa.base.scope import Scope
from vpa.config.settings import DeploymentConfig
from vpa.core.enhanced_rag import EnhancedRAGSystem, SearchResult, create_enhanced_rag_system
from vpa.core.vector_database import VectorDatabaseConfig, VPAVectorDatabaseManager
from vpa.retrieval.boosts import Recency
from vpa.retrieval.candidates import Candidate
from vpa.retrieval.rerank import Reranker
from vpa.testing.fakes import WeakStore

MODES = ("hybrid", "dense", "keyword")
DOCUMENTS: tuple[dict[str, Any], ...] = (
    {
        "document_id": "x200",
        "title": "Pump X-200b",
        "content": "The pump X-200b needs oil every spring.",
        "metadata": {"date": "2020-01-01", "author": "ann", "kind": "manual"},
    },
    {
        "document_id": "x300",
        "title": "Pump X-300",
        "content": "The pump X-300 needs oil every autumn.",
        "metadata": {"date": "2024-01-01", "author": "bob", "kind": "manual"},
    },
    {
        "document_id": "valve",
        "title": "Valves",
        "content": "A valve keeps oil in the pump.",
        "metadata": {"author": "ann", "kind": "note"},
    },
    {"document_id": "cats", "title": "Cats", "content": "Cats sleep all day.", "metadata": {"kind": "note"}},
)


def settings(**changes: Any) -> DeploymentConfig:
    return DeploymentConfig(embedding_model="hashing", chunk_size=200, chunk_overlap=40, **changes)


@pytest.fixture
async def rag() -> AsyncIterator[EnhancedRAGSystem]:
    async with create_enhanced_rag_system(settings()) as system:
        await system.add_documents(DOCUMENTS)
        yield system


def ids(results: Sequence[SearchResult]) -> list[str]:
    return [result.document_id for result in results]


async def entries(rag: EnhancedRAGSystem) -> int:
    entries: int = (await rag.get_system_stats())["cache"]["entries"]
    return entries


# Modes


async def test_hybrid_is_what_is_meant_where_there_is_a_keyword_index_and_dense_where_not(
    rag: EnhancedRAGSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = await rag.search_knowledge("oil for the pump")
    assert {result.why.mode for result in results if result.why} == {"hybrid"}
    assert await rag.search_knowledge("oil for the pump", mode="hybrid") == results
    monkeypatch.setenv("VPA_KEYWORD_LANGUAGE", "off")
    async with create_enhanced_rag_system(settings()) as plain:
        await plain.add_documents(DOCUMENTS)
        results = await plain.search_knowledge("oil for the pump")
        assert {result.why.mode for result in results if result.why} == {"dense"}
        assert all(result.score == result.similarity for result in results)
        for mode in ("keyword", "hybrid"):
            with pytest.raises(errors.ConfigurationError, match=r"create_keyword_index\('english'\); mode='dense'"):
                await plain.search_knowledge("oil", mode=mode)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["keyword", "hybrid"])
@pytest.mark.parametrize("query", ["X-200b", "x-200B", "what of X-200b?"])
async def test_a_code_is_found_as_it_is_written(rag: EnhancedRAGSystem, mode: Any, query: str) -> None:
    results = await rag.search_knowledge(query, mode=mode)
    assert results[0].document_id == "x200"
    assert results[0].why is not None
    assert "X-200b" in [word.word for word in results[0].why.words]
    if mode == "keyword":
        assert ids(results) == ["x200"]


async def test_keyword_results_have_no_similarity_and_hold_a_word(rag: EnhancedRAGSystem) -> None:
    results = await rag.search_knowledge("oils of pumps", mode="keyword")
    assert set(ids(results)) == {"x200", "x300", "valve"}
    assert [result.score for result in results] == sorted((result.score for result in results), reverse=True)
    for rank, result in enumerate(results, 1):
        why = result.why
        assert why is not None
        assert (result.similarity, why.dense_rank, why.fused) == (None, None, None)
        assert (why.keyword_rank, why.keyword_score) == (rank, result.score)
        assert {word.term for word in why.words} == {"oil", "pump"}
    assert await rag.search_knowledge("nothing", mode="keyword") == []


async def test_why_is_complete_and_goes_to_json_and_back(rag: EnhancedRAGSystem) -> None:
    def judge(question: str, texts: Sequence[str]) -> list[float]:
        return [float(len(text)) for text in texts]

    results = await rag.search_knowledge(
        "pump oil", boosts={"title": 2.0}, recency=Recency(field="date", weight=0.4), rerank=judge
    )
    assert len(results) == 4
    for result in results:
        why = result.why
        assert why is not None
        assert why.mode == "hybrid"
        assert why.fused is not None
        assert 0 < why.fused < 1
        assert result.similarity is not None
        assert why.reranked == len(result.content)
        assert why.boosts.keys() == ({"title", "date"} if result.title.startswith("Pump") else {"date"})
        assert all(result.content[word.start : word.end] == word.word for word in why.words)
        assert (why.keyword_rank is None) == (why.keyword_score == 0) == (result.document_id == "cats")
        assert SearchResult.from_json(json.loads(json.dumps(result.to_json()))) == result
    assert sorted(result.why.dense_rank or 0 for result in results if result.why) == [1, 2, 3, 4]
    assert sorted(result.why.rank_before or 0 for result in results if result.why) == [1, 2, 3, 4]


async def test_a_threshold_is_on_the_similarity(rag: EnhancedRAGSystem) -> None:
    everything = await rag.search_knowledge("pump oil")
    limit = sorted(result.similarity or 0.0 for result in everything)[2]
    for options in ({}, {"mode": "dense"}, {"fusion": "rrf"}, {"semantic_weight": 0}, {"boosts": {"title": 100.0}}):
        results = await rag.search_knowledge("pump oil", score_threshold=limit, **options)  # type: ignore[arg-type]
        assert len(results) == 2
        assert all((result.similarity or 0.0) >= limit for result in results)
    assert await rag.search_knowledge("pump oil", score_threshold=0.99) == []


async def test_stop_words_only_are_compared_by_vector_and_it_is_noted(rag: EnhancedRAGSystem) -> None:
    results = await rag.search_knowledge("what is it")
    assert ids(results) == ids(await rag.search_knowledge("what is it", mode="dense"))
    for result in results:
        assert result.why is not None
        assert result.why.notes == ("'what is it' holds stop words only: it was compared by vector alone",)


async def test_weights_and_fusions_lean_to_either_side(rag: EnhancedRAGSystem) -> None:
    by_words = ids(await rag.search_knowledge("oil pump X-300", mode="keyword"))
    by_vector = ids(await rag.search_knowledge("oil pump X-300", mode="dense"))
    for fusion in ("zscore", "minmax", "max", "rrf", "confidence"):
        hybrid: Any = {"mode": "hybrid", "fusion": fusion}
        results = await rag.search_knowledge("oil pump X-300", semantic_weight=0, **hybrid)
        assert ids(results)[: len(by_words)] == by_words
        assert ids(await rag.search_knowledge("oil pump X-300", keyword_weight=0, **hybrid)) == by_vector


# Where it acts


@pytest.mark.parametrize("mode", MODES)
async def test_filters_scopes_and_collections_act_in_every_mode(rag: EnhancedRAGSystem, mode: Any) -> None:
    acme = Scope("acme")
    await rag.add_document(document_id="theirs", content="The pump of acme needs oil.", scope=acme)
    await rag.add_document(document_id="other", content="Another pump needs oil.", collection="others")
    assert set(ids(await rag.search_knowledge("pump oil", mode=mode, filters={"author": "ann"}))) == {"x200", "valve"}
    assert ids(await rag.search_knowledge("pump oil", mode=mode, filters={"author": "nobody"})) == []
    assert ids(await rag.search_knowledge("pump oil", mode=mode, scope=acme)) == ["theirs"]
    assert ids(await rag.search_knowledge("pump oil", mode=mode, collection="others")) == ["other"]
    assert not {"theirs", "other"} & set(ids(await rag.search_knowledge("pump oil", mode=mode, top_k=10)))


@pytest.mark.parametrize("mode", MODES)
async def test_grouping_and_limits_act_in_every_mode(rag: EnhancedRAGSystem, mode: Any) -> None:
    text = "\n\n".join(f"Paragraph {number}: pumps need oil, and more oil, and much care." for number in range(20))
    await rag.add_document(document_id="long", content=text, metadata={"author": "ann"})
    options: Any = {"mode": mode, "top_k": 4}
    assert len(set(ids(await rag.search_knowledge("pump oil", group_by="document", **options)))) == 4
    limited = await rag.search_knowledge("pump oil", at_most={"document": 2, "author": 3}, **options)
    assert max(ids(limited).count(name) for name in ids(limited)) <= 2
    assert sum(result.metadata.get("author") == "ann" for result in limited) <= 3
    assert len(limited) == 4


@pytest.mark.parametrize("mode", MODES)
async def test_what_is_written_and_deleted_is_seen_at_once(rag: EnhancedRAGSystem, mode: Any) -> None:
    async def search(query: str) -> list[str]:
        return ids(await rag.search_knowledge(query, mode=mode, top_k=1))

    assert await search("X-200b") == ["x200"]
    await rag.update_document("x200", content="The compressor Q-77z needs no grease.", title="Compressor")
    assert (await search("Q-77z")) == ["x200"]
    if mode == "keyword":
        assert await search("X-200b") == []
    await rag.delete_document("x200")
    assert "x200" not in await search("Q-77z")
    await rag.add_document(document_id="new", content="Q-77z is back.")
    assert await search("Q-77z") == ["new"]


async def test_a_keyword_index_made_later_is_used_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPA_KEYWORD_LANGUAGE", "off")
    async with create_enhanced_rag_system(settings()) as rag:
        await rag.add_documents(DOCUMENTS)
        [before] = await rag.search_knowledge("X-200b", top_k=1)
        await (await rag.manager.collection("vpa-index")).create_keyword_index("english")
        [after] = await rag.search_knowledge("X-200b", top_k=1)
        assert before.why is not None
        assert after.why is not None
        assert (before.why.mode, after.why.mode) == ("dense", "hybrid")


async def test_a_directory_that_is_opened_again_keeps_its_words(tmp_path: Path) -> None:
    config = settings(vector_db_path=str(tmp_path))
    async with create_enhanced_rag_system(config) as rag:
        await rag.add_documents(DOCUMENTS)
        before = await rag.search_knowledge("oil pump X-200b")
    async with create_enhanced_rag_system(config) as rag:
        assert await rag.search_knowledge("oil pump X-200b") == before
        assert ids(await rag.search_knowledge("X-200b", mode="keyword")) == ["x200"]


# What is asked for beside that


async def test_boosts_and_recency_move_results_up(rag: EnhancedRAGSystem) -> None:
    assert (await rag.search_knowledge("oil valves", boosts={"title": 10.0}))[0].document_id == "valve"
    assert (await rag.search_knowledge("oil note", boosts={"kind": 50.0}))[0].document_id == "valve"
    recent = await rag.search_knowledge("oil pump", recency=Recency(field="date", weight=1, half_life_days=365))
    assert ids(recent)[:2] == ["x300", "x200"]


async def test_chance_is_repeatable_with_a_seed(rag: EnhancedRAGSystem) -> None:
    async def draw(seed: int | None) -> list[str]:
        return ids(await rag.search_knowledge("oil", top_k=2, temperature=5.0, seed=seed))

    draws = [await draw(seed) for seed in range(12)]
    assert [await draw(seed) for seed in range(12)] == draws
    assert len({tuple(draw) for draw in draws}) > 1
    assert all(len(set(draw)) == 2 for draw in draws)
    assert ids(await rag.search_knowledge("oil", top_k=2, temperature=1e-9)) == ids(
        await rag.search_knowledge("oil", top_k=2)
    )


async def test_diversity_passes_over_copies_with_chance_and_without(rag: EnhancedRAGSystem) -> None:
    for number in range(5):
        await rag.add_document(document_id=f"copy{number}", content="Oil the pump in spring.")
    for options in ({}, {"temperature": 1e-9, "seed": 1}):
        results = await rag.search_knowledge("oil the pump in spring", top_k=3, diversity=0.9, **options)  # type: ignore[arg-type]
        assert sum(name.startswith("copy") for name in ids(results)) == 1


@pytest.mark.parametrize("mode", MODES)
async def test_earlier_turns_say_what_a_question_leaves_out(rag: EnhancedRAGSystem, mode: Any) -> None:
    history = ["Tell me of cats.", "", "How do cats sleep all day?"]
    results = await rag.search_knowledge("and what else?", mode=mode, history=history)
    assert ids(results)[0] == "cats"


async def test_synonyms_rewritings_and_feedback_find_what_the_question_does_not_say(rag: EnhancedRAGSystem) -> None:
    async def later(question: str) -> str:
        return question.replace("felines", "cats")

    for expand in ({"feline": ["cats"]}, lambda question: [question.replace("felines", "cats")], later):
        results = await rag.search_knowledge("felines sleeping", mode="keyword", expand=expand)  # type: ignore[arg-type]
        assert ids(results) == ["cats"]
    for mode in MODES:
        assert await rag.search_knowledge("X-200b", mode=mode, expand="feedback")  # type: ignore[arg-type]
    found = await rag.search_knowledge("X-200b", mode="keyword", expand="feedback")
    assert ids(found)[0] == "x200"
    assert len(found) > 1


async def test_a_reranker_that_is_slow_leaves_the_order_and_its_answer_is_not_remembered(
    rag: EnhancedRAGSystem,
) -> None:
    is_slow = True

    async def judge(question: str, texts: Sequence[str]) -> list[float]:
        if is_slow:
            await asyncio.Event().wait()
        return [float(text.startswith("Cats")) for text in texts]

    async def search() -> list[SearchResult]:
        return await rag.search_knowledge("oil pump", rerank=judge, rerank_weight=1, rerank_seconds=0.01)

    slow = await search()
    assert ids(slow) == ids(await rag.search_knowledge("oil pump"))
    assert slow[0].why is not None
    assert slow[0].why.notes == ("the reranker 'judge' took longer than 0.01 s: the order is as it was",)
    is_slow = False
    assert ids(await search())[0] == "cats"


# The cache


async def test_a_question_with_other_options_is_another_entry(rag: EnhancedRAGSystem) -> None:
    def judge(question: str, texts: Sequence[str]) -> list[float]:
        return [0.0] * len(texts)

    def other(question: str, texts: Sequence[str]) -> list[float]:
        return [1.0 if text.startswith("Cats") else 0.0 for text in texts]

    class Unhashable:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self, question: str) -> list[str]:
            return ["valve"]

    class Mine(Reranker):
        __hash__ = None  # type: ignore[assignment]

        async def scores(self, question: str, candidates: Sequence[Candidate]) -> list[float]:
            return [0.0] * len(candidates)

    options: list[dict[str, Any]] = [
        {},
        {"mode": "dense"},
        {"mode": "keyword"},
        {"fusion": "rrf"},
        {"semantic_weight": 0.9},
        {"keyword_weight": 0.9},
        {"boosts": {"title": 2.0}},
        {"boosts": {"title": 3.0}},
        {"recency": Recency(field="date")},
        {"recency": Recency(field="date", weight=0.1)},
        {"rerank": judge},
        {"rerank": other},
        {"rerank": other, "rerank_weight": 1.0},
        {"rerank": other, "rerank_depth": 2},
        {"rerank": Mine()},
        {"expand": "feedback"},
        {"expand": {"pump": ["valve"]}},
        {"expand": {"pump": ["valve", "cats"]}},
        {"expand": {"pump": ["valve"], "oil": []}},
        {"expand": Unhashable()},
        {"history": ["cats"]},
        {"history": ["cats", "dogs"]},
        {"group_by": "document"},
        {"at_most": {"document": 1}},
        {"diversity": 0.5},
        {"temperature": 1.0, "seed": 1},
        {"temperature": 1.0, "seed": 2},
        {"exact": True},
        {"top_k": 2},
        {"score_threshold": 0.1},
    ]
    answers = []
    for number, option in enumerate(options, 1):
        answers.append(await rag.search_knowledge("pump oil", **option))
        assert await entries(rag) == number, option
    for option, answer in zip(options, answers, strict=True):
        assert await rag.search_knowledge("pump oil", **option) == answer
    assert await entries(rag) == len(options)
    assert (await rag.get_system_stats())["search_statistics"]["cache_hits"] == len(options)


async def test_chance_without_a_seed_is_not_remembered(rag: EnhancedRAGSystem) -> None:
    await rag.search_knowledge("pump oil", temperature=1.0)
    assert await entries(rag) == 0


async def test_a_method_of_a_model_is_one_reranker(rag: EnhancedRAGSystem) -> None:
    class Model:
        calls = 0

        def predict(self, question: str, texts: Sequence[str]) -> list[float]:
            self.calls += 1
            return [0.0] * len(texts)

    model = Model()
    for _ in range(3):
        await rag.search_knowledge("pump oil", rerank=model.predict)
    assert model.calls == 1


async def test_turns_that_are_not_looked_at_tell_no_search_from_another(rag: EnhancedRAGSystem) -> None:
    for first in ("dogs", "birds"):
        await rag.search_knowledge("pump oil", history=[first, "one", "two", "cats"])
    assert await entries(rag) == 1


async def test_what_a_caller_does_with_a_result_is_not_remembered(rag: EnhancedRAGSystem) -> None:
    [first] = await rag.search_knowledge("X-200b", top_k=1, boosts={"title": 2.0})
    expected = first.to_json()
    assert first.why is not None
    first.metadata.clear()
    first.why.boosts.clear()  # type: ignore[attr-defined]
    assert (await rag.search_knowledge("X-200b", top_k=1, boosts={"title": 2.0}))[0].to_json() == expected


async def test_two_callers_at_once_get_what_each_alone_gets(rag: EnhancedRAGSystem) -> None:
    async def search(number: int) -> list[SearchResult]:
        return await rag.search_knowledge("pump oil", mode=MODES[number % 3], top_k=1 + number % 4)  # type: ignore[arg-type]

    alone = [await search(number) for number in range(12)]
    async with create_enhanced_rag_system(settings(cache_size_mb=0)) as other:
        await other.add_documents(DOCUMENTS)
        rag = other
        together = await asyncio.gather(*(search(number % 12) for number in range(24)))
    assert [*map(ids, together)] == [*map(ids, alone)] * 2


# Documents


async def test_titles_are_words_of_their_documents_in_their_newest_version(rag: EnhancedRAGSystem) -> None:
    async def search(query: str) -> list[str]:
        return ids(await rag.search_knowledge(query, mode="keyword"))

    await rag.add_document(document_id="bare", title="Zebras", content="")
    await rag.add_document(document_id="titled", title="Zebra", content="Nothing of that kind.")
    assert set(await search("zebra")) == {"bare", "titled"}
    await rag.update_document("titled", title="Giraffe")
    assert (await search("zebra"), await search("giraffes")) == (["bare"], ["titled"])
    await rag.update_document("titled", metadata={"n": 1})
    assert await search("giraffes") == ["titled"]


async def test_another_language_stems_otherwise() -> None:
    async with create_enhanced_rag_system(settings(keyword_language="de")) as rag:
        await rag.add_document(document_id="a", content="Die Häuser der Stadt.")
        assert ids(await rag.search_knowledge("Haus", mode="keyword")) == ["a"]
        with pytest.raises(errors.InvalidQueryError, match="stop words of german only"):
            await rag.search_knowledge("die der", mode="keyword")


async def test_a_long_document_does_not_ask_the_reranker_again_and_again(rag: EnhancedRAGSystem) -> None:
    text = "\n\n".join(f"Pump paragraph {number}, of oil and the like, as long as chunks are." for number in range(600))
    await rag.add_document(document_id="long", content=text)
    calls: list[int] = []

    def judge(question: str, texts: Sequence[str]) -> list[float]:
        calls.append(len(texts))
        return [0.0] * len(texts)

    results = await rag.search_knowledge("pump oil", top_k=4, group_by="document", rerank=judge)
    assert (len(set(ids(results))), calls) == (4, [50])


# Stores


async def test_a_store_that_keeps_no_words_is_searched_by_vector() -> None:
    store = WeakStore()
    store.capabilities = replace(store.capabilities, keywords=False)
    manager = VPAVectorDatabaseManager(VectorDatabaseConfig(), store=store)
    async with create_enhanced_rag_system(settings(), manager=manager) as rag:
        await rag.add_documents(DOCUMENTS)
        results = await rag.search_knowledge("oil pump X-200b", boosts={"title": 2.0}, diversity=0.2, expand="feedback")
        assert {result.why.mode for result in results if result.why} == {"dense"}
        for mode in ("keyword", "hybrid"):
            with pytest.raises(errors.ConfigurationError, match="keeps no keyword index yet; search by vector"):
                await rag.search_knowledge("oil", mode=mode)  # type: ignore[arg-type]
    await manager.close()


@pytest.mark.parametrize("metric", ["dot", "euclidean", "cosine"])
async def test_every_metric_has_hybrid_searches(metric: str) -> None:
    async with create_enhanced_rag_system(settings(vector_db_metric=metric)) as rag:
        await rag.add_documents(DOCUMENTS)
        dense = {result.document_id: result.score for result in await rag.search_knowledge("pump oil", mode="dense")}
        for fusion in ("zscore", "minmax", "max", "rrf", "confidence"):
            results = await rag.search_knowledge("pump oil", fusion=fusion)  # type: ignore[arg-type]
            assert {result.document_id: result.similarity for result in results} == pytest.approx(dense)
            assert ids(results)[-1] == "cats"


async def test_another_language_than_the_collections_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPA_VECTOR_DB_PATH", str(tmp_path / "store"))
    monkeypatch.setenv("VPA_EMBEDDING_MODEL", "hashing")
    async with create_enhanced_rag_system() as rag:
        await rag.add_document(document_id="a", content="Leaking pumps")
    monkeypatch.setenv("VPA_KEYWORD_LANGUAGE", "de")
    with structlog.testing.capture_logs() as logged:
        async with create_enhanced_rag_system() as rag:
            [found] = await rag.search_knowledge("pump", mode="keyword")
    assert found.document_id == "a"
    [line] = [line for line in logged if "language it was made with" in line["event"]]
    assert (line["language"], line["setting"]) == ("english", "german")
