"""Rich text."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from reading_files import only, read_bytes, refusal, texts
from vpa.ingest.contract import SourceDocument, UnreadableError

LETTER = (
    rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}{\info{\title Caf\'e9 notes}{\author Ada}"
    rb"{\creatim\yr2024\mo2\dy3\hr4\min5}}"
    rb"\f0 First \b paragraph\b0  with \'80 sign.\par Second one \u8364? too.\par}"
)


def test_paragraphs_and_what_the_file_says_of_itself(tmp_path: Path) -> None:
    document = only(read_bytes(tmp_path, "letter.rtf", LETTER))
    assert texts(document) == ["First paragraph with € sign.", "Second one € too."]
    assert document.title == "Café notes"
    assert document.metadata == {"author": "Ada", "created": datetime(2024, 2, 3, 4, 5, tzinfo=UTC)}


def test_without_a_title_it_has_that_of_the_file(tmp_path: Path) -> None:
    assert only(read_bytes(tmp_path, "letter.rtf", rb"{\rtf1 Hello\par}")).title == "letter"


def test_hidden_text_is_left_out_and_flagged(tmp_path: Path) -> None:
    document = only(read_bytes(tmp_path, "x.rtf", rb"{\rtf1 Seen {\v secret} text\par}"))
    assert (document.content, document.flags) == ("Seen  text", ("hidden_text",))


def test_a_table_has_rows(tmp_path: Path) -> None:
    row = rb"\trowd\cellx1000\cellx2000 %s\cell %s\cell\row "
    document = only(read_bytes(tmp_path, "x.rtf", rb"{\rtf1 " + row % (b"a", b"b") + row % (b"c", b"d") + b"}"))
    assert texts(document) == ["a: c; b: d"]


def written(folder: Path, text: bytes) -> list[str]:
    return texts(only(read_bytes(folder, "x.rtf", rb"{\rtf1\ansi " + text + b"}")))


def test_footnotes_boxes_and_comments_follow_their_paragraph(tmp_path: Path) -> None:
    note = rb"{\super\chftn}{\footnote\pard\plain{\chftn} A \b note.\par Its second line.}"
    assert written(tmp_path, rb"Text" + note + rb" goes on.\par Next.\par") == [
        "Text goes on.",
        "A note.",
        "Its second line.",
        "Next.",
    ]
    box = rb"{\shp{\*\shpinst\shpleft1{\sp{\sn wzName}{\sv Name}}{\shptxt In a box\par}}{\shprslt again}}"
    assert written(tmp_path, box + rb"Text\par") == ["Text", "In a box"]
    comment = rb"{\*\atnid AB}{\*\atnauthor Ann}\chatn{\*\annotation{\*\atnref 1}{\*\atndate 7}\pard Is this so?\par}"
    assert written(tmp_path, rb"Text" + comment + rb" ends.\par") == ["Text ends.", "Comment by Ann: Is this so?"]


def test_deleted_text_stays_out_and_inserted_text_comes_in(tmp_path: Path) -> None:
    text = rb"Text {\deleted removedword}{\revised added}\deleted gone\deleted0  end.\par"
    assert written(tmp_path, text) == ["Text added end."]


@pytest.mark.parametrize(
    "hidden",
    [
        rb"{\v secret {\b bold} more}",
        rb"\v secret\v0 ",
        rb"\v secret\plain ",
        rb"{\b\v\i s\'e9cret\tab more}",
        rb"{\v \u8364?}",
    ],
)
def test_hidden_text_is_left_out_wherever_it_is_switched_off(tmp_path: Path, hidden: bytes) -> None:
    document = only(read_bytes(tmp_path, "x.rtf", rb"{\rtf1 Seen" + hidden + rb" text\par}"))
    assert (document.content, document.flags) == ("Seen text", ("hidden_text",))


def test_tables_leave_no_marks_and_inner_ones_are_text_of_the_cell(tmp_path: Path) -> None:
    row = rb"\trowd%s\cellx1\clvmrg\cellx2\pard\intbl %s\cell %s\cell\row"
    cells = rb"\pard\intbl\itap2 in\nestcell ner\nestcell{\*\nesttableprops\trowd\nestrow}{\nonesttables\par}"
    inner = rb"outer\par" + cells + rb"\pard\intbl"
    table = row % (rb"\trhdr", b"Town", b"2020") + row % (b"", b"Ulm", inner) + row % (b"", b"Bonn", b"")
    assert written(tmp_path, rb"Before" + table + rb"\pard After\par") == [
        "Before",
        "Town: Ulm; 2020: outer in ner",
        "Town: Bonn; 2020: outer in ner",
        "After",
    ]
    assert written(tmp_path, rb"a | b | c |\par") == ["a | b | c |"]


def test_a_paragraph_of_an_outline_level_is_a_heading_and_the_title(tmp_path: Path) -> None:
    text = rb"{\rtf1{\pard\outlinelevel1 A {\b title}\par}{\pard Text\par}}"
    document = only(read_bytes(tmp_path, "x.rtf", text))
    assert (texts(document, "heading"), document.spans[0].level, document.title) == (["A title"], 2, "A title")


def test_headers_and_footers_come_once_at_the_end(tmp_path: Path) -> None:
    edges = rb"{\headerl Draft\par}{\headerr Draft\par}{\footer {\field{\*\fldinst PAGE}{\fldrslt 1}}\par}"
    assert written(tmp_path, edges + rb"Text\par") == ["Text", "Draft"]


def test_fields_show_their_results_and_unknown_groups_nothing(tmp_path: Path) -> None:
    text = rb"{\field{\*\fldinst HYPERLINK x}{\fldrslt A link}}{\*\generator Word;}{\pict\bin3 {{{ab}"
    text += rb"{\upr{old}{\*\ud{ new}}}\par"
    assert written(tmp_path, text) == ["A link new"]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (rb"{\fonttbl{\f1\fcharset204 A;}{\f2\fcharset128 B;}}\f1\'c4\'e0\f2\'93\'fa\'96\'7b", "Да日本"),
        (rb"\ansicpg1251 \'c4{\b\'e0}", "Да"),
        (rb"\uc1\u-10179?\u-8704?", "😀"),
        (rb"\uc2\u8364\'80\'80x{\uc0\u8364 y}", "€x€y"),
        (rb"\u8212\emdash x\u8364\u8364?", "—x€€"),
        (rb"a\~b\_c\{\}\\", "a\u00a0b\u2011c{}\\"),
    ],
)
def test_characters_of_all_kinds_are_read(tmp_path: Path, text: bytes, read: str) -> None:
    assert written(tmp_path, text) == [read]


def test_broken_bytes_are_noted(tmp_path: Path) -> None:
    document, note = read_bytes(tmp_path, "x.rtf", rb"{\rtf1\ansicpg932 a\'93\par}")
    assert isinstance(document, SourceDocument)
    assert document.content == "a\ufffd"
    assert "1 place that cannot be read as CP932" in str(note)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"hello", "is not RTF"),
        (LETTER[:-20], "is damaged"),
        (rb"{\rtf1 }", "holds no text"),
        (rb"{\rtf1" + b"{" * 200_000 + b"}" * 200_001, "holds no text"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, data: bytes, words: str) -> None:
    assert words in refusal(tmp_path, "x.rtf", data)


@pytest.mark.parametrize("inside", [rb"\u99999999999?", rb"\'zz", rb"\bin99999999999 x", rb"\ansicpg99999 x\'80"])
def test_strange_controls_are_read_or_named(tmp_path: Path, inside: bytes) -> None:
    try:
        only(read_bytes(tmp_path, "x.rtf", rb"{\rtf1 text " + inside + b"}"))
    except UnreadableError as error:
        assert "is damaged" in str(error)


def test_notes_in_notes_do_not_take_time(tmp_path: Path) -> None:
    document = only(read_bytes(tmp_path, "x.rtf", rb"{\rtf1 a" + rb"{\footnote b" * 50_000 + b"}" * 50_001))
    assert document.content.count("b") == 50_000
