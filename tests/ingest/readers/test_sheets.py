"""Spreadsheets: rows that say what their values are, with the numbers that the spreadsheet program shows."""

from __future__ import annotations

import io
import time
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from odf.opendocument import OpenDocumentSpreadsheet
from odf.table import Table, TableCell, TableRow
from odf.text import P

from reading_files import changed, only, places, read, read_bytes, refusal, texts, zipped
from vpa.ingest.contract import Limits, SourceDocument, SourceProblem, UnreadableError


def saved(workbook: Any) -> bytes:
    buffer = io.BytesIO()
    workbook.save(buffer)
    return buffer.getvalue()


def cities() -> Any:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = "Cities"
    sheet["B3"], sheet["C3"], sheet["D3"], sheet["E3"] = "City", "People", "Since", "Share"
    sheet["B4"], sheet["C4"], sheet["D4"], sheet["E4"] = "Ulm", 126000.0, date(854, 7, 22), 0.1
    sheet["B7"], sheet["C7"], sheet["D7"] = "Bonn", 330000, datetime(2000, 1, 2, 3, 4, 5)
    other = workbook.create_sheet("Years")
    for row in (["Country", 2021, 2022], ["FR", 1, 2.5]):
        other.append(row)
    return workbook


def test_rows_have_the_names_of_columns_and_their_own_numbers(tmp_path: Path) -> None:
    workbook = cities()
    workbook["Cities"]["D4"] = date(1954, 7, 22)
    document = only(read_bytes(tmp_path, "cities.xlsx", saved(workbook)))
    assert places(document) == [
        ("Cities", {"sheet": "Cities", "row": 1}),
        ("City: Ulm; People: 126000; Since: 1954-07-22; Share: 0.1", {"sheet": "Cities", "row": 4}),
        ("City: Bonn; People: 330000; Since: 2000-01-02 03:04:05", {"sheet": "Cities", "row": 7}),
        ("Years", {"sheet": "Years", "row": 1}),
        ("Country: FR; 2021: 1; 2022: 2.5", {"sheet": "Years", "row": 2}),
    ]
    assert [s.kind for s in document.spans] == ["heading", "row", "row", "heading", "row"]


def test_values_without_a_header_stand_alone_and_small_and_large_numbers_are_written_out(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    for row in ([1, 0.0000012], [True, 1e17], [-3.0, 1e-5]):
        workbook.active.append(row)
    document = only(read_bytes(tmp_path, "x.xlsx", saved(workbook)))
    assert texts(document, "row") == ["1; 0.0000012", "TRUE; 100000000000000000", "-3; 0.00001"]


def test_a_title_above_the_header_is_a_row(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    for row in (["Report of the year"], [], ["Name", "Age"], ["Ann", 3]):
        workbook.active.append(row)
    document = only(read_bytes(tmp_path, "x.xlsx", saved(workbook)))
    assert places(document)[1:] == [
        ("Report of the year", {"sheet": "Sheet", "row": 1}),
        ("Name: Ann; Age: 3", {"sheet": "Sheet", "row": 4}),
    ]


def test_a_hidden_sheet_is_read_and_flagged(tmp_path: Path) -> None:
    workbook = cities()
    workbook["Years"].sheet_state = "hidden"
    workbook["Cities"]["D4"] = None
    document = only(read_bytes(tmp_path, "cities.xlsx", saved(workbook)))
    assert document.flags == ("hidden_text",)
    assert "Country: FR" in document.content


def test_a_value_in_the_last_cell_is_named_and_the_other_sheets_are_read(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    workbook.active.append(["Name", "Age"])
    workbook.active.append(["Ann", 3])
    far = workbook.create_sheet("Far & wide")
    far["A1"], far["XFD1048576"] = "near", "far"
    started = time.monotonic()
    document, problem = read_bytes(tmp_path, "far.xlsx", saved(workbook))
    assert time.monotonic() - started < 5
    assert isinstance(document, SourceDocument)
    assert texts(document) == ["Sheet", "Name: Ann; Age: 3"]
    assert isinstance(problem, SourceProblem)
    assert "'Far & wide' spans 17179869184 cells" in problem.message


@pytest.mark.parametrize("dimension", ["A1:XFD1048576", "nonsense"])
def test_a_claimed_size_does_not_matter(tmp_path: Path, dimension: str) -> None:
    sheet = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        f'<dimension ref="{dimension}"/><sheetData><row r="2"><c r="B2"><v>7</v></c></row></sheetData></worksheet>'
    )
    workbook = openpyxl.Workbook()
    data = changed(saved(workbook), {"xl/worksheets/sheet1.xml": sheet})
    started = time.monotonic()
    items = read_bytes(tmp_path, "claim.xlsx", data)
    assert time.monotonic() - started < 5
    if dimension != "nonsense":
        assert texts(only(items), "row") == ["7"]


def test_text_beyond_the_limit_is_cut_and_named(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    for number in range(1000):
        workbook.active.append([f"word{number}", "x" * 50])
    document, problem = read_bytes(tmp_path, "long.xlsx", saved(workbook), limits=Limits(text_bytes=5000))
    assert isinstance(document, SourceDocument)
    assert isinstance(problem, SourceProblem)
    assert 4000 < len(document.content) <= 5200
    assert "VPA_INGEST_TEXT_MB" in problem.message


def ods(path: Path, *, rows: int = 1, columns: int = 1) -> None:
    opened = OpenDocumentSpreadsheet()
    table = Table(name="Tabelle")
    for values in (("Name", "Alter"), ("Ann", "3")):
        row = TableRow()
        for value in values:
            cell = TableCell(valuetype="string")
            cell.addElement(P(text=value))
            row.addElement(cell)
        table.addElement(row)
    repeated = TableRow(numberrowsrepeated=rows)
    cell = TableCell(valuetype="string", numbercolumnsrepeated=columns)
    cell.addElement(P(text="again"))
    repeated.addElement(cell)
    table.addElement(repeated)
    opened.spreadsheet.addElement(table)
    opened.save(str(path))


def test_an_ods_is_read(tmp_path: Path) -> None:
    ods(tmp_path / "x.ods")
    document = only(read(tmp_path / "x.ods"))
    assert texts(document) == ["Tabelle", "Name: Ann; Alter: 3", "Name: again"]


def test_a_cell_that_is_repeated_over_the_whole_sheet_is_named(tmp_path: Path) -> None:
    ods(tmp_path / "x.ods", rows=1_000_000, columns=16_000)
    with pytest.raises(UnreadableError, match="'Tabelle' spans"):
        read(tmp_path / "x.ods")


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("x.xlsx", b"", "is empty"),
        ("x.xls", b"", "is empty"),
        ("x.xls", b"hello, this is no workbook", "is damaged, or not a spreadsheet"),
        ("x.xls", bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 1000, "is damaged, or not a spreadsheet"),
        ("x.xlsx", b"a;b", "is not a spreadsheet"),
        ("x.xlsx", zipped({"a.txt": "x"}), "is damaged, or not a spreadsheet"),
        ("x.xlsx", bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 1000, "is encrypted"),
        ("x.xlsx", saved(openpyxl.Workbook()), "holds no text"),
        ("x.ods", zipped({"content.xml": "<a"}), "is damaged"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    assert words in refusal(tmp_path, name, data)


def test_a_truncated_workbook_is_named(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    workbook.active.append(["Name", "Age"])
    data = saved(workbook)
    assert "is damaged" in refusal(tmp_path, "x.xlsx", data[: len(data) // 2])


def test_a_sheet_that_inflates_is_refused(tmp_path: Path) -> None:
    data = changed(saved(openpyxl.Workbook()), {"xl/worksheets/sheet1.xml": b" " * 5_000_000})
    assert "VPA_INGEST_UNPACKED_MB" in refusal(tmp_path, "x.xlsx", data, limits=Limits(unpacked_bytes=1_000_000))
