"""What a search cannot be asked is refused by name, before anything runs, and the message says what is allowed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from vpa import errors
from vpa.config.settings import DeploymentConfig
from vpa.core.enhanced_rag import EnhancedRAGSystem, create_enhanced_rag_system
from vpa.retrieval.boosts import Recency
from vpa.retrieval.fusion import Fusion


def settings(**changes: Any) -> DeploymentConfig:
    return DeploymentConfig(embedding_model="hashing", **changes)


@pytest.fixture
async def rag() -> AsyncIterator[EnhancedRAGSystem]:
    async with create_enhanced_rag_system(settings()) as system:
        for name, author in (("pump", "ann"), ("valve", "bob")):
            content = f"The {name} needs oil."
            await system.add_document(document_id=name, title=name, content=content, metadata={"author": author})
        yield system


ARGUMENTS: list[tuple[dict[str, Any], str]] = [
    ({"mode": "words"}, "mode is one of dense, keyword, hybrid, not 'words'"),
    ({"mode": ["dense"]}, "mode is one of"),
    ({"fusion": "best"}, "fusion is one of minmax, zscore, max, rrf, confidence, not 'best'"),
    ({"fusion": 3}, "fusion is one of"),
    ({"semantic_weight": -1}, "semantic_weight must be a number from 0 up, not -1"),
    ({"keyword_weight": "1"}, "keyword_weight must be a number from 0 up, not '1'"),
    ({"semantic_weight": 0, "keyword_weight": 0}, "are both 0; at least one must be above"),
    (
        {"rerank": "cross-encoder"},
        r"rerank is 'none', 'light', a function \(question, texts\) -> numbers, or a Reranker",
    ),
    ({"rerank_depth": 0}, "from 1 to 5000, not 0"),
    ({"rerank_weight": 1.5}, "rerank_weight must be a number from 0 to 1, not 1.5"),
    ({"rerank_seconds": 0}, "rerank_seconds must be a number above 0, not 0"),
    ({"rerank_seconds": None}, "rerank_seconds must be a number above 0, not None"),
    ({"boosts": ["title"]}, "boosts is a mapping of fields to factors"),
    ({"boosts": {"title": 0.5}}, "must be a number from 1 to 1,000,000, not 0.5"),
    ({"boosts": {"colour": 2.0}}, "none of the 2 candidates has a text in 'colour'"),
    ({"recency": "date"}, r"recency is a Recency, Recency\(field='date'"),
    ({"recency": Recency(field="author")}, "none of the 2 candidates has a date in 'author'"),
    ({"temperature": -1}, "temperature must be a number from 0 up, not -1"),
    ({"temperature": float("nan")}, "temperature must be a number from 0 up, not nan"),
    ({"diversity": 2}, "diversity must be a number from 0 to 1, not 2"),
    ({"diversity": -0.1}, "diversity must be a number from 0 to 1, not -0.1"),
    ({"temperature": 1.0, "seed": "x"}, "seed is a whole number from 0 up, or None, not 'x'"),
    ({"seed": [1]}, "seed is a whole number from 0 up"),
    ({"at_most": {"document": 0}}, r"at_most\['document'\] must be a whole number from 1 up, not 0"),
    ({"at_most": 3}, "at_most is a mapping of 'document', or a metadata field, to a number"),
    ({"group_by": "author"}, "group_by is None or 'document', not 'author'"),
    ({"group_by": ["document"]}, r"group_by is None or 'document', not \['document'\]"),
    ({"history": "what of it?"}, "history is a list of strings, the latest last, not 'what of it"),
    ({"history": None}, "history is a list of strings"),
    ({"history": [5]}, "history is a list of strings"),
    ({"history": ["\ud800"]}, "lone surrogate"),
    ({"history": ["x" * 100_000]}, "100000 bytes, at most 65536"),
    ({"expand": "feedbak"}, "expand is 'feedback', a mapping of words to synonyms, or a function"),
    ({"expand": {"pump": "fan"}}, "expand maps a word to a list of words"),
    ({"expand": lambda question: None}, "the rewriting of a question gives strings, not None"),
    ({"expand": lambda question: ["\ud800"]}, "lone surrogate"),
    ({"expand": lambda question: ["x" * 100_000]}, "100000 bytes, at most 65536"),
    ({"score_threshold": float("nan")}, "score_threshold"),
    ({"top_k": 0}, "top_k must be an integer from 1 to 5000, not 0"),
]


@pytest.mark.parametrize(("options", "message"), ARGUMENTS, ids=[message[:50] for _, message in ARGUMENTS])
async def test_an_option_that_cannot_be_is_refused(
    rag: EnhancedRAGSystem, options: dict[str, Any], message: str
) -> None:
    for mode in ("hybrid", "dense", "keyword"):
        with pytest.raises(errors.InvalidQueryError, match=message):
            await rag.search_knowledge("oil", **({"mode": mode} | options))
    assert (await rag.get_system_stats())["search_statistics"]["failed_searches"] == 3


@pytest.mark.parametrize("mode", [None, "hybrid", "dense", "keyword"])
@pytest.mark.parametrize(
    "query, message",
    [
        ("", "the query must be a non-empty string, not ''"),
        (" \n ", "the query must be a non-empty string"),
        (5, "the query must be a non-empty string, not 5"),
        (None, "the query must be a non-empty string, not None"),
        ("\ud800", "lone surrogate"),
        ("a\x00", "NUL"),
        ("pump " * 20_000, "the query has 100000 bytes, at most 65536 are taken; ask for a part of it"),
    ],
)
async def test_a_query_that_says_nothing_or_a_book_is_refused(
    rag: EnhancedRAGSystem, mode: Any, query: Any, message: str
) -> None:
    with pytest.raises(errors.InvalidQueryError, match=message):
        await rag.search_knowledge(query, mode=mode)


@pytest.mark.parametrize("mode", [None, "hybrid", "keyword"])
async def test_a_query_without_a_word_is_refused_where_words_are_looked_for(rag: EnhancedRAGSystem, mode: Any) -> None:
    for query in ("???", "— …", "🙂"):
        with pytest.raises(errors.InvalidQueryError, match=r"there is no word in '.*' to search for"):
            await rag.search_knowledge(query, mode=mode)
        assert await rag.search_knowledge(query, mode="dense")


async def test_stop_words_only_are_refused_where_words_alone_count(rag: EnhancedRAGSystem) -> None:
    with pytest.raises(errors.InvalidQueryError, match=r"'what of it' holds stop words of english only.*mode='dense'"):
        await rag.search_knowledge("what of it", mode="keyword")


async def test_a_threshold_is_refused_where_no_vector_is_compared(rag: EnhancedRAGSystem) -> None:
    with pytest.raises(errors.InvalidQueryError, match=r"mode='keyword' compares none; use mode='hybrid'"):
        await rag.search_knowledge("oil", mode="keyword", score_threshold=0.1)


@pytest.mark.parametrize("answer", [[float("nan"), 1.0], [1.0], [], "ab", None, [1.0, 2.0, 3.0]])
async def test_what_a_reranker_may_not_give_is_an_error_of_its_own(rag: EnhancedRAGSystem, answer: Any) -> None:
    with pytest.raises(errors.RerankerError, match="the reranker '<lambda>' gave"):
        await rag.search_knowledge("oil", rerank=lambda question, texts: answer)


def test_an_unknown_language_is_refused_with_the_nearest() -> None:
    with pytest.raises(errors.ConfigurationError, match=r"is one of arabic, .* did you mean 'english'"):
        create_enhanced_rag_system(settings(keyword_language="englisch"))


async def test_an_empty_collection_refuses_no_option() -> None:
    async with create_enhanced_rag_system(settings()) as rag:
        recency = Recency(field="date")
        for mode in ("hybrid", "dense", "keyword"):
            options: Any = {"mode": mode, "boosts": {"title": 2.0}, "recency": recency, "temperature": 1.0}
            found = await rag.search_knowledge(
                "oil", rerank=lambda question, texts: [], expand="feedback", diversity=0.5, **options
            )
            assert found == []


async def test_weights_beside_a_fusion_are_refused() -> None:
    async with create_enhanced_rag_system(settings()) as rag:
        with pytest.raises(errors.InvalidQueryError, match="a Fusion has its own weights"):
            await rag.search_knowledge("oil", fusion=Fusion("rrf"), semantic_weight=0.2)
