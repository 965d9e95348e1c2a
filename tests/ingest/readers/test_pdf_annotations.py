"""PDF: values that are filled into a form, text that was typed on a page, and notes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pypdf
import pytest
from pypdf.annotations import FreeText, Highlight, Text
from pypdf.generic import ArrayObject, FloatObject, NameObject, NumberObject, TextStringObject
from reportlab.pdfgen.canvas import Canvas

from reading_files import only, places, read_bytes


def form() -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    canvas.setTitle("untitled")
    canvas.setAuthor("(anonymous)")
    canvas.drawString(72, 800, "Please write your name into the first field.")
    fields = canvas.acroForm
    fields.textfield(name="form[0].name[0]", tooltip="Your name", x=72, y=700, value="Ada Lovelace")
    fields.textfield(name="page[0].town[0]", x=72, y=660, value="", maxlen=100)
    fields.textfield(name="word", x=72, y=620, value="secret", fieldFlags="password")
    fields.checkbox(name="agree", x=72, y=580, checked=True)
    fields.checkbox(name="no", x=72, y=560, checked=False)
    fields.choice(name="color", x=72, y=520, value="blue", options=["blue", "red"])
    canvas.showPage()
    canvas.drawString(72, 800, "The second page has text of its own here.")
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def changed(data: bytes, *annotations: tuple[int, Any]) -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(data))
    for page, annotation in annotations:
        writer.add_annotation(page, annotation)
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def test_what_is_filled_into_a_form_stands_behind_the_text_of_its_page(tmp_path: Path) -> None:
    document = only(read_bytes(tmp_path, "form.pdf", form()))
    assert places(document) == [
        ("Please write your name into the first field.", {"page": 1}),
        ("Your name: Ada Lovelace", {"page": 1}),
        ("agree: Yes", {"page": 1}),
        ("color: blue", {"page": 1}),
        ("The second page has text of its own here.", {"page": 2}),
    ]
    assert "secret" not in document.content


def test_a_title_and_an_author_that_programs_made_up_are_none(tmp_path: Path) -> None:
    document = only(read_bytes(tmp_path, "form.pdf", form()))
    assert (document.title, dict(document.metadata).get("author")) == ("form", None)


def test_typed_text_and_notes_are_read_and_hidden_ones_are_not(tmp_path: Path) -> None:
    place = (100, 100, 300, 200)
    note = Text(rect=place, text="Is this\nso?")
    note[NameObject("/T")] = TextStringObject("Ann")
    hidden = FreeText(rect=place, text="Not shown")
    hidden[NameObject("/F")] = NumberObject(2)
    corners = ArrayObject(map(FloatObject, (50, 550, 200, 550, 50, 570, 200, 570)))
    mark = Highlight(rect=place, quad_points=corners)
    mark[NameObject("/Contents")] = TextStringObject("Bold claim")
    annotations = [(1, note), (1, FreeText(rect=place, text="Typed on")), (1, hidden), (0, mark)]
    document = only(read_bytes(tmp_path, "notes.pdf", changed(form(), *annotations)))
    texts = places(document)
    assert ("Comment: Bold claim", {"page": 1}) in texts
    assert texts[-2:] == [("Comment by Ann: Is this so?", {"page": 2}), ("Typed on", {"page": 2})]
    assert "Not shown" not in document.content


@pytest.mark.parametrize("length", [3000, 6000, 9000])
def test_a_damaged_form_is_read_or_named(tmp_path: Path, length: int) -> None:
    data = bytearray(form())
    data[length : length + 40] = b"/Kids [1 0 R]".ljust(40)
    try:
        read_bytes(tmp_path, "form.pdf", bytes(data))
    except Exception as error:  # noqa: BLE001 - what is raised has a name
        assert type(error).__name__ == "UnreadableError"
