"""What real and hostile files of scripts/corpus brought to light; each test is a file that was read wrongly once."""

from __future__ import annotations

import io
import struct
import time
import zlib
from pathlib import Path

import openpyxl
import pptx
import pytest
from pptx.util import Inches
from reportlab.pdfgen.canvas import Canvas

import vpa
from reading_files import changed, only, read_bytes, refusal
from vpa.config.settings import DeploymentConfig
from vpa.ingest.contract import EmbeddedFile
from vpa.ingest.encoding import looks_binary
from vpa.ingest.html_text import markup_text


@pytest.mark.parametrize(
    "section",
    [
        '<section id="handling-security-related-bugs">',
        '<section id="related-work">',
        '<div id="social-navigation" class="section level2">',
        '<div id="Menu-and-footer" class="subsection">',
    ],
)
def test_a_section_whose_id_is_made_of_its_heading_is_no_furniture(section: str) -> None:
    closing = f"</{section[1:].split()[0]}>"
    page = markup_text(
        f"<body><p>{'Words of the page. ' * 20}</p>{section}<h2>Head</h2><p>Kept text.</p>{closing}</body>"
    )
    assert "Kept text." in [part.text for part in page.parts]


def test_the_place_of_a_title_may_hold_a_picture(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[8])
    picture = slide.placeholders[1].insert_picture(io.BytesIO(_png()))
    slide.shapes.title._element.getparent().remove(slide.shapes.title._element)
    picture._element.ph.attrib.pop("idx", None)
    picture._element.ph.set("type", "title")
    slide.shapes.add_textbox(Inches(1), Inches(1), Inches(4), Inches(1)).text_frame.text = "Beside the picture."
    buffer = io.BytesIO()
    deck.save(buffer)
    assert "Beside the picture." in only(read_bytes(tmp_path, "deck.pptx", buffer.getvalue())).content


def _png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


def test_a_message_that_is_nothing_but_another_one_brings_it_along(tmp_path: Path) -> None:
    outer = b"From: a@x.example\nSubject: outer\nMIME-Version: 1.0\nContent-Type: message/rfc822\n\n"
    items = read_bytes(tmp_path, "a.eml", outer + b"Subject: inner\n\nthe inner text\n")
    [inner] = [item for item in items if isinstance(item, EmbeddedFile)]
    assert inner.name == "inner.eml"
    assert b"the inner text" in inner.data


def test_bytes_without_a_header_are_no_message(tmp_path: Path) -> None:
    assert "is not a mail message" in refusal(tmp_path, "a.eml", bytes(range(256)) * 20)


def test_ascii_with_some_nuls_is_not_taken_for_letters_of_two_bytes() -> None:
    assert looks_binary(b"a text with \0 one NUL\n" * 10)
    assert not looks_binary("a text of two bytes a letter\n".encode("utf-16-le") * 10)
    assert not looks_binary("港口记录潮汐和风。 \n".encode("utf-16-le") * 10)


def test_a_picture_of_rtf_whose_length_is_missing_costs_no_text(tmp_path: Path) -> None:
    data = rb"{\rtf1\ansi before {\pict\jpegblip \bin ffd8ffe0} after}"
    content = only(read_bytes(tmp_path, "a.rtf", data)).content
    assert "before" in content
    assert "after" in content


def test_pages_that_differ_in_numbers_only_keep_their_text(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    for number in range(1, 5):
        canvas.drawString(100, 700, "Ticket of the ferry")
        canvas.drawString(100, 680, f"Seat {3 * number}")
        canvas.showPage()
    canvas.save()
    content = only(read_bytes(tmp_path, "a.pdf", buffer.getvalue())).content
    assert all(f"Seat {seat}" in content for seat in (3, 6, 9, 12))


async def test_a_file_that_ended_its_reader_is_not_tried_again_until_it_changes(tmp_path: Path) -> None:
    """And one that is too large is refused without being hashed."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.txt").write_text("An honest text.")
    with (folder / "large.txt").open("wb") as file:
        file.truncate(64 << 30)
    (folder / "endless.xlsx").write_bytes(_endless())
    config = DeploymentConfig(embedding_model="hashing", ingest_processes=1, ingest_seconds=2)
    async with vpa.create_enhanced_rag_system(config) as rag:
        first = {one.origin: one.message for one in (await rag.ingest(folder)).failed}
        assert "took more than 2 s" in first["files/endless.xlsx"]
        assert "VPA_INGEST_FILE_MB" in first["files/large.txt"]
        started = time.monotonic()
        again = {one.origin: one.message for one in (await rag.ingest(folder)).failed}
        assert time.monotonic() - started < 2
    assert again["files/endless.xlsx"].endswith("(as before; --retry tries it again)")
    assert again.keys() == first.keys()


def _endless() -> bytes:
    """A workbook with a cell in a column that counts for ever."""
    buffer = io.BytesIO()
    openpyxl.Workbook().save(buffer)
    sheet = (
        '<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        '<dimension ref="A1:XFD1048576"/><sheetData><row r="99999999999"><c r="ZZZZZZZ99999999999" t="inlineStr">'
        "<is><t>beyond</t></is></c></row></sheetData></worksheet>"
    )
    return changed(buffer.getvalue(), {"xl/worksheets/sheet1.xml": sheet.encode()})
