"""The pure parts of the RAG layer: chunks and back, newest versions, history, counters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpa.base.records import Match, Record
from vpa.rag.chunking.splitter import Chunk
from vpa.rag.chunks import (
    PreparedDocument,
    newest,
    newest_matches,
    to_batch,
    to_document,
    to_part,
    to_result,
    to_summary,
)
from vpa.rag.documents import NewDocument
from vpa.rag.history import SearchEntry, SearchHistory
from vpa.rag.stats import SystemCounters

ENTRY = SearchEntry(query="", filters={}, top_k=5, result_count=0, response_time=0.1, cached=False, timestamp=0.0)


def prepared(content: str, *, cuts: list[tuple[int, int]], name: str = "doc", version: int = 1) -> PreparedDocument:
    document = NewDocument(document_id=name, title="Title", content=content, metadata={"n": 1})
    chunks = [Chunk(text=content[start:end], start=start, end=end) for start, end in cuts]
    return PreparedDocument(document, chunks, version, prefix="Title. ")


def records(*documents: PreparedDocument) -> list[Record]:
    count = sum(len(document.chunks) for document in documents)
    return list(to_batch(documents, np.ones((count, 2), dtype=np.float32)))


@st.composite
def cuttings(draw: st.DrawFn) -> tuple[str, list[tuple[int, int]]]:
    """A text, and chunks that cover it with overlaps, as the splitter makes them."""
    content = draw(st.text(min_size=1, max_size=60))
    ends = sorted({*draw(st.sets(st.integers(1, len(content)), max_size=5)), len(content)})
    starts = [0] + [draw(st.integers(0, end)) for end in ends[:-1]]
    return content, [
        (max(start, before), end) for start, before, end in zip(starts, [0, *sorted(starts)], ends, strict=False)
    ]


@given(cuttings(), st.randoms())
def test_a_document_comes_back_from_its_chunks_in_any_order(
    cutting: tuple[str, list[tuple[int, int]]], random: Any
) -> None:
    content, cuts = cutting
    shuffled = records(prepared(content, cuts=cuts))
    random.shuffle(shuffled)
    [summary] = newest(map(to_summary, records(prepared(content, cuts=cuts))[:1]))
    document = to_document(summary, map(to_part, shuffled))
    assert (document.content, document.title, document.chunk_count) == (content, "Title", len(cuts))
    assert (document.metadata, document.length) == ({"n": 1}, len(content))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 4)), min_size=1, max_size=8, unique=True))
def test_only_the_newest_version_of_each_document_is_left(versions: list[tuple[str, int]]) -> None:
    rows = records(*(prepared("xy", cuts=[(0, 1), (1, 2)], name=name, version=number) for name, number in versions))
    latest = {name: max(number for other, number in versions if other == name) for name, _ in versions}
    summaries = newest(map(to_summary, rows))
    assert {(summary.document_id, summary.version) for summary in summaries} == set(latest.items())
    assert len(summaries) == len(latest)
    matches = [Match(id=row.id, score=0.5, distance=0.5, text=row.text, metadata={}, system=row.system) for row in rows]
    left = newest_matches(matches)
    assert {(match.system["document_id"], match.system["version"]) for match in left} == set(latest.items())
    assert [match.id for match in left] == [match.id for match in matches if match in left]


def test_a_record_that_is_no_chunk_is_a_result_of_its_own() -> None:
    result = to_result(Match(id="r", score=0.5, distance=0.5, text="text", metadata={"a": 1}, system={}))
    assert (result.document_id, result.chunk_id, result.start, result.end) == ("r", "r", 0, 4)
    assert (result.chunk_index, result.chunk_count, result.version) == (0, 1, 0)


def test_the_title_is_embedded_with_every_chunk() -> None:
    document = prepared("ab", cuts=[(0, 1), (1, 2)])
    assert document.texts_to_embed() == ["Title. a", "Title. b"]
    assert replace(document, prefix="").texts_to_embed() == ["a", "b"]


def test_history_is_bounded_by_user_and_in_users() -> None:
    history = SearchHistory()
    for number in range(150):
        history.add("ann", replace(ENTRY, query=str(number)))
    assert [entry["query"] for entry in history.of("ann", limit=3)] == ["149", "148", "147"]
    assert len(history.of("ann", limit=1000)) == 100
    for number in range(10_000):
        if number % 5000 == 0:
            history.add("ann", ENTRY)
        history.add(f"user {number}", ENTRY)
    assert len(history) == 10_000
    assert history.of("ann", limit=1)
    assert history.of("user 0", limit=1) == history.of("nobody", limit=1) == []


@given(st.lists(st.tuples(st.floats(0, 10), st.booleans()), max_size=50))
def test_counters_are_what_was_counted(searches: list[tuple[float, bool]]) -> None:
    counters = SystemCounters()
    for seconds, cached in searches:
        counters.searched(seconds, cached=cached)
    facts, times = counters.search_statistics(), [seconds for seconds, _ in searches]
    hits = sum(cached for _, cached in searches)
    assert (facts["total_searches"], facts["cache_hits"], facts["cache_misses"]) == (
        len(times),
        hits,
        len(times) - hits,
    )
    assert facts["avg_response_time"] == pytest.approx(sum(times) / len(times) if times else 0)
    assert 0 <= facts["p50_response_time"] <= facts["p95_response_time"] <= max(times, default=0)
    assert facts["cache_hit_rate"] == (hits / len(times) if times else 0)
