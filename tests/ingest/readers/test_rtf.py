"""Rich text."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from reading_files import only, read_bytes, refusal, texts
from vpa.ingest.contract import UnreadableError

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
    assert texts(document, "row") == ["a; b", "c; d"]


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
