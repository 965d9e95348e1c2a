"""Slides: title, bullets, tables, groups and notes, each with the number of its slide."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pptx
import pytest
from pptx.util import Inches

from reading_files import changed, only, places, read_bytes, refusal, zipped
from vpa.ingest.contract import Limits


def saved(opened: Any) -> bytes:
    buffer = io.BytesIO()
    opened.save(buffer)
    return buffer.getvalue()


def deck() -> Any:
    opened = pptx.Presentation()
    opened.core_properties.title = "PowerPoint Presentation"
    opened.core_properties.author = "Grace"
    opened.core_properties.created = datetime(2023, 5, 6, tzinfo=UTC)
    slide = opened.slides.add_slide(opened.slide_layouts[1])
    slide.shapes.title.text = "Plan"
    slide.placeholders[1].text = "Build\nTest"
    slide.notes_slide.notes_text_frame.text = "Speak slowly."
    second = opened.slides.add_slide(opened.slide_layouts[5])
    second.shapes.title.text = "Numbers"
    table = second.shapes.add_table(2, 2, Inches(1), Inches(1), Inches(4), Inches(1)).table
    for row, values in enumerate((("Year", "Sum"), ("2024", "17"))):
        for column, value in enumerate(values):
            table.cell(row, column).text = value
    group = second.shapes.add_group_shape()
    inner = group.shapes.add_group_shape()
    inner.shapes.add_textbox(0, 0, 100, 100).text_frame.text = "In a group"
    return opened


def test_each_part_has_the_number_of_its_slide(tmp_path: Path) -> None:
    document = only(read_bytes(tmp_path, "deck.pptx", saved(deck())))
    assert places(document) == [
        ("Plan", {"slide": 1}),
        ("Build\nTest", {"slide": 1}),
        ("Speak slowly.", {"slide": 1}),
        ("Numbers", {"slide": 2}),
        ("Year: 2024; Sum: 17", {"slide": 2}),
        ("In a group", {"slide": 2}),
    ]
    assert [s.kind for s in document.spans] == ["heading", "text", "text", "heading", "row", "text"]
    assert document.title == "Plan"
    assert document.metadata == {"author": "Grace", "created": datetime(2023, 5, 6, tzinfo=UTC)}


def test_a_hidden_slide_is_flagged(tmp_path: Path) -> None:
    opened = deck()
    opened.slides[1]._element.set("show", "0")
    assert only(read_bytes(tmp_path, "deck.pptx", saved(opened))).flags == ("hidden_text",)


def test_groups_nested_very_deep_end(tmp_path: Path) -> None:
    opened = pptx.Presentation()
    slide = opened.slides.add_slide(opened.slide_layouts[5])
    slide.shapes.title.text = "Deep"
    shapes = slide.shapes
    for _ in range(40):
        shapes = shapes.add_group_shape().shapes
    shapes.add_textbox(0, 0, 1, 1).text_frame.text = "bottom"
    assert only(read_bytes(tmp_path, "deep.pptx", saved(opened))).content == "Deep"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"%PDF-1.4", "is not a PPTX file"),
        (saved(deck())[:3000], "is damaged"),
        (zipped({"a.txt": "x"}), "is damaged, or not a PPTX file"),
        (bytes.fromhex("d0cf11e0a1b11ae1"), "is encrypted"),
        (saved(pptx.Presentation()), "holds no text"),
        (changed(saved(deck()), {"ppt/slides/slide1.xml": b"<p:sld"}), "is damaged"),
    ],
    ids=["empty", "pdf", "truncated", "zip", "encrypted", "no text", "no xml"],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, data: bytes, words: str) -> None:
    assert words in refusal(tmp_path, "broken.pptx", data)


def test_a_member_that_inflates_is_refused(tmp_path: Path) -> None:
    data = changed(saved(deck()), {"ppt/media/x.bin": b"\0" * 5_000_000})
    assert "VPA_INGEST_UNPACKED_MB" in refusal(tmp_path, "bomb.pptx", data, limits=Limits(unpacked_bytes=4_000_000))
