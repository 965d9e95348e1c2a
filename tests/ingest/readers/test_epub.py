"""EPUB books: the chapters in the order of the spine."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from reading_files import only, read_bytes, refusal, texts, zipped
from vpa.ingest.contract import Limits, SourceDocument, SourceProblem

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
)
PACKAGE = """<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:title>The Book</dc:title><dc:creator>Ada</dc:creator><dc:creator>Grace</dc:creator><dc:language>en</dc:language>
<dc:date>2019</dc:date></metadata><manifest>
<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="two" href="text/two%20b.xhtml" media-type="application/xhtml+xml"/>
<item id="one" href="text/one.xhtml" media-type="application/xhtml+xml"/>
<item id="pic" href="a.png" media-type="image/png"/></manifest>
<spine><itemref idref="nav"/><itemref idref="one"/><itemref idref="two"/><itemref idref="pic"/></spine></package>"""
MEMBERS = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": CONTAINER,
    "OEBPS/book.opf": PACKAGE,
    "OEBPS/nav.xhtml": "<nav>Contents</nav>",
    "OEBPS/text/one.xhtml": '<html xmlns="http://www.w3.org/1999/xhtml"><body><h1>Start</h1><p>Once.</p></body></html>',
    "OEBPS/text/two b.xhtml": "<html><head><title>Second</title></head><body><p>Twice.</p></body></html>",
}


def encryption(method: str) -> str:
    return (
        '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><e:EncryptedData '
        f'xmlns:e="http://www.w3.org/2001/04/xmlenc#"><e:EncryptionMethod Algorithm="{method}"/></e:EncryptedData>'
        "</encryption>"
    )


def test_chapters_come_in_the_order_of_the_spine(tmp_path: Path) -> None:
    document = only(read_bytes(tmp_path, "b.epub", zipped(MEMBERS)))
    assert texts(document) == ["Start", "Once.", "Second", "Twice."]
    assert [s.kind for s in document.spans] == ["heading", "text", "heading", "text"]
    assert document.title == "The Book"
    assert document.metadata == {"author": "Ada, Grace", "created": datetime(2019, 1, 1, tzinfo=UTC), "language": "en"}


LINES = "".join(f'<!ENTITY l{n} "&l{n - 1};&l{n - 1};&l{n - 1};&l{n - 1};">' for n in range(1, 10))


@pytest.mark.parametrize("start", ["", '<?xml version="1.0"?>\n'])
def test_entities_that_fill_the_memory_are_left_out_and_noted(tmp_path: Path, start: str) -> None:
    chapter = (
        f'{start}<!DOCTYPE html [<!ENTITY l0 "]> lol">{LINES}]><html><body><p>a&l9;b&nbsp;c &l0;</p></body></html>'
    )
    document, note = read_bytes(tmp_path, "b.epub", zipped({**MEMBERS, "OEBPS/text/one.xhtml": chapter}))
    assert isinstance(document, SourceDocument)
    assert texts(document)[0] == "ab c ]> lol"
    assert "'OEBPS/text/one.xhtml' declares entities" in str(note)
    assert "left out: 1" in str(note)


def test_entities_that_name_signs_are_written_out(tmp_path: Path) -> None:
    declared = '<!ENTITY company "Smith &#38; Sons"><!ENTITY far SYSTEM "file:///etc/passwd">'
    kind = f'<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1//EN" "http://www.w3.org/x.dtd" [{declared}]>'
    chapter = f"{kind}<html><body><p>&company; &lt;b&gt;</p></body></html>"
    document = only(read_bytes(tmp_path, "b.epub", zipped({**MEMBERS, "OEBPS/text/one.xhtml": chapter})))
    assert texts(document)[0] == "Smith & Sons <b>"


def test_a_small_entity_that_is_used_very_often_has_an_end(tmp_path: Path) -> None:
    chapter = f'<!DOCTYPE html [<!ENTITY a "{"x" * 200}">]><html><body><p>{"&a;" * 10_000}</p></body></html>'
    document, note = read_bytes(tmp_path, "b.epub", zipped({**MEMBERS, "OEBPS/text/one.xhtml": chapter}))
    assert isinstance(document, SourceDocument)
    assert len(document.content) < 1_100_000
    assert "left out: 4758" in str(note)


def test_a_missing_chapter_does_not_stop_the_others(tmp_path: Path) -> None:
    members = {name: data for name, data in MEMBERS.items() if "one" not in name}
    document, problem = read_bytes(tmp_path, "b.epub", zipped(members))
    assert isinstance(document, SourceDocument)
    assert isinstance(problem, SourceProblem)
    assert texts(document) == ["Second", "Twice."]
    assert "'OEBPS/text/one.xhtml'" in problem.message


def test_a_chapter_nested_too_deep_is_named(tmp_path: Path) -> None:
    document, problem = read_bytes(tmp_path, "b.epub", zipped(MEMBERS | {"OEBPS/text/one.xhtml": "<div>" * 100_000}))
    assert isinstance(document, SourceDocument)
    assert isinstance(problem, SourceProblem)
    assert "nests more than" in problem.message


def test_books_with_drm_are_named_and_those_with_hidden_fonts_read(tmp_path: Path) -> None:
    drm = MEMBERS | {"META-INF/encryption.xml": encryption("http://www.w3.org/2001/04/xmlenc#aes128-cbc")}
    assert "DRM" in refusal(tmp_path, "b.epub", zipped(drm))
    fonts = MEMBERS | {"META-INF/encryption.xml": encryption("http://www.idpf.org/2008/embedding")}
    assert only(read_bytes(tmp_path, "b.epub", zipped(fonts))).title == "The Book"


def test_a_name_that_leads_out_of_the_book_leads_nowhere(tmp_path: Path) -> None:
    package = PACKAGE.replace("text/one.xhtml", "../../../../etc/passwd")
    _, problem = read_bytes(tmp_path, "b.epub", zipped(MEMBERS | {"OEBPS/book.opf": package}))
    assert isinstance(problem, SourceProblem)
    assert "is damaged: it lacks" in problem.message


def test_entities_are_not_resolved(tmp_path: Path) -> None:
    package = '<!DOCTYPE p [<!ENTITY f SYSTEM "file:///etc/passwd">]>' + PACKAGE.replace("The Book", "&f;")
    document = only(read_bytes(tmp_path, "b.epub", zipped(MEMBERS | {"OEBPS/book.opf": package})))
    assert document.title == "b"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"text", "is not an EPUB file"),
        (zipped({"a.txt": "x"}), "is not an EPUB file"),
        (zipped(MEMBERS)[:300], "is damaged"),
        (zipped(MEMBERS | {"META-INF/container.xml": "<a/>"}), "names no book"),
        (zipped(MEMBERS | {"OEBPS/book.opf": "<package"}), "is damaged"),
        (zipped(MEMBERS | {"OEBPS/book.opf": "<package/>"}), "holds no text"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, data: bytes, words: str) -> None:
    assert words in refusal(tmp_path, "b.epub", data)


def test_a_member_that_inflates_is_refused(tmp_path: Path) -> None:
    data = zipped(MEMBERS | {"OEBPS/text/one.xhtml": " " * 3_000_000})
    assert "VPA_INGEST_UNPACKED_MB" in refusal(tmp_path, "b.epub", data, limits=Limits(unpacked_bytes=1_000_000))
