"""XML: texts in order with headings, rows and code; entities and depth do no harm, and nothing is fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.readers.source_files import document, items, texts
from vpa.ingest.contract import SourceDocument, SourceNote, UnreadableError

BOOK = """<?xml version="1.0"?>
<!DOCTYPE book [<!ENTITY product "Vpa &amp; co">]>
<book xml:lang="en">
<title>The &product; book</title>
<chapter><title>One</title>
<para>Hello <b>world</b>
again.</para>
<section><title>Sub</title><para>x</para>
<programlisting>a
  b</programlisting></section></chapter>
<index><entry><name>A</name><price>3</price></entry></index>
</book>"""
FEED = """<?xml version="1.0"?><rss><channel><title>News</title><description>About</description>
<item><title>First</title><pubDate>Mon, 06 Sep 2021 16:45:00 +0000</pubDate>
<description>&lt;p&gt;Hello &lt;b&gt;you&lt;/b&gt;&lt;/p&gt;</description></item>
<item><title>Second</title><pubDate>no day</pubDate><description>plain</description></item></channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>Blog</title><entry><title>T</title>
<author><name>Ann</name></author><updated>2024-05-01T10:00:00Z</updated><summary>S</summary></entry></feed>"""
QUADRATIC = '<!DOCTYPE a [<!ENTITY x "' + "x" * 10_000 + '">]><a>' + "&x;" * 10_000 + "</a>"
LAUGHS = '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>'


def test_titles_are_headings_and_records_rows(tmp_path: Path) -> None:
    read = document(tmp_path, "a.xml", BOOK)
    assert read.title == "The Vpa & co book"
    assert read.metadata == {"language": "en"}
    assert [(span.kind, span.level) for span in read.spans] == [
        ("heading", 1),
        ("heading", 2),
        ("text", 0),
        ("heading", 3),
        ("text", 0),
        ("code", 0),
        ("row", 0),
    ]
    assert texts(read)[1:] == ["One", "Hello world again.", "Sub", "x", "a\n  b", "name: A; price: 3"]
    assert read.spans[1].at == {"line": 5}


@pytest.mark.parametrize(
    ("data", "title", "headings"), [(FEED, "News", ["News", "First", "Second"]), (ATOM, "Blog", ["Blog", "T"])]
)
def test_feeds_are_entries(tmp_path: Path, data: str, title: str, headings: list[str]) -> None:
    read = [item for item in items(tmp_path, "a.xml", data) if isinstance(item, SourceDocument)][0]
    assert read.title == title
    assert texts(read, "heading") == headings
    assert ("2021-09-06" in texts(read)) or ("Ann, 2024-05-01" in texts(read))
    assert ("Hello you" in texts(read)) or ("S" in texts(read))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"text", "is not well-formed XML"),
        (b"<a>text", "is not well-formed XML"),
        (b"<a></a>", "holds no text"),
        (b"<a>\0</a>", "is not well-formed XML"),
        (b"<a>" * 100_000, "made to harm"),
        (LAUGHS.encode(), "declares entity"),
        (QUADRATIC.encode(), "expands its entities|made to harm"),
    ],
)
def test_broken_and_hostile_files_say_why(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(UnreadableError, match=message):
        items(tmp_path, "a.xml", data)


def test_entities_of_other_files_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("SECRET")
    data = (
        f'<!DOCTYPE a [<!ENTITY s SYSTEM "file://{tmp_path}/secret"><!ENTITY % p SYSTEM "file://{tmp_path}/secret">]>'
    )
    assert "SECRET" not in document(tmp_path, "a.xml", f"{data}<a>x &s; y</a>").content


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "cp1251"])
def test_the_declared_encoding_counts(tmp_path: Path, encoding: str) -> None:
    word = "мир" if encoding == "cp1251" else "Größe"
    data = f'<?xml version="1.0" encoding="{encoding}"?><a><p>{word}</p></a>'
    assert document(tmp_path, "a.xml", data.encode(encoding)).content == word


def test_a_wrong_encoding_is_noted_and_the_file_read(tmp_path: Path) -> None:
    note, read = items(tmp_path, "a.xml", '<?xml version="1.0" encoding="utf-8"?><a><p>Größe</p></a>'.encode("cp1252"))
    assert isinstance(note, SourceNote)
    assert isinstance(read, SourceDocument)
    assert read.content == "Größe"


def test_a_file_that_says_all_by_attributes_is_rows(tmp_path: Path) -> None:
    read = document(tmp_path, "a.xml", '<a><b name="x  y" value="1"/><c/><b name="z"/></a>')
    assert texts(read, "row") == ["b: name: x y; value: 1", "b: name: z"]


def test_attributes_of_data_are_read_with_what_their_elements_hold(tmp_path: Path) -> None:
    data = """<catalog version="2"><product name="Lamp" price="99 EUR">Nice and bright</product>
    <product name="Desk"/><book id="bk1"><author>Ann</author><price currency="EUR">4</price></book>
    <group kind="old"><item><name>A</name><size unit="cm"/></item></group></catalog>"""
    assert texts(document(tmp_path, "a.xml", data)) == [
        "catalog: version: 2",
        "name: Lamp; price: 99 EUR; Nice and bright",
        "product: name: Desk",
        "id: bk1; author: Ann; price: 4 (currency: EUR)",
        "group: kind: old",
        "name: A; size: unit: cm",
    ]


def test_attributes_of_a_prose_are_counted(tmp_path: Path) -> None:
    note, read = items(
        tmp_path, "a.xml", '<book><para role="x">Hello <b class="y">you</b></para><para id="z">x</para></book>'
    )
    assert isinstance(note, SourceNote)
    assert note.message == "left out the attributes of 2 elements of its text"
    assert isinstance(read, SourceDocument)
    assert read.content == "Hello you\n\nx"


def test_elements_of_one_kind_with_attributes_are_rows(tmp_path: Path) -> None:
    data = '<catalog><product price="99 EUR">Lamp</product><product price="500 EUR">Desk</product></catalog>'
    assert texts(document(tmp_path, "a.xml", data), "row") == ["price: 99 EUR; Lamp", "price: 500 EUR; Desk"]


def test_very_many_attributes_are_refused_at_once(tmp_path: Path) -> None:
    data = "<a " + " ".join(f'b{number}="1"' for number in range(100_000)) + "/>"
    with pytest.raises(UnreadableError, match="100000 attributes"):
        items(tmp_path, "a.xml", data)
