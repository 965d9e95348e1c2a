"""What repeats on the pages of a PDF is left out and noted; what differs from page to page is text."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from reading_files import places, read_bytes
from vpa.ingest.contract import SourceDocument, SourceNote

Page = Sequence[tuple[float, str]]


def read(folder: Path, *pages: Page) -> tuple[SourceDocument, list[str]]:
    """The document of pages, each of lines with their heights, and its notes."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    for page in pages:
        canvas.setFont("Times-Roman", 11)
        for height, text in page:
            canvas.drawString(72, height, text)
        canvas.showPage()
    canvas.save()
    document, *notes = read_bytes(folder, "a.pdf", buffer.getvalue())
    assert isinstance(document, SourceDocument)
    return document, [note.message for note in notes if isinstance(note, SourceNote)]


def book(number: int) -> Page:
    return (810, "The Handbook of Things"), (30, f"Page {number} of 3"), (700, f"Text of page {'abc'[number - 1]}.")


def test_headers_footers_and_page_numbers_are_left_out_and_noted(tmp_path: Path) -> None:
    document, notes = read(tmp_path, *map(book, (1, 2, 3)))
    assert places(document) == [
        ("Text of page a.", {"page": 1}),
        ("Text of page b.", {"page": 2}),
        ("Text of page c.", {"page": 3}),
    ]
    assert notes == ["left out lines that repeat on pages: ‘Page 1 of 3’, ‘The Handbook of Things’"]
    document, notes = read(tmp_path, *map(book, (1, 2)))
    assert "Handbook" in document.content
    assert notes == []


@pytest.mark.parametrize("form", ["{}", "- {} -", "Seite {}", "{}/9", "Page {} of 9", "Report on things | {}"])
def test_numbers_that_count_the_pages_are_left_out(tmp_path: Path, form: str) -> None:
    document, notes = read(tmp_path, *([(700, f"Text {'abcd'[n]}."), (30, form.format(n + 3))] for n in range(4)))
    assert document.content == "Text a.\n\nText b.\n\nText c.\n\nText d."
    assert notes == [f"left out lines that repeat on pages: ‘{form.format(3)}’"]


def test_roman_numbers_that_count_the_pages_are_left_out(tmp_path: Path) -> None:
    pages = [[(700, f"Text {'abcd'[n]}."), (30, ("viii", "ix", "x", "xi")[n])] for n in range(4)]
    assert read(tmp_path, *pages)[0].content == "Text a.\n\nText b.\n\nText c.\n\nText d."


def test_heads_of_chapters_are_left_out_where_the_text_has_them(tmp_path: Path) -> None:
    def page(number: int) -> Page:
        chapter = f"On {('tides', 'winds', 'rocks')[number // 2]}"
        title = [(700.0, chapter)] if number % 2 == 0 else []
        return [(810, f"{chapter} {number + 7}"), *title, (600, f"Sentence {'abcdef'[number]}.")]

    document, _ = read(tmp_path, *map(page, range(6)))
    assert document.content.count("On ") == 3
    assert "7" not in document.content


FORMS = (
    lambda n: f"Invoice {1001 + n}",
    lambda n: f"Invoice {1001 + 7 * n}",
    lambda n: f"Invoice no. {n + 1}",
    lambda n: f"Lesson {n + 1}",
    lambda n: f"Date: {3 + n}.5.2024",
    lambda n: f"Due on {n + 1}/5/2024",
    lambda n: f"Total: {950 + 37 * n * n}.00 EUR",
    lambda n: f"Total: {950 + n}.00 EUR",
    lambda n: f"At {n + 8}:30 in the hall",
    lambda n: f"Chapter {'ABCDE'[n]} {n + 7}",
    lambda n: f"{n + 1} {('Ann', 'Bob', 'Carl', 'Dora', 'Eve')[n]} Smith",
)


@pytest.mark.parametrize("form", FORMS, ids=[form(0) for form in FORMS])
@pytest.mark.parametrize("height", [810, 30])
def test_lines_that_differ_from_page_to_page_are_text(tmp_path: Path, form: object, height: float) -> None:
    assert callable(form)
    document, notes = read(tmp_path, *([(height, form(n)), (500, f"Bill to {'abcde'[n]}.")] for n in range(5)))
    assert [form(n) for n in range(5) if form(n) not in document.content] == []
    assert notes == []


def test_rows_of_a_table_that_goes_on_are_text(tmp_path: Path) -> None:
    numbers = random.Random(1)
    rows = [f"{2000 + n} {numbers.random() * 90 + 10:.2f} {numbers.random() * 90 + 10:.2f}" for n in range(120)]
    pages = [[(800 - 18.0 * n, row) for n, row in enumerate(rows[at : at + 30])] for at in range(0, 120, 30)]
    document, notes = read(tmp_path, *pages)
    assert [row for row in rows if row not in document.content] == []
    assert notes == []


def test_rows_of_numbers_that_are_the_same_by_chance_are_text(tmp_path: Path) -> None:
    document, _ = read(tmp_path, *([(810, "0.00 0.00 0"), (500, f"Words {'abcde'[n]}.")] for n in range(5)))
    assert document.content.count("0.00 0.00 0") == 5
