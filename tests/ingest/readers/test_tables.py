"""Tables as text: the delimiter and the header are found, and a row is numbered as a spreadsheet numbers it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.readers.source_files import document, items, texts
from vpa.ingest.contract import SourceDocument, SourceProblem, UnreadableError
from vpa.ingest.readers import delimited


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_the_delimiter_is_found(tmp_path: Path, name: str, delimiter: str) -> None:
    rows = [["Name", "Price"], ["apple", "1.5"], ["pear", "2"], ["plum", "3"]]
    read = document(tmp_path, name, "\r\n".join(delimiter.join(row) for row in rows))
    assert texts(read, "row") == ["Name: apple; Price: 1.5", "Name: pear; Price: 2", "Name: plum; Price: 3"]
    assert [span.at for span in read.spans] == [{"row": 2}, {"row": 3}, {"row": 4}]


def test_blank_rows_count_and_cells_of_several_lines_are_one_row(tmp_path: Path) -> None:
    read = document(tmp_path, "a.csv", 'Name;Preis\nÄpfel;1,50\n\n;\n"Bir\nnen";2,00\n'.encode("cp1252"))
    assert texts(read) == ["Name: Äpfel; Preis: 1,50", "Name: Bir nen; Preis: 2,00"]
    assert [span.at["row"] for span in read.spans] == [2, 5]


def test_a_table_of_numbers_has_no_header(tmp_path: Path) -> None:
    assert document(tmp_path, "a.csv", "1,2\n3,4\n").content == "1; 2\n3; 4"
    assert document(tmp_path, "a.csv", "2024-01-01,x\n2024-01-02,y\n").content == "2024-01-01; x\n2024-01-02; y"


def test_excel_may_say_the_delimiter(tmp_path: Path) -> None:
    read = document(tmp_path, "a.csv", "sep=|\na|b,c\n1|2,3\n")
    assert (read.content, read.spans[0].at) == ("a: 1; b,c: 2,3", {"row": 3})


def test_cells_beyond_the_header_are_kept(tmp_path: Path) -> None:
    assert document(tmp_path, "a.csv", "a,b\n1,2,3\n4\n").content == "a: 1; b: 2; 3\na: 4"


def test_ids_and_texts_stay_rows(tmp_path: Path) -> None:
    assert document(tmp_path, "a.csv", "id,text\n7,hello\n8,bye\n").content == "id: 7; text: hello\nid: 8; text: bye"


def test_speakers_and_texts_are_a_conversation(tmp_path: Path) -> None:
    read = document(tmp_path, "a.csv", "time,speaker,text\n2024-05-01 10:03,Ann,Where?\n2024-05-01 10:04,Bob,Here\n")
    assert texts(read, "turn") == ["Ann (2024-05-01 10:03): Where?", "Bob (2024-05-01 10:04): Here"]


def test_letters_with_subjects_stay_rows(tmp_path: Path) -> None:
    read = document(tmp_path, "a.csv", "from,to,subject,date,body\na,b,s,2024-01-01,text\n")
    assert texts(read, "row") == ["from: a; to: b; subject: s; date: 2024-01-01; body: text"]


def test_a_quotation_mark_that_is_not_closed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_FIELD_LIMIT", 1000)
    read, problem = items(tmp_path, "a.csv", 'a,b\n1,2\n"3,4\n' + "5,6\n" * 1000)
    assert isinstance(problem, SourceProblem)
    assert "perhaps a quotation mark is not closed" in problem.message
    assert isinstance(read, SourceDocument)
    assert read.content == "a: 1; b: 2"


def test_a_long_header_does_not_fill_the_memory(tmp_path: Path) -> None:
    data = f"{'h' * 99},{'g' * 99}\n" + "1,2\n" * 10_000
    with pytest.raises(UnreadableError, match="VPA_INGEST_TEXT_MB"):
        items(tmp_path, "a.csv", data, text_bytes=500_000)


def test_a_header_alone_is_its_own_row(tmp_path: Path) -> None:
    assert document(tmp_path, "a.csv", "a,b\n").content == "a; b"


@pytest.mark.parametrize(
    ("name", "data", "place"),
    [
        ("a.csv", "City,Rent,Remark\nOslo,900,\nBergen,,\n", {"row": 1}),
        ("a.json", '[{"City": "Oslo", "Rent": 900, "Remark": null}, {"City": "Bergen", "Rent": "", "Remark": []}]', {}),
        ("a.html", "<table><tr><th>City<th>Rent<th>Remark<tr><td>Oslo<td>900<td><tr><td>Bergen</table>", {}),
    ],
)
def test_names_of_columns_without_values_are_read(tmp_path: Path, name: str, data: str, place: dict[str, int]) -> None:
    read = document(tmp_path, name, data)
    assert texts(read) == ["City: Oslo; Rent: 900", "City: Bergen", "columns without values: Remark"]
    assert read.spans[-1].at == place


def test_names_of_columns_without_values_are_read_in_a_workbook(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    workbook = openpyxl.Workbook()
    for row in (["Rents of 2024"], ["City", "Rent", "Remark"], ["Oslo", 900], ["Bergen"]):
        workbook.active.append(row)
    workbook.save(tmp_path / "a.xlsx")
    read = document(tmp_path, "a.xlsx", (tmp_path / "a.xlsx").read_bytes())
    assert texts(read, "row") == [
        "Rents of 2024",
        "City: Oslo; Rent: 900",
        "City: Bergen",
        "columns without values: Remark",
    ]
    assert read.spans[-1].at == {"sheet": "Sheet", "row": 2}
