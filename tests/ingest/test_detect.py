"""A file's format: its content first, its name where that is text; what no reader knows is named."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpa.ingest.contract import UnreadableError
from vpa.ingest.detect import Detected, detect
from vpa.ingest.formats import FORMATS

MAIL = b"Received: by x\nFrom: a@b.c\nSubject: x\nDate: Mon, 06 Sep 2021 16:45:00 +0200\n\ntext"
SRT = b"1\r\n00:00:01,000 --> 00:00:04,000\r\nHello\r\n"


def container(*names: str, mimetype: str = "") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        if mimetype:
            archive.writestr("mimetype", mimetype)
        for name in names:
            archive.writestr(name, "x")
    return buffer.getvalue()


def compound(*streams: str) -> bytes:
    """The beginning of a compound file: a header, then the directory in the first sector after it."""
    header = bytearray(512)
    header[:8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    header[30:32] = (9).to_bytes(2, "little")
    entries = b"".join((name + "\0").encode("utf-16-le").ljust(128, b"\0") for name in ("Root Entry", *streams))
    return bytes(header) + entries.ljust(1024, b"\0")


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"))
    return buffer.getvalue()


def detected(folder: Path, name: str, data: bytes) -> Detected:
    (folder / "file").write_bytes(data)
    return detect(folder / "file", name)


OOXML = "[Content_Types].xml"
KNOWN = [
    ("a.pdf", b"%PDF-1.7\n\xe2\xe3", "pdf"),
    ("a.pdf", b"junk\n%PDF-1.7", "pdf"),
    ("a", b"%PDF-1.7", "pdf"),
    ("a.docx", container(OOXML, "word/document.xml"), "docx"),
    ("a.docm", container(OOXML, "word/document.xml"), "docx"),
    ("a.dotx", container(OOXML, "word/document.xml"), "docx"),
    ("a.ppsx", container(OOXML, "ppt/presentation.xml"), "pptx"),
    ("a.xltx", container(OOXML, "xl/workbook.xml"), "xlsx"),
    ("a.fods", b"<?xml version='1.0'?><office:document/>", "fods"),
    ("a.pptx", container(OOXML, "ppt/presentation.xml"), "pptx"),
    ("a.xlsx", container(OOXML, "xl/workbook.xml"), "xlsx"),
    ("a.xlsb", container(OOXML, "xl/workbook.bin"), "xlsx"),
    ("a.odt", container("content.xml", mimetype="application/vnd.oasis.opendocument.text"), "odt"),
    ("a.ods", container("content.xml", mimetype="application/vnd.oasis.opendocument.spreadsheet"), "ods"),
    ("a.odp", container("content.xml", mimetype="application/vnd.oasis.opendocument.presentation"), "odp"),
    ("a.ott", container("content.xml", mimetype="application/vnd.oasis.opendocument.text-template"), "odt"),
    ("a.odg", container("content.xml", mimetype="application/vnd.oasis.opendocument.graphics"), "odg"),
    ("a.fodt", b"<?xml version='1.0'?><office:document/>", "fodt"),
    ("a.odt", container("content.xml"), "odt"),
    ("a.epub", container("META-INF/container.xml", mimetype="application/epub+zip"), "epub"),
    ("a.epub", container("META-INF/container.xml"), "epub"),
    ("a.zip", container("a.txt"), "zip"),
    ("a.zip", container(), "zip"),
    ("a.docx", container(OOXML, "word/document.xml")[:60], "docx"),
    ("a.xls", compound("Workbook"), "xls"),
    ("a.xls", compound("Book"), "xls"),
    ("a.rtf", b"{\\rtf1\\ansi x}", "rtf"),
    ("a.png", b"\x89PNG\r\n\x1a\n\0\0", "image"),
    ("a.jpg", b"\xff\xd8\xff\xe0\0\0", "image"),
    ("a.webp", b"RIFF\0\0\0\0WEBPVP8 ", "image"),
    ("a.tif", b"II*\0\x08\0\0\0", "image"),
    ("a.bmp", b"BM\0\0\0\0\0\0\0\0", "image"),
    ("a.gz", gzip.compress(b"x"), "gz"),
    ("a.jsonl.gz", gzip.compress(b"x"), "gz"),
    ("a.tar.gz", gzip.compress(tarred()), "tar"),
    ("a.tgz", gzip.compress(tarred()), "tar"),
    ("a.tar", tarred(), "tar"),
    ("a.xz", lzma.compress(b"x"), "xz"),
    ("a.bz2", bz2.compress(b"x"), "bz2"),
    ("a.html", b"<p>no doctype", "html"),
    ("a", b"\xef\xbb\xbf <!-- x -->\n<!DOCTYPE HTML><p>", "html"),
    ("a", b'<?xml version="1.0"?>\n<html xmlns="x">', "html"),
    ("a", b'<?xml version="1.0"?>\n<book>', "xml"),
    ("a", b"WEBVTT\n\n00:01.000 --> 00:02.000\nx", "vtt"),
    ("a", SRT, "srt"),
    ("a", b"From a@b Thu Jan  1 00:00:00 1970\nSubject: x\n\ntext", "mbox"),
    ("a.txt", b"From 9:00 to 17:00 we are open\nNote: not on Mondays", "text"),
    ("a", MAIL, "eml"),
    ("a.eml", b"Subject: x\n\ntext", "eml"),
    ("a.md", b"<html> in markdown", "markdown"),
    ("a.txt", b"%PDF-1.4 is the first line of a PDF\nof version 1.4", "text"),
    ("a.py", b"# %PDF-1.4 in a comment\n", "python"),
    ("a.csv", b"From: a\nTo: b\n", "csv"),
    ("a.json", b'{"a": 1}', "json"),
    ("a.JSONL", b'{"a": 1}', "jsonl"),
    ("a.ipynb", b'{"cells": []}', "notebook"),
    ("a.yaml", b"a: 1", "yaml"),
    ("a.txt", b"Note: one colon\nAnd: another\n", "text"),
    ("a.txt", "日本語のテキスト。\n".encode("cp932"), "text"),
    ("a.txt", "text".encode("utf-16"), "text"),
    ("README", b"text", "text"),
    ("Makefile", b"all:\n\techo", "text"),
    ("a.weird", b"text", "text"),
    (".gitignore", b"text", "text"),
    ("a.txt", ("日" * 4000).encode()[:4097], "text"),
]


# Packed bytes hold the second at which they were made: no name of a test.
@pytest.mark.parametrize(("name", "data", "format"), KNOWN, ids=[f"{at}-{row[0]}" for at, row in enumerate(KNOWN)])
def test_formats_are_told_apart(tmp_path: Path, name: str, data: bytes, format: str) -> None:
    read = detected(tmp_path, name, data)
    assert read.format == format
    assert read.format in FORMATS


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.py", "a.csv", "a"])
@pytest.mark.parametrize(
    "beginning",
    [
        *("OTTO GmbH", "OTTO = 1", "ID3 tags", "RIFF is", "RIFFaaaaWEBP", "8BPS", "PAR1 golf", "abcdftyp", "GIF89a is"),
        *("GIF87a", "fLaC", "OggS", "wOFF", "wOF2", "ttcf", "AT&TFORM", "MSCF", "ITSF", "BM", "MZ", "%!PS is", "FLV"),
        *("{\\rtf is", "BZh91AY", "SQLite format 3", "PK", "Rar!", "7z", "II*", "MM", "WEBVTT"),
    ],
)
def test_texts_that_begin_with_the_letters_of_a_magic_number_are_texts(
    tmp_path: Path, name: str, beginning: str
) -> None:
    read = detected(tmp_path, name, f"{beginning} of a text, as people write them.\n".encode())
    assert read.format in ("text", "markdown", "python", "csv")
    assert read.note == ""


def test_a_text_with_the_mark_of_an_archive_in_its_place_is_a_text(tmp_path: Path) -> None:
    assert detected(tmp_path, "a.txt", b"x" * 257 + b"ustar and more\n").format == "text"


@pytest.mark.parametrize(
    ("name", "data", "note"),
    [
        ("a.txt", b"%PDF-1.7", "is PDF by its content, not plain text as its name says"),
        ("a.docx", b"%PDF-1.7", "is PDF by its content, not DOCX as its name says"),
        ("a.docx", b"plain text", "is plain text by its content, not DOCX as its name says"),
        ("a.xls", b"<html><table>", "is HTML by its content, not XLS as its name says"),
        ("a.xlsx", compound("Workbook"), "is XLS by its content, not XLSX as its name says"),
        ("a.zip", container(OOXML, "word/document.xml"), "is DOCX by its content, not ZIP as its name says"),
        ("a.txt", MAIL, "is EML by its content, not plain text as its name says"),
        ("a.pdf", b"\x89PNG\r\n\x1a\n\0", "is a picture by its content, not PDF as its name says"),
        ("a.pdf", b"%PDF-1.7", ""),
        ("a.doc", b"{\\rtf1}", ""),
    ],
)
def test_a_name_that_disagrees_is_noted(tmp_path: Path, name: str, data: bytes, note: str) -> None:
    assert detected(tmp_path, name, data).note == note


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"", "is empty"),
        ("a.doc", compound("WordDocument", "1Table"), "is an old Word document: save it as DOCX"),
        ("a.ppt", compound("PowerPoint Document"), "is an old PowerPoint presentation: save it as PPTX"),
        ("a.msg", compound("__properties_version1.0"), "is an Outlook message: save it as EML"),
        ("a.docx", compound("EncryptionInfo", "EncryptedPackage"), "is encrypted: save it without a password"),
        ("a.db", compound("Catalog"), "is an old Office file of a kind that no reader knows"),
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "no reader knows"),
        ("a", b"\x7fELF\x02\x01", "is a program"),
        ("a.exe", b"MZ\x90\0\x03\0\0\0", "is a program"),
        ("A.class", b"\xca\xfe\xba\xbe\0\0", "compiled Java"),
        ("a.pyc", b"\xa7\r\r\n\0\0\0\0\0\0", "compiled Python"),
        ("a.db", b"SQLite format 3\0\0", "an SQLite database"),
        ("a.mp3", b"ID3\x03\0", "is sound"),
        ("a.mp3", b"\xff\xfb\x90\x44\0", "is sound"),
        ("a.mp4", b"\0\0\0\x20ftypisom\0", "MP4"),
        ("a.wav", b"RIFF\0\0\0\0WAVEfmt ", "sound or video"),
        ("a.ttf", b"\0\1\0\0\0\x10", "is a font"),
        ("a.woff2", b"wOF2\0", "is a font"),
        ("a.7z", b"7z\xbc\xaf\x27\x1c\0", "7-Zip archive: unpack it"),
        ("a.jar", container("META-INF/MANIFEST.MF", "A.class"), "Java or Android program"),
        ("a.pages", container("Index/Document.iwa"), "export it as PDF or DOCX"),
        ("a.ps", b"%!PS-Adobe-3.0", "PostScript: convert it to PDF"),
        ("a.weird", bytes(range(256)), r"is of a kind that no reader knows \(.weird\): convert it"),
        ("weird", bytes(range(256)), "is of a kind that no reader knows: convert it"),
        ("a.pdf", bytes(range(256)), "is damaged, or not PDF as its name says"),
        ("a.txt", b"a\0b\1c", "is damaged, or not plain text as its name says"),
    ],
)
def test_what_no_reader_knows_says_what_it_is(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    with pytest.raises(UnreadableError, match=message):
        detected(tmp_path, name, data)


def test_a_file_that_is_missing_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="cannot be read"):
        detect(tmp_path / "missing", "a.txt")


@given(
    data=st.binary(max_size=600), name=st.sampled_from(["a", "a.txt", "a.docx", "a.xls", "a.zip", "a.eml", "a.tar.gz"])
)
def test_any_bytes_have_a_format_or_a_reason(tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str) -> None:
    for mark in (b"", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PK\x05\x06"):
        try:
            assert detected(tmp_path_factory.getbasetemp(), name, mark + data).format in FORMATS
        except UnreadableError as error:
            assert str(error)
