"""OpenDocument texts and slides."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from odf.draw import Frame, Page, TextBox
from odf.opendocument import OpenDocumentPresentation, OpenDocumentText
from odf.style import MasterPage, PageLayout, Style, TableCellProperties, TextProperties
from odf.table import Table, TableCell, TableRow
from odf.text import H, LineBreak, List, ListItem, Note, NoteBody, NoteCitation, P, S, Span

from reading_files import changed, only, places, read, read_bytes, refusal, texts, zipped
from vpa.ingest.contract import Limits

MANIFEST = (
    '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><manifest:file-entry '
    'manifest:full-path="content.xml"><manifest:encryption-data/></manifest:file-entry></manifest:manifest>'
)
START = (
    '<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:text>'
)
END = "</office:text></office:body></office:document-content>"
BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaaaaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;">'
    '<!ENTITY f SYSTEM "file:///etc/passwd">]>'
)


def text_file(path: Path) -> bytes:
    opened = OpenDocumentText()
    hidden = Style(name="Secret", family="text")
    hidden.addElement(TextProperties(display="none"))
    opened.automaticstyles.addElement(hidden)
    opened.text.addElement(H(outlinelevel=1, text="Bericht"))
    paragraph = P(text="Zwei")
    paragraph.addElement(S(c=2))
    paragraph.addText("Wörter")
    paragraph.addElement(LineBreak())
    paragraph.addText("und mehr")
    note = Note(noteclass="footnote", id="n1")
    note.addElement(NoteCitation(text="1"))
    body = NoteBody()
    body.addElement(P(text="Eine Fußnote."))
    note.addElement(body)
    paragraph.addElement(note)
    paragraph.addElement(Span(stylename=hidden, text=" geheim"))
    opened.text.addElement(paragraph)
    items = List()
    for text in ("eins", "zwei"):
        item = ListItem()
        item.addElement(P(text=text))
        items.addElement(item)
    opened.text.addElement(items)
    table = Table(name="T")
    for values in (("Stadt", "Einwohner"), ("Ulm", "126000")):
        row = TableRow()
        for value in values:
            cell = TableCell()
            cell.addElement(P(text=value))
            row.addElement(cell)
        table.addElement(row)
    opened.text.addElement(table)
    opened.save(str(path))
    return path.read_bytes()


def test_a_text_comes_in_its_order(tmp_path: Path) -> None:
    text_file(tmp_path / "b.odt")
    document = only(read(tmp_path / "b.odt"))
    assert texts(document) == [
        "Bericht",
        "Zwei  Wörter\nund mehr",
        "Eine Fußnote.",
        "eins",
        "zwei",
        "Stadt: Ulm; Einwohner: 126000",
    ]
    assert document.title == "Bericht"
    assert document.flags == ("hidden_text",)


def test_what_the_file_says_of_itself_is_metadata(tmp_path: Path) -> None:
    facts = (
        '<office:document-meta xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:meta="urn:oasis:names:tc:opendocument:xmlns:meta:1.0">'
        "<office:meta><dc:title>Der Bericht</dc:title><meta:initial-creator>Ada</meta:initial-creator>"
        "<meta:creation-date>2024-02-03T04:05:06</meta:creation-date><dc:language>de-DE</dc:language>"
        "</office:meta></office:document-meta>"
    )
    data = changed(text_file(tmp_path / "a.odt"), {"meta.xml": facts})
    document = only(read_bytes(tmp_path, "b.odt", data))
    assert document.title == "Der Bericht"
    assert document.metadata == {
        "author": "Ada",
        "created": datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC),
        "language": "de-DE",
    }


def test_slides_have_their_numbers(tmp_path: Path) -> None:
    opened = OpenDocumentPresentation()
    layout = PageLayout(name="L")
    opened.automaticstyles.addElement(layout)
    master = MasterPage(name="M", pagelayoutname=layout)
    opened.masterstyles.addElement(master)
    for number in (1, 2):
        page = Page(name=f"p{number}", masterpagename=master)
        for kind, text in (("outline", f"Punkt {number}"), ("title", f"Folie {number}")):
            frame = Frame(width="1cm", height="1cm")
            frame.setAttrNS("urn:oasis:names:tc:opendocument:xmlns:presentation:1.0", "class", kind)
            box = TextBox()
            box.addElement(P(text=text))
            frame.addElement(box)
            page.addElement(frame)
        opened.presentation.addElement(page)
    opened.save(str(tmp_path / "s.odp"))
    document = only(read(tmp_path / "s.odp"))
    assert places(document) == [
        ("Folie 1", {"slide": 1}),
        ("Punkt 1", {"slide": 1}),
        ("Folie 2", {"slide": 2}),
        ("Punkt 2", {"slide": 2}),
    ]
    assert document.title == "Folie 1"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"plain", "is not an ODT file"),
        (zipped({"a.txt": "x"}), "holds no content.xml"),
        (zipped({"content.xml": "x", "META-INF/manifest.xml": MANIFEST}), "is encrypted"),
        (zipped({"content.xml": "<a"}), "is damaged"),
        (zipped({"content.xml": "<a/>"}), "has no body"),
        (zipped({"content.xml": START + END}), "holds no text"),
        (zipped({"content.xml": BOMB + START + "<text:p>&c;&f;</text:p>" + END}), "declares entities in 'content.xml'"),
        (zipped({"content.xml": START + "<text:section>" * 5000}), "is damaged"),
        (zipped({"content.xml": START + "x" * 1000})[:150], "is damaged"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, data: bytes, words: str) -> None:
    assert words in refusal(tmp_path, "x.odt", data)


def test_elements_nested_as_deep_as_the_parser_allows_are_named_or_read(tmp_path: Path) -> None:
    nested = "<text:section>" * 240 + "<text:p>bottom</text:p>" + "</text:section>" * 240
    assert only(read_bytes(tmp_path, "x.odt", zipped({"content.xml": START + nested + END}))).content == "bottom"


def test_very_many_spaces_are_few(tmp_path: Path) -> None:
    content = START + '<text:p>a<text:s text:c="999999999"/>b</text:p>' + END
    assert len(only(read_bytes(tmp_path, "x.odt", zipped({"content.xml": content}))).content) == 102


def test_a_member_that_inflates_is_refused(tmp_path: Path) -> None:
    data = zipped({"content.xml": START + " " * 3_000_000 + END})
    assert "VPA_INGEST_UNPACKED_MB" in refusal(tmp_path, "x.odt", data, limits=Limits(unpacked_bytes=1_000_000))


@pytest.mark.parametrize("color", ["#123456", "#ffffff", "transparent"])
def test_white_text_is_read_where_a_cell_has_a_background(tmp_path: Path, color: str) -> None:
    opened = OpenDocumentText()
    white, cell = Style(name="White", family="paragraph"), Style(name="Cell", family="table-cell")
    white.addElement(TextProperties(color="#ffffff"))
    cell.addElement(TableCellProperties(backgroundcolor=color))
    opened.automaticstyles.addElement(white)
    opened.automaticstyles.addElement(cell)
    table, row, inner = Table(), TableRow(), TableCell(stylename=cell)
    inner.addElement(P(stylename=white, text="Header"))
    row.addElement(inner)
    table.addElement(row)
    opened.text.addElement(P(text="Seen"))
    opened.text.addElement(table)
    opened.save(str(tmp_path / "a.odt"))
    document = only(read(tmp_path / "a.odt"))
    is_dark = color == "#123456"
    assert (document.content, document.flags) == (("Seen\n\nHeader", ()) if is_dark else ("Seen", ("hidden_text",)))
