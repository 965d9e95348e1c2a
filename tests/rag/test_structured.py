"""Chunks that follow a document's structure: walls, rows, code, headings, places; and what must hold for any spans."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpa.ingest.contract import Part, Span, assembled
from vpa.ingest.places import place_text
from vpa.ingest.readers.markdown import markdown_spans
from vpa.rag.chunking.splitter import Chunk
from vpa.rag.chunking.structured import chunk_spans


def chunks_of(*parts: Part, size: int = 200, overlap: int = 0) -> list[Chunk]:
    content, spans = assembled(parts)
    chunks = chunk_spans(content, spans, size=size, overlap=overlap)
    for chunk in chunks:
        assert content[chunk.start : chunk.end] == chunk.text
    return chunks


def sentences(count: int, topic: str = "tides") -> str:
    return " ".join(f"Sentence {number} is about {topic}." for number in range(count))


@pytest.mark.parametrize("wall", ["slide", "sheet", "message"])
def test_no_chunk_crosses_a_wall(wall: str) -> None:
    chunks = chunks_of(*(Part(f"Text of {value}.", at={wall: value}) for value in (1, 1, 2, 3, 3)))
    assert [chunk.text for chunk in chunks] == ["Text of 1.\n\nText of 1.", "Text of 2.", "Text of 3.\n\nText of 3."]
    assert [chunk.at[wall] for chunk in chunks] == [1, 2, 3]
    assert all(f"{wall}_end" not in chunk.at for chunk in chunks)


def test_a_chunk_over_pages_says_from_where_to_where() -> None:
    [chunk] = chunks_of(Part("One.", at={"page": 3}), Part("Two.", at={"page": 4}), Part("Three.", at={"page": 4}))
    assert chunk.at == {"page": 3, "page_end": 4}


def test_rows_and_code_are_not_cut_where_they_fit() -> None:
    rows = [Part(f"ship: {number}; " + "x" * 80, kind="row", at={"row": number}) for number in range(1, 6)]
    chunks = chunks_of(*rows)
    assert [(chunk.at["row"], chunk.at.get("row_end")) for chunk in chunks] == [(1, 2), (3, 4), (5, None)]
    code = "\n".join(f"line_{number} = {number}" for number in range(10))
    chunks = chunks_of(Part(sentences(5)), Part(code, kind="code"), Part(sentences(5)), size=200, overlap=50)
    assert any(code in chunk.text for chunk in chunks)


def test_what_does_not_fit_is_cut_and_keeps_its_place() -> None:
    chunks = chunks_of(Part(sentences(40), at={"page": 7}), size=100, overlap=20)
    assert len(chunks) > 10
    assert all(len(chunk.text) <= 100 and chunk.at == {"page": 7} for chunk in chunks)
    assert all(later.start < earlier.end for earlier, later in itertools.pairwise(chunks))


def test_a_heading_goes_with_what_follows_it_and_a_section_that_fits_is_whole() -> None:
    parts = []
    for number in range(4):
        parts += [
            Part(f"Chapter {number}", "heading", level=1),
            Part("Details", "heading", level=2),
            Part(sentences(4)),
        ]
    chunks = chunks_of(*parts, size=200)
    assert [chunk.text.split("\n")[0] for chunk in chunks] == [f"Chapter {number}" for number in range(4)]
    assert [chunk.at["section"] for chunk in chunks] == [[f"Chapter {number}", "Details"] for number in range(4)]


def test_small_sections_under_one_heading_share_a_chunk_and_the_place_says_from_where_to_where() -> None:
    texts = [("T", 1), ("A", 2), ("One.", 0), ("B", 2), ("Two.", 0), ("U", 1), ("Three.", 0)]
    first, second = chunks_of(*(Part(text, "heading" if level else "text", level=level) for text, level in texts))
    assert first.at == {"section": ["T", "A"], "section_end": ["T", "B"]}
    assert place_text(first.at) == "T › A to B"
    assert second.at == {"section": ["U"]}


def test_the_name_of_a_sheet_is_said_once() -> None:
    parts = (
        Part("2023", "heading", at={"sheet": "2023", "row": 1}, level=1),
        Part("a: 1", "row", {"sheet": "2023", "row": 2}),
    )
    [chunk] = chunks_of(*parts)
    assert place_text(chunk.at) == "Sheet ‘2023’, rows 1–2"


def test_headings_close_those_of_their_level_and_below() -> None:
    parts = [
        Part(text, "heading", level=level) if level else Part(sentences(5, text))
        for text, level in [
            ("A", 1),
            ("a", 0),
            ("B", 2),
            ("b", 0),
            ("C", 3),
            ("c", 0),
            ("D", 2),
            ("d", 0),
            ("E", 1),
            ("e", 0),
        ]
    ]
    sections = [chunk.at["section"] for chunk in chunks_of(*parts, size=160)]
    assert sections == [["A"], ["A", "B"], ["A", "B", "C"], ["A", "D"], ["E"]]


def test_the_context_of_a_part_is_embedded_with_its_chunk_and_no_part_of_it() -> None:
    [chunk] = chunks_of(Part("Yes, at noon.", "turn", at={"message": 2}, context="In answer to: Is it high tide?"))
    assert chunk.text == "Yes, at noon."
    assert chunk.embedded("Chat. ") == "Chat. In answer to: Is it high tide?. Yes, at noon."


def test_marks_between_spans_go_with_what_follows_them() -> None:
    content = "# Title\n\nText.\n\n## More\n\n| a |\n|---|\n| 1 |\n"
    spans = [
        Span(2, 7, "heading", {}, 1),
        Span(9, 14, "text", {}),
        Span(19, 23, "heading", {}, 2),
        Span(25, 30, "row", {}),
        Span(37, 42, "row", {}),
    ]
    [chunk] = chunk_spans(content, spans, size=100, overlap=0)
    assert chunk.text == content.rstrip()
    assert chunk.at == {"section": ["Title"], "section_end": ["Title", "More"]}


def test_ten_thousand_headings_take_no_time() -> None:
    parts = [Part(f"Heading {number}", "heading", level=1 + number % 6) for number in range(10_000)]
    started = time.process_time()
    chunks = chunks_of(*parts, size=1000)
    assert sum(chunk.text.count("Heading") for chunk in chunks) == 10_000
    assert time.process_time() - started < 20


_PARTS = st.lists(
    st.builds(
        Part,
        text=st.text(st.sampled_from("ab. \n#|é漢"), max_size=300),
        kind=st.sampled_from(["text", "heading", "row", "code", "turn"]),
        at=st.dictionaries(st.sampled_from(["page", "slide", "row"]), st.integers(1, 3), max_size=2),
        level=st.integers(1, 6),
        joined=st.booleans(),
    ),
    max_size=30,
)


@given(parts=_PARTS, size=st.integers(10, 300), share=st.integers(0, 9))
def test_chunks_cover_the_content_within_the_size(parts: list[Part], size: int, share: int) -> None:
    content, spans = assembled(parts)
    overlap = size * share // 20
    chunks = chunk_spans(content, spans, size=size, overlap=overlap)
    covered = 0
    for chunk in chunks:
        assert content[chunk.start : chunk.end] == chunk.text
        assert chunk.end > covered or not content
        assert not content[covered : chunk.start].strip()
        assert len(chunk.text) <= size
        covered = chunk.end
    assert not content[covered:].strip()


def test_each_chunk_of_a_long_block_has_its_own_lines() -> None:
    rows = ["Intro.", "", "```python", *(f"value_{n} = compute({n})" for n in range(60)), "```", "", "The end."]
    content = "\n".join(rows)
    chunks = chunk_spans(content, markdown_spans(content), size=200, overlap=0, fmt="markdown")
    assert len(chunks) > 5
    for chunk in chunks:
        assert chunk.at["line"] == 1 + content.count("\n", 0, chunk.start)
        assert chunk.at.get("line_end", chunk.at["line"]) == 1 + content.count("\n", 0, chunk.end)


def test_the_lines_of_cells_begin_again() -> None:
    cells = [Part("a = 1\nb = 2", "code", {"cell": n, "line": 1}) for n in (1, 2, 3)]
    whole, last = chunks_of(*cells[:2]), chunks_of(cells[2])
    assert [chunk.at for chunk in (*whole, *last)] == [
        {"cell": 1, "cell_end": 2, "line": 1},
        {"cell": 3, "line": 1, "line_end": 2},
    ]
    assert [place_text(chunk.at) for chunk in (*whole, *last)] == ["cells 1–2", "cell 3, lines 1–2"]
