"""Plain text and source code: the content is that of the file, whatever its encoding; reading is bounded."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from ingest.readers.source_files import document, items, source
from vpa.ingest import bounded
from vpa.ingest.contract import SourceDocument, SourceNote, UnreadableError
from vpa.ingest.formats import FORMATS


def test_a_text_file_is_one_document_unchanged(tmp_path: Path) -> None:
    text = "# no heading\r\n\r\n  indented\rlast"
    read = document(tmp_path, "a.txt", text)
    assert (read.title, read.content, read.format, read.spans, read.origin) == ("a", text, "text", (), "a.txt")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    assert document(tmp_path, "a.txt", "Größe über".encode(encoding)).content == "Größe über"


@pytest.mark.parametrize("data", [b"", b" \r\n\t ", b"\xef\xbb\xbf \n"])
@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.py", "a.rst", "a.csv", "a.srt", "a.json", "a.ipynb"])
def test_blank_files_are_empty(tmp_path: Path, name: str, data: bytes) -> None:
    with pytest.raises(UnreadableError, match="is empty"):
        items(tmp_path, name, data)


@pytest.mark.parametrize("data", [b"a\0b", bytes(range(256)) * 20])
@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.py", "a.csv"])
def test_binary_files_are_refused(tmp_path: Path, name: str, data: bytes) -> None:
    with pytest.raises(UnreadableError, match="binary"):
        items(tmp_path, name, data)


def test_broken_bytes_are_noted(tmp_path: Path) -> None:
    note, read = items(tmp_path, "a.txt", "Größe über 日本語 ".encode() * 9 + b"\xff")
    assert isinstance(note, SourceNote)
    assert "1 place that cannot be read as UTF-8" in note.message
    assert isinstance(read, SourceDocument)
    assert read.content.endswith("\ufffd")


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.py", "a.json", "a.csv", "a.rst", "a.xml", "a.eml"])
def test_a_file_of_gigabytes_is_refused_before_it_is_read(tmp_path: Path, name: str) -> None:
    file = source(tmp_path, name, b"text", text_bytes=1 << 20)
    with file.path.open("r+b") as opened:
        opened.truncate(4 << 30)
    tracemalloc.start()
    with pytest.raises(UnreadableError, match=r"is longer than 1 MB: split it, or raise VPA_INGEST_TEXT_MB"):
        list(FORMATS[file.format].load()(file))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_a_long_line_is_refused_and_many_short_ones_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(bounded, "MAX_LINE_BYTES", 100)
    content = end.join(["x" * 100] * 50)
    assert document(tmp_path, "a.txt", content).content == content
    for place in (0, 25, 49):
        lines = ["x" * 100] * 50
        lines[place] = "x" * 103
        with pytest.raises(UnreadableError, match="has a line longer than"):
            items(tmp_path, "a.txt", end.join(lines))


@pytest.mark.parametrize(("name", "format"), [("x/a.py", "python"), ("b.yaml", "text"), ("c.rs", "rust"), ("d.h", "c")])
def test_code_is_unchanged_and_cut_as_its_language(tmp_path: Path, name: str, format: str) -> None:
    read = document(tmp_path, name, "def f():\r\n\treturn 1\r\n")
    assert read.content == "def f():\r\n\treturn 1\r\n"
    assert (read.title, read.format, read.spans) == (name.rpartition("/")[2], format, ())


def test_a_chat_of_whatsapp_is_a_conversation(tmp_path: Path) -> None:
    read = document(tmp_path, "WhatsApp Chat.txt", "31/12/23, 21:15 - Ann: Where?\n31/12/23, 21:16 - Bob: Here\n")
    assert [span.kind for span in read.spans] == ["turn", "turn"]
    assert read.metadata["participants"] == ["Ann", "Bob"]
