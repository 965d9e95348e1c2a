"""Spreadsheets: comments, text boxes, titles of charts, and what the file says of itself."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from odf.dc import Creator
from odf.opendocument import OpenDocumentSpreadsheet
from odf.table import Table, TableCell, TableRow
from odf.text import P
from openpyxl.chart import BarChart, Reference
from openpyxl.comments import Comment

from reading_files import changed, only, places, read, read_bytes, refusal


def saved(workbook: Any) -> bytes:
    buffer = io.BytesIO()
    workbook.save(buffer)
    return buffer.getvalue()


def towns() -> Any:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = "Towns"
    for row in (["Town", "Year"], ["Ulm", 854], ["Bonn", 11]):
        sheet.append(row)
    sheet["B1"].comment = Comment("Of the first\nmention", "Ann")
    sheet["A2"].comment = Comment("Check this", "")
    return workbook


def test_comments_stand_behind_their_rows(tmp_path: Path) -> None:
    workbook = towns()
    workbook.create_sheet("Empty")["A1"].comment = Comment("Nothing here", "Bob")
    assert places(only(read_bytes(tmp_path, "x.xlsx", saved(workbook)))) == [
        ("Towns", {"sheet": "Towns", "row": 1}),
        ("Comment by Ann: Of the first mention", {"sheet": "Towns", "row": 1}),
        ("Town: Ulm; Year: 854", {"sheet": "Towns", "row": 2}),
        ("Comment: Check this", {"sheet": "Towns", "row": 2}),
        ("Town: Bonn; Year: 11", {"sheet": "Towns", "row": 3}),
        ("Comment by Bob: Nothing here", {"sheet": "Empty", "row": 1}),
    ]


def test_threads_of_comments_replace_the_words_for_old_programs(tmp_path: Path) -> None:
    names = "http://schemas.microsoft.com/office/spreadsheetml/2018/threadedcomments"
    types = "http://schemas.microsoft.com/office/2017/10/relationships"
    relations = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    data = saved(towns())
    workbook = changed(data, {})
    thread = (
        f'<ThreadedComments xmlns="{names}"><threadedComment ref="A3" personId="{{1}}"><text>Sure?</text>'
        '</threadedComment><threadedComment ref="A3" personId="{2}"><text>Yes</text></threadedComment>'
        "</ThreadedComments>"
    )
    sheet = f'{relations}<Relationship Id="r" Type="{types}/threadedComment" Target="../threadedComments/t.xml"/>'
    people = f'<personList xmlns="{names}"><person displayName="Ann" id="{{1}}"/></personList>'
    person = f'<Relationship Id="p" Type="{types}/person" Target="persons/person.xml"/></Relationships>'
    members = {
        "xl/worksheets/_rels/sheet1.xml.rels": sheet + "</Relationships>",
        "xl/threadedComments/t.xml": thread,
        "xl/persons/person.xml": people,
        "xl/_rels/workbook.xml.rels": _member(data, "xl/_rels/workbook.xml.rels").replace("</Relationships>", person),
    }
    texts = [text for text, _ in places(only(read_bytes(tmp_path, "x.xlsx", changed(workbook, members))))]
    assert texts[-3:] == ["Town: Bonn; Year: 11", "Comment by Ann: Sure?", "Comment: Yes"]


def _member(data: bytes, name: str) -> str:
    import zipfile

    return zipfile.ZipFile(io.BytesIO(data)).read(name).decode()


def test_titles_of_charts_and_text_boxes_stand_where_they_are_drawn(tmp_path: Path) -> None:
    workbook = towns()
    chart = BarChart()
    chart.title, chart.y_axis.title = "Age of towns", "Years"
    chart.add_data(Reference(workbook.active, min_col=2, min_row=1, max_row=3), titles_from_data=True)
    workbook.active.add_chart(chart, "D3")
    data = saved(workbook)
    drawing = _member(data, "xl/drawings/drawing1.xml")
    box = (
        '<xdr:oneCellAnchor xmlns:xdr="http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing" '
        'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><xdr:from><xdr:row>1</xdr:row></xdr:from>'
        "<xdr:sp><xdr:txBody><a:p><a:r><a:t>In a </a:t></a:r><a:r><a:t>box</a:t></a:r></a:p></xdr:txBody></xdr:sp>"
        "</xdr:oneCellAnchor>"
    )
    end = drawing.rindex("</")
    data = changed(data, {"xl/drawings/drawing1.xml": drawing[:end] + box + drawing[end:]})
    read = places(only(read_bytes(tmp_path, "x.xlsx", data)))
    assert ("In a box", {"sheet": "Towns", "row": 2}) in read
    assert read[-1] == ("Age of towns\nYears", {"sheet": "Towns", "row": 3})


@pytest.mark.parametrize("name", ["x.xlsx", "x.xlsm", "x.xltx"])
def test_a_workbook_says_what_it_is(tmp_path: Path, name: str) -> None:
    workbook = towns()
    workbook.template = name.endswith("tx")
    properties = workbook.properties
    properties.title, properties.creator, properties.created = "Towns of old", "Ann", datetime(2024, 2, 3, 4, 5, 6)
    document = only(read_bytes(tmp_path, name, saved(workbook)))
    assert document.title == "Towns of old"
    assert document.metadata == {"author": "Ann", "created": datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)}
    damaged = changed(saved(workbook), {"docProps/core.xml": "<a"})
    assert only(read_bytes(tmp_path, name, damaged)).title == "x"


FLAT = """<?xml version="1.0"?><office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"
xmlns:dc="http://purl.org/dc/elements/1.1/"><office:meta><dc:title>Towns</dc:title></office:meta><office:body>
<office:spreadsheet><table:table table:name="Old"><table:table-row>{}{}</table:table-row><table:table-row>{}{}
</table:table-row></table:table></office:spreadsheet></office:body></office:document>"""
CELL = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'


def test_flat_xml_is_read_as_the_packed_file_is(tmp_path: Path) -> None:
    data = FLAT.format(*map(CELL.format, ("Town", "Year", "Ulm", "854"))).encode()
    document = only(read_bytes(tmp_path, "a.fods", data))
    assert places(document)[1:] == [("Town: Ulm; Year: 854", {"sheet": "Old", "row": 2})]
    assert (document.title, document.origin) == ("Towns", "a.fods")
    for damaged, words in ((b"", "is empty"), (b"<a/>", "is not a spreadsheet"), (data[:200], "is damaged")):
        assert words in refusal(tmp_path, "a.fods", damaged)


def test_an_ods_has_comments_and_says_what_it_is(tmp_path: Path) -> None:
    from odf.office import Annotation

    opened = OpenDocumentSpreadsheet()
    table = Table(name="Orte")
    for number, values in enumerate((("Ort", "Jahr"), ("Ulm", "854"), ("Bonn", "11"))):
        row = TableRow()
        for value in values:
            cell = TableCell(valuetype="string")
            if value == "Ulm":
                note = Annotation()
                note.addElement(Creator(text="Ann"))
                note.addElement(P(text="Check this"))
                cell.addElement(note)
            cell.addElement(P(text=value))
            row.addElement(cell)
        table.addElement(row)
        if not number:
            table.addElement(TableRow(numberrowsrepeated=3))
    opened.spreadsheet.addElement(table)
    opened.save(str(tmp_path / "x.ods"))
    facts = (
        '<office:document-meta xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><office:meta><dc:title>Orte</dc:title><dc:creator>Bob</dc:creator>'
        "</office:meta></office:document-meta>"
    )
    (tmp_path / "x.ods").write_bytes(changed((tmp_path / "x.ods").read_bytes(), {"meta.xml": facts}))
    document = only(read(tmp_path / "x.ods"))
    assert places(document)[1:] == [
        ("Ort: Ulm; Jahr: 854", {"sheet": "Orte", "row": 5}),
        ("Comment by Ann: Check this", {"sheet": "Orte", "row": 5}),
        ("Ort: Bonn; Jahr: 11", {"sheet": "Orte", "row": 6}),
    ]
    assert (document.title, document.metadata) == ("Orte", {"author": "Bob"})
