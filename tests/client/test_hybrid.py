"""Collections that are searched for words: the index of them, the three modes, candidates for a fusion of one's own."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog

import vpa
import vpa.sync
from vpa import errors
from vpa.client.manager import VectorDatabaseManager
from vpa.retrieval.fusion import Fusion, fuse
from vpa.testing.fakes import WeakStore

TEXTS = {"x200": "The pump X-200b needs oil.", "valve": "A valve of the pump, and of a pump.", "cats": "Cats sleep."}


@pytest.fixture
async def db() -> AsyncIterator[vpa.VectorDatabaseManager]:
    async with vpa.connect("embedded://") as manager:
        yield manager


@pytest.fixture
async def docs(db: vpa.VectorDatabaseManager) -> vpa.Collection:
    docs = await db.create_collection("docs", embedder="hashing")
    await docs.add_texts([*TEXTS.values()], ids=[*TEXTS], metadata=[{"n": 1}, {"n": 2}, {"n": 3}])
    await docs.create_keyword_index()
    return docs


async def vector_of(docs: vpa.Collection, name: str) -> Any:
    [record] = await docs.get([name])
    return record.vector


async def test_words_are_looked_for_stemmed_and_codes_as_they_are(docs: vpa.Collection) -> None:
    assert (await docs.search(text="pumping", mode="keyword")).ids == ["valve", "x200"]
    assert (await docs.search(text="x-200B", mode="keyword")).ids == ["x200"]
    assert (await docs.search(text="nothing", mode="keyword")).ids == []
    assert (await docs.search(text="pump", mode="keyword", top_k=1)).ids == ["valve"]
    assert (await docs.search(text="pump", mode="keyword", score_threshold=100)).ids == []


async def test_a_mode_that_is_not_named_follows_from_what_is_given(
    docs: vpa.Collection, db: vpa.VectorDatabaseManager
) -> None:
    vector = await vector_of(docs, "cats")
    by_text = await docs.search(text="pump")
    assert by_text.items == (await docs.search(text="pump", mode="dense")).items
    both = await docs.search(vector, text="pump")
    assert both.items == (await docs.search(vector, text="pump", mode="hybrid")).items
    assert {match.id for match in both} == set(TEXTS)
    plain = await db.create_collection("plain", dimension=2)
    await plain.upsert([vpa.Record("a", vector=[1, 0], text="pump"), vpa.Record("b", vector=[0, 1], text="cats")])
    await plain.create_keyword_index()
    assert (await plain.search(text="pump")).ids == ["a"]
    assert (await plain.search([0.6, 0.8], text="pump", fusion=Fusion(semantic_weight=0))).ids == ["a", "b"]


async def test_without_an_index_words_are_refused_with_the_way_to_one(db: vpa.VectorDatabaseManager) -> None:
    docs = await db.create_collection("docs", embedder="hashing")
    for call in (
        docs.search(text="pump", mode="keyword"),
        docs.search(text="pump", mode="hybrid"),
        docs.candidates(text="pump"),
        docs.query_terms("pump"),
    ):
        with pytest.raises(errors.ConfigurationError, match=r"await collection\.create_keyword_index\('english'\)"):
            await call


async def test_filters_scopes_and_thresholds_act(docs: vpa.Collection) -> None:
    acme = docs.within(vpa.Scope("acme"))
    await acme.add_texts(["The pump of acme."], ids=["theirs"])
    for mode in ("keyword", "hybrid"):
        options: Any = {"text": "pump", "mode": mode}
        assert (await docs.search(filter={"n": 2}, **options)).ids == ["valve"]
        assert (await docs.search(filter={"n": 5}, **options)).ids == []
        assert (await acme.search(**options)).ids == ["theirs"]
        [match] = await docs.search(filter={"n": 1}, include_vectors=True, **options)
        assert np.array_equal(match.vector, await vector_of(docs, "x200"))  # type: ignore[arg-type]
    dense = {match.id: match.score for match in await docs.search(text="pump")}
    limit = sorted(dense.values())[1]
    found = await docs.search(text="pump", mode="hybrid", score_threshold=limit)
    assert set(found.ids) == {name for name, score in dense.items() if score >= limit}


async def test_what_is_written_is_seen_at_once_by_every_handle(
    docs: vpa.Collection, db: vpa.VectorDatabaseManager
) -> None:
    other = await db.collection("docs")

    async def search(text: str) -> list[str]:
        ids: list[str] = (await other.search(text=text, mode="keyword")).ids
        return ids

    await docs.add_texts(["Q-77z"], ids=["x200"])
    assert (await search("x-200b"), await search("q-77z")) == ([], ["x200"])
    await docs.delete(["x200"])
    assert await search("q-77z") == []
    await docs.upsert([vpa.Record("bare", vector=np.ones(384, np.float32))])
    assert await search("pump") == ["valve"]
    assert "bare" in (await docs.search(text="pump", mode="hybrid")).ids


async def test_an_index_is_made_anew_in_another_language(docs: vpa.Collection) -> None:
    assert (await docs.query_terms("the pumps")) == Counter(["pump"])
    await docs.create_keyword_index("none")
    assert (await docs.query_terms("the pumps")) == Counter(["the", "pumps"])
    assert set((await docs.search(text="the", mode="keyword")).ids) == {"valve", "x200"}
    await docs.create_keyword_index("de")
    assert docs.info.keywords is not None
    assert docs.info.keywords.language == "german"
    assert (await docs.search(text="pump", mode="keyword")).ids == ["valve", "x200"]


async def test_a_directory_keeps_its_words(tmp_path: Path) -> None:
    async with vpa.connect(tmp_path) as db:
        docs = await db.create_collection("docs", embedder="hashing", keywords="english")
        await docs.add_texts([*TEXTS.values()], ids=[*TEXTS])
        await docs.delete(["valve"])
        before = await docs.search(text="pump", mode="keyword")
    async with vpa.connect(tmp_path) as db:
        docs = await db.collection("docs", embedder="hashing")
        after = await docs.search(text="pump", mode="keyword")
        assert (after.ids, [match.score for match in after]) == (["x200"], [match.score for match in before])
    async with vpa.connect(tmp_path, read_only=True) as db:
        docs = await db.collection("docs")
        assert (await docs.search(text="pump", mode="keyword")).ids == ["x200"]
        with pytest.raises(errors.ReadOnlyError):
            await docs.create_keyword_index()


@pytest.mark.parametrize("method", ["zscore", "minmax", "max", "rrf", "confidence"])
async def test_a_fusion_of_ones_own_is_that_of_hybrid(docs: vpa.Collection, method: Any) -> None:
    fusion = Fusion(method=method, keyword_weight=0.8)
    vector = await vector_of(docs, "x200")
    candidates = await docs.candidates(vector, text="oil of the pump")
    scores = fuse(candidates.similarity, candidates.words, fusion)
    fused = dict(zip((match.id for match in candidates.matches), scores.tolist(), strict=True))
    hybrid = await docs.search(vector, text="oil of the pump", fusion=fusion)
    assert {match.id: match.score for match in hybrid} == pytest.approx(fused)
    assert hybrid.ids == sorted(fused, key=lambda name: (-fused[name], name))


async def test_candidates_take_terms_with_weights(docs: vpa.Collection) -> None:
    terms = await docs.query_terms("pump cats")
    found = await docs.candidates(terms=terms)
    assert {match.id for match in found.matches} == set(TEXTS)
    weighed = await docs.candidates(terms={**terms, "cat": 0.01})
    assert weighed.matches.ids[-1] == "cats"
    assert (await docs.candidates(terms={})).matches.ids == []
    assert (await docs.candidates(text="of the")).matches.ids == []
    by_vector = await docs.candidates(await vector_of(docs, "x200"), terms={})
    assert set(by_vector.matches.ids) == set(TEXTS)
    assert not by_vector.words.any()


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"text": "pump", "mode": "words"}, "mode is one of dense, keyword, hybrid, not 'words'"),
    ({"mode": "keyword"}, r"mode='keyword' looks for words: give them by name, text="),
    ({"vector": "pump", "mode": "keyword"}, "give them by name, text="),
    ({"vector": [1.0] * 384, "mode": "hybrid"}, "mode='hybrid' looks for words"),
    ({"vector": [1.0] * 384, "text": "pump", "mode": "keyword"}, "mode='keyword' compares words only"),
    ({"text": "pump", "fusion": Fusion()}, "fusion is for mode='hybrid'"),
    ({"text": "pump", "mode": "keyword", "fusion": Fusion()}, "fusion is for mode='hybrid'"),
    (
        {"text": "pump", "mode": "hybrid", "fusion": "rff"},
        "fusion is one of minmax, zscore, max, rrf, confidence, not 'rff'",
    ),
    ({"text": "", "mode": "keyword"}, "the text to search for must be a non-empty string, not ''"),
    ({"text": 5, "mode": "hybrid"}, "the text to search for must be a non-empty string, not 5"),
    ({"text": "???", "mode": "hybrid"}, r"there is no word in '\?\?\?' to search for"),
    ({"text": "of the", "mode": "keyword"}, "'of the' holds stop words of english only"),
    ({"text": "pump " * 20_000, "mode": "keyword"}, "100000 bytes, at most 65536 are taken"),
    ({"text": "\ud800", "mode": "keyword"}, "lone surrogate"),
    ({"text": "pump", "mode": "hybrid", "top_k": 0}, "top_k must be an integer from 1 to 5000"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
async def test_a_search_that_cannot_be_is_refused(docs: vpa.Collection, options: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.InvalidQueryError, match=message):
        await docs.search(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "exactly one of text= and terms="),
        ({"text": "a", "terms": {}}, "exactly one of text= and terms="),
        ({"terms": ["pump"]}, r"terms maps strings to numbers, as query_terms does, not \['pump'\]"),
        ({"terms": {"pump": "1"}}, "terms maps strings to numbers, not 'pump' to '1'"),
        ({"terms": {5: 1}}, "terms maps strings to numbers"),
        ({"terms": {"pump": float("nan")}}, "from 0 to 1,000,000, not nan"),
        ({"terms": {"pump": -1}}, "from 0 to 1,000,000, not -1"),
        ({"terms": {"pump": 1e308}}, "from 0 to 1,000,000"),
        ({"terms": {"pump": 10**400}}, "from 0 to 1,000,000"),
        ({"text": "pump", "depth": 0}, "from 1 to 5000"),
    ],
)
async def test_candidates_that_cannot_be_are_refused(
    docs: vpa.Collection, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(errors.InvalidQueryError, match=message):
        await docs.candidates(**options)


@pytest.mark.parametrize("language", ["klingon", "", 5, None])
async def test_an_unknown_language_is_refused_with_all_that_there_are(docs: vpa.Collection, language: Any) -> None:
    with pytest.raises(errors.ConfigurationError, match=r"one of arabic, .* turkish, none, or an ISO 639-1 code"):
        await docs.create_keyword_index(language)
    assert (await docs.search(text="pumps", mode="keyword")).ids == ["valve", "x200"]


async def test_searches_at_once_get_what_each_alone_gets(docs: vpa.Collection) -> None:
    async def search(number: int) -> vpa.Matches:
        mode: Any = ("keyword", "hybrid", "dense")[number % 3]
        return await docs.search(text=("pump", "oil", "cats sleep")[number // 3 % 3], mode=mode)

    alone = [await search(number) for number in range(9)]
    together = await asyncio.gather(*(search(number % 9) for number in range(45)))
    assert [found.items for found in together] == [found.items for found in alone] * 5


def test_without_await_it_is_the_same() -> None:
    with vpa.sync.connect("embedded://") as db:
        docs = db.create_collection("docs", embedder="hashing", keywords="english")  # type: ignore[attr-defined]
        docs.add_texts([*TEXTS.values()], ids=[*TEXTS])
        assert docs.search(text="X-200b", mode="keyword").ids == ["x200"]
        assert docs.search(text="X-200b", mode="hybrid").ids[0] == "x200"
        assert docs.query_terms("pumps") == Counter(["pump"])
        assert docs.candidates(terms={"cat": 1.0}).matches.ids == ["cats"]


async def test_an_index_that_another_process_made_is_taken_up_by_an_open_handle(tmp_path: Path) -> None:
    place = f"embedded://{tmp_path / 'store'}"
    async with vpa.connect(place) as writer:
        docs = await writer.create_collection("docs", dimension=2)
        await docs.upsert([vpa.Record("a", vector=[1, 0], text="a leaking pump")])
        async with vpa.connect(place, read_only=True) as reader:
            handle = await reader.collection("docs")
            with pytest.raises(errors.ConfigurationError, match="has no keyword index"):
                await handle.search(text="pumps", mode="keyword")
            await docs.create_keyword_index()
            assert (await handle.search(text="pumps", mode="keyword")).ids == ["a"]


@pytest.mark.parametrize("read_only", [False, True])
async def test_words_of_another_analyser_are_told_and_taken_anew(tmp_path: Path, read_only: bool) -> None:
    place = f"embedded://{tmp_path / 'store'}"
    async with vpa.connect(place) as db:
        docs = await db.create_collection("docs", dimension=2, keywords="english")
        await docs.upsert([vpa.Record("a", vector=[1, 0], text="a leaking pump")])
        await docs.search(text="pump", mode="keyword")
        present = docs.info.keywords
        assert present is not None
        older = replace(present, version="0-older")
        await db._open_store().set_keywords("docs", older)
    with structlog.testing.capture_logs() as logged:
        async with vpa.connect(place, read_only=read_only) as db:
            again = await db.collection("docs")
            assert (await again.search(text="pumps", mode="keyword")).ids == ["a"]
            assert again.info.keywords == (older if read_only else present)
    [line] = [line for line in logged if "another version of the analyser" in line["event"]]
    assert (line["made_by"], line["now"]) == (str(older), str(present))


async def test_a_residual_filter_that_few_satisfy_ends_a_hybrid_search_at_the_stores_depth() -> None:
    async with VectorDatabaseManager(store=WeakStore(max_top_k=60)) as db:
        docs = await db.create_collection("docs", dimension=2, keywords="english")
        await docs.upsert(
            [vpa.Record(f"r{n:03}", vector=[1, n], text=f"pump {n}", metadata={"n": n}) for n in range(200)]
        )
        answer = await docs.search([1, 5], text="pump", mode="hybrid", top_k=3, filter=vpa.F("n") < 12)
        assert 0 < len(answer) <= 3
        assert not answer.exact
        assert all(match.metadata["n"] < 12 for match in answer)


@pytest.mark.parametrize("term", ["", "\ud800", "nul\0"])
async def test_terms_that_no_text_has_are_refused(term: str) -> None:
    async with vpa.connect("embedded://") as db:
        docs = await db.create_collection("docs", dimension=2, keywords="english")
        with pytest.raises(errors.InvalidQueryError, match="term"):
            await docs.candidates(terms={term: 1.0})
