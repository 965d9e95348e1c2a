"""OpenDocument: shapes, tables inside of tables, headers and footers, comments, charts."""

from __future__ import annotations

from pathlib import Path

import pytest

from reading_files import only, places, read_bytes, refusal, texts, zipped

NAMES = (
    " ".join(
        f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for prefix, name in [
            ("office", "office"),
            ("text", "text"),
            ("table", "table"),
            ("draw", "drawing"),
            ("style", "style"),
            ("chart", "chart"),
            ("presentation", "presentation"),
            ("fo", "xsl-fo-compatible"),
            ("meta", "meta"),
        ]
    )
    + ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xlink="http://www.w3.org/1999/xlink"'
)


def content(inside: str, *, kind: str = "text", before: str = "") -> str:
    return (
        f"<office:document-content {NAMES}>{before}<office:body><office:{kind}>{inside}</office:{kind}>"
        "</office:body></office:document-content>"
    )


def written(folder: Path, inside: str, **members: str) -> list[str]:
    """The texts of a document with that body."""
    names = {"styles": "styles.xml", "object": "Object 1/content.xml"}
    data = zipped({"content.xml": content(inside), **{names[name]: text for name, text in members.items()}})
    return texts(only(read_bytes(folder, "a.odt", data)))


@pytest.mark.parametrize(
    "shape",
    [
        "<draw:custom-shape><text:p>Box</text:p></draw:custom-shape>",
        "<draw:rect><text:p>Box</text:p></draw:rect>",
        "<draw:ellipse><text:p>Box</text:p></draw:ellipse>",
        "<draw:line><text:p>Box</text:p></draw:line>",
        "<draw:frame><draw:text-box><text:p>Box</text:p></draw:text-box></draw:frame>",
        "<draw:g><draw:g><draw:custom-shape><text:p>Box</text:p></draw:custom-shape></draw:g></draw:g>",
        "<draw:a><draw:frame><draw:text-box><text:p>Box</text:p></draw:text-box></draw:frame></draw:a>",
        "<text:span><draw:custom-shape><text:p>Box</text:p></draw:custom-shape></text:span>",
    ],
)
def test_a_shape_follows_the_paragraph_that_it_hangs_on(tmp_path: Path, shape: str) -> None:
    assert written(
        tmp_path,
        f"<text:p>Before{shape}after.</text:p>{shape}<text:p>End.</text:p>".replace(
            f"</text:p>{shape}<text:p>", "</text:p><text:p>"
        ),
    ) == ["Beforeafter.", "Box", "End."]
    heading = f'<text:h text:outline-level="1">Title{shape}</text:h>'
    assert written(tmp_path, heading) == ["Title", "Box"]


def test_a_box_in_a_box_is_read_once(tmp_path: Path) -> None:
    inner = "<draw:frame><draw:text-box><text:p>Inner</text:p></draw:text-box></draw:frame>"
    outer = f"<draw:frame><draw:text-box><text:p>Outer{inner}</text:p></draw:text-box></draw:frame>"
    assert written(tmp_path, f"<text:p>Text{outer}</text:p>") == ["Text", "Outer", "Inner"]


def cell(inside: str) -> str:
    return f"<table:table-cell>{inside}</table:table-cell>"


def test_a_table_in_a_table_is_read_once(tmp_path: Path) -> None:
    inner = cell("<text:p>inner</text:p>") + cell("<text:p>row</text:p>")
    inner = f"<table:table><table:table-row>{inner}</table:table-row></table:table>"
    rows = [
        cell("<text:p>Town</text:p>") + cell("<text:p>Note</text:p>"),
        cell("<text:p>Ulm</text:p>") + cell(f"<text:p>outer</text:p>{inner}"),
    ]
    table = "".join(f"<table:table-row>{row}</table:table-row>" for row in rows)
    assert written(tmp_path, f"<table:table>{table}</table:table>") == ["Town: Ulm; Note: outer inner row"]


def test_lists_and_shapes_in_a_cell_are_its_text(tmp_path: Path) -> None:
    inside = (
        "<text:list><text:list-item><text:p>one</text:p></text:list-item></text:list>"
        "<text:p>two<draw:custom-shape><text:p>three</text:p></draw:custom-shape></text:p>"
    )
    row = cell(inside) + '<table:table-cell table:number-columns-repeated="2"/>' + cell("<text:p>four</text:p>")
    table = f"<table:table><table:table-row>{row}</table:table-row></table:table>"
    assert written(tmp_path, table) == ["one two three; four"]


def test_a_cell_that_spans_rows_is_in_each(tmp_path: Path) -> None:
    first = '<table:table-cell table:number-rows-spanned="2"><text:p>Ulm</text:p></table:table-cell>'
    rows = [
        cell("<text:p>Town</text:p>") + cell("<text:p>Year</text:p>"),
        first + cell("<text:p>1377</text:p>"),
        "<table:covered-table-cell/>" + cell("<text:p>1890</text:p>"),
        cell("<text:p>Bonn</text:p>") + cell("<text:p>11</text:p>"),
    ]
    table = "".join(f"<table:table-row>{row}</table:table-row>" for row in rows)
    assert written(tmp_path, f"<table:table>{table}</table:table>") == [
        "Town: Ulm; Year: 1377",
        "Town: Ulm; Year: 1890",
        "Town: Bonn; Year: 11",
    ]


def test_comments_say_who_made_them(tmp_path: Path) -> None:
    comment = "<office:annotation><dc:creator>Ann</dc:creator><text:p>Is this so?</text:p></office:annotation>"
    assert written(tmp_path, f"<text:p>It{comment} is.</text:p>") == ["It is.", "Comment by Ann: Is this so?"]


def test_headers_and_footers_are_read_once_and_numbers_of_pages_are_not(tmp_path: Path) -> None:
    page = (
        "<style:master-page><style:header><text:p>Confidential</text:p></style:header>"
        "<style:footer><text:p>- <text:page-number>3</text:page-number> -</text:p></style:footer></style:master-page>"
    )
    off = (
        '<style:master-page><style:footer style:display="false"><text:p>Old</text:p></style:footer></style:master-page>'
    )
    styles = f"<office:document-styles {NAMES}><office:master-styles>{page * 2}{off}</office:master-styles>"
    assert written(tmp_path, "<text:p>Text</text:p>", styles=styles + "</office:document-styles>") == [
        "Text",
        "Confidential",
    ]


def test_what_is_hidden_is_left_out_and_flagged(tmp_path: Path) -> None:
    styles = (
        f"<office:document-styles {NAMES}><office:styles>"
        '<style:style style:name="Secret"><style:text-properties text:display="none"/></style:style>'
        "</office:styles></office:document-styles>"
    )
    before = (
        '<office:automatic-styles><style:style style:name="T1" style:parent-style-name="Secret"/>'
        '<style:style style:name="T2" style:parent-style-name="Secret"><style:text-properties text:display="true"/>'
        "</style:style></office:automatic-styles>"
    )
    inside = (
        '<text:p>Seen<text:span text:style-name="T1"> gone</text:span><text:span text:style-name="T2"> too</text:span>'
        '</text:p><text:section text:display="none"><text:p>gone</text:p></text:section>'
        '<text:p>gone<text:hidden-paragraph text:is-hidden="true"/></text:p>'
    )
    data = zipped({"content.xml": content(inside, before=before), "styles.xml": styles})
    document = only(read_bytes(tmp_path, "a.odt", data))
    assert (document.content, document.flags) == ("Seen too", ("hidden_text",))


def test_white_text_is_seen_where_something_around_it_has_a_background(tmp_path: Path) -> None:
    before = (
        '<office:automatic-styles><style:style style:name="W"><style:text-properties fo:color="#ffffff"/></style:style>'
        '<style:style style:name="B"><style:table-cell-properties fo:background-color="#000080"/></style:style>'
        "</office:automatic-styles>"
    )
    span = '<text:p><text:span text:style-name="W">white</text:span></text:p>'
    row = f'<table:table-row><table:table-cell table:style-name="B">{span}</table:table-cell></table:table-row>'
    inside = f"<text:p>Text</text:p>{span}<table:table>{row}</table:table>"
    document = only(read_bytes(tmp_path, "a.odt", zipped({"content.xml": content(inside, before=before)})))
    assert (texts(document), document.flags) == (["Text", "white"], ("hidden_text",))


OBJECT = '<text:p>See<draw:frame><draw:object xlink:href="./Object 1"/></draw:frame></text:p>'


def test_a_chart_has_its_title_and_its_values(tmp_path: Path) -> None:
    rows = [("", "North"), ("2020", "5")]
    cells = ["".join(cell(f"<text:p>{value}</text:p>") for value in row) for row in rows]
    chart = (
        "<chart:chart><chart:title><text:p>Sales</text:p></chart:title><table:table><table:table-header-rows>"
        f"<table:table-row>{cells[0]}</table:table-row></table:table-header-rows>"
        f"<table:table-row>{cells[1]}</table:table-row></table:table></chart:chart>"
    )
    assert written(tmp_path, OBJECT, object=content(chart, kind="chart")) == ["See", "Sales", "2020; North: 5"]


def test_a_formula_is_read_and_an_object_that_holds_itself_ends(tmp_path: Path) -> None:
    math = '<math xmlns="http://www.w3.org/1998/Math/MathML"><mrow><mi>E</mi><mo>=</mo><mi>m</mi></mrow></math>'
    assert written(tmp_path, OBJECT, object=math) == ["See", "E = m"]
    assert written(tmp_path, OBJECT, object=content(OBJECT)) == ["See", "See"]
    assert written(tmp_path, OBJECT) == ["See"]


def test_a_drawing_has_pages(tmp_path: Path) -> None:
    page = "<draw:page><draw:g><draw:rect><text:p>Plan {}</text:p></draw:rect></draw:g></draw:page>"
    data = zipped({"content.xml": content(page.format(1) + page.format(2), kind="drawing")})
    assert places(only(read_bytes(tmp_path, "a.odg", data))) == [("Plan 1", {"page": 1}), ("Plan 2", {"page": 2})]


def test_a_hidden_slide_is_read_and_flagged_and_its_footer_is_not_text(tmp_path: Path) -> None:
    before = (
        '<office:automatic-styles><style:style style:name="dp1">'
        '<style:drawing-page-properties presentation:visibility="hidden"/></style:style></office:automatic-styles>'
    )
    frame = '<draw:frame presentation:class="{}"><draw:text-box><text:p>{}</text:p></draw:text-box></draw:frame>'
    page = '<draw:page draw:style-name="dp1">' + frame.format("outline", "Point") + frame.format("footer", "Foot")
    data = zipped({"content.xml": content(page + "</draw:page>", kind="presentation", before=before)})
    document = only(read_bytes(tmp_path, "a.odp", data))
    assert (document.content, document.flags) == ("Point", ("hidden_text",))


FLAT = (
    f'<?xml version="1.0"?><office:document {NAMES} office:mimetype="application/vnd.oasis.opendocument.text">'
    "<office:meta><dc:title>Report</dc:title><meta:initial-creator>Ann</meta:initial-creator></office:meta>"
    "<office:settings><config>no text</config></office:settings>"
    "<office:master-styles><style:master-page><style:header><text:p>Draft</text:p></style:header></style:master-page>"
    "</office:master-styles><office:body><office:text><text:p>Body</text:p></office:text></office:body></office:document>"
)


def test_flat_xml_is_read_as_the_packed_file_is(tmp_path: Path) -> None:
    document = only(read_bytes(tmp_path, "a.fodt", FLAT.encode()))
    assert (texts(document), document.title) == (["Body", "Draft"], "Report")
    assert document.metadata == {"author": "Ann"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"<a/>", "is not"),
        (b"text", "is damaged"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a/>', "declares entities"),
    ],
)
def test_flat_xml_that_cannot_be_read_is_named(tmp_path: Path, data: bytes, words: str) -> None:
    assert words in refusal(tmp_path, "a.fodt", data)
