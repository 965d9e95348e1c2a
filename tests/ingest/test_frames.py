"""What a reading process sends arrives as it was, and what no reader sends is refused: the process is not trusted."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpa.ingest.contract import SourceDocument, Span
from vpa.ingest.frames import LENGTH, document_frame, document_of, packed, unpacked

PLACES = st.dictionaries(
    st.sampled_from(["page", "row", "sheet", "speaker", "seconds"]),
    st.one_of(st.integers(-5, 1 << 34), st.text(max_size=3), st.floats(allow_nan=False), st.booleans()),
    max_size=3,
)


@st.composite
def spans(draw: st.DrawFn) -> tuple[Span, ...]:
    """In order, and within 40 characters."""
    ends = sorted(draw(st.lists(st.integers(0, 40), max_size=12)))
    return tuple(
        Span(
            start,
            end,
            draw(st.sampled_from(["text", "row"])),
            draw(PLACES),
            draw(st.integers(0, 6)),
            draw(st.text(max_size=2)),
        )
        for start, end in zip(ends[::2], ends[1::2], strict=False)
    )


def sent(document: SourceDocument) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(
        packed({**document_frame(document, {}), "inner": "", "media_type": "x/y"})[LENGTH.size :]
    )
    return frame


def received(frame: dict[str, Any]) -> SourceDocument:
    return document_of(unpacked(json.dumps(frame).encode()))


def document(*parts: Span) -> SourceDocument:
    return SourceDocument(
        title="t", content="x" * 40, spans=parts, metadata={"created": datetime(2024, 5, 1, tzinfo=UTC)}
    )


@given(spans())
def test_a_document_arrives_as_it_was(parts: tuple[Span, ...]) -> None:
    again = received(sent(document(*parts)))
    assert list(again.spans) == list(parts)
    assert list(again.spans[1:]) == list(parts[1:])
    assert [type(value) for span in again.spans for value in dict(sorted(span.at.items())).values()] == [
        type(value) for span in parts for value in dict(sorted(span.at.items())).values()
    ]
    assert again.metadata == document().metadata


def test_a_million_rows_are_a_few_bytes_each() -> None:
    rows = tuple(Span(2 * row, 2 * row + 1, "row", {"sheet": "2023", "row": row}) for row in range(100_000))
    frame = document_frame(SourceDocument(title="t", content="x" * 200_000, spans=rows), {})
    assert len(packed(frame)) < 200_000 + 25 * len(rows)


ROWS = (Span(0, 2, "row", {"row": 1}), Span(3, 5, "row", {"row": 2}))


@pytest.mark.parametrize(
    ("column", "other", "message"),
    [
        ("starts", "AAAA", "whole|multiple|length"),
        ("starts", "!", "base64|Invalid|Incorrect|Only"),
        ("starts", 7, "is no column"),
        ("starts", "", "differ in length"),
        ("forms", "AQAAAAAAAAA=", "of no form"),
        ("numbers", "", "too few or too many"),
        ("numbers", None, "is no column"),
        ("starts", "AwAAAAAAAAA=", "out of order|before it begins"),
        ("ends", "AgAAAP8AAAA=", "out of order"),
        ("ends", "BAAAAAUAAAA=", "out of order"),
        ("table", {}, "no table"),
        ("table", [["row", 0, ""]], "list of five"),
        ("table", [["row", True, "", {}, ["row"]]], "a kind, a level"),
        ("table", [["row", 0, "", [], ["row"]]], "a place"),
        ("table", [["row", 0, "", {}, [7]]], "a place"),
        ("table", [["row", 0, "", {"row": 1}, ["row"]]], "a name twice"),
    ],
)
def test_spans_that_no_reader_yields_are_refused(column: str, other: object, message: str) -> None:
    frame = sent(document(*ROWS))
    assert list(received(frame).spans) == list(ROWS)
    frame["spans"][column] = other
    with pytest.raises(ValueError, match=message):
        received(frame)


@pytest.mark.parametrize(
    "frame",
    [
        {},
        {"kind": None},
        {"kind": "other"},
        {"kind": ["end"]},
        {"kind": "end"},
        {"kind": "note", "origin": 5, "message": ""},
        {"kind": "document", "spans": {}},
        [],
    ],
)
def test_frames_of_no_kind_are_refused(frame: Any) -> None:
    with pytest.raises(ValueError):
        unpacked(json.dumps(frame).encode())
