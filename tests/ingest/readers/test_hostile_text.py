"""Texts made to take quadratic time: every reader is done soon."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ingest.readers.source_files import source
from vpa.ingest.contract import UnreadableError
from vpa.ingest.conversations import conversations_in
from vpa.ingest.conversations.pairs import is_question
from vpa.ingest.detect import detect
from vpa.ingest.formats import FORMATS
from vpa.ingest.html_text import markup_text

SIZE = 200_000
SRT = b"1\n00:00:01,000 --> 00:00:02,000\n"
CASES = [
    ("a.srt", SRT + b"<a" * SIZE),
    ("a.srt", SRT + b"<v " + b" " * SIZE),
    ("a.srt", SRT + b"{\\" * SIZE),
    ("a.srt", b"0:" * SIZE),
    ("a.srt", SRT * 5000),
    ("a.md", b"# x" + b" " * SIZE + b"y"),
    ("a.md", b"# " + b"#" * SIZE + b"y"),
    ("a.md", b"-" * SIZE + b"|x"),
    ("a.md", b"|a|\n|-|\n" + b"|x|\n" * (SIZE // 4)),
    ("a.md", b"---\n" + b"- " * 30_000 + b"\n---\n"),
    ("a.rst", b"= " * SIZE + b"x\ny"),
    ("a.rst", b"x::\n" * (SIZE // 4)),
    ("a.rst", b".. code::\n\n" * (SIZE // 10)),
    ("a.txt", b"1/1/24, 10:00 - " + b"A" * SIZE),
    ("a.txt", b"1/1/24, 10:00 - A: x\n" * (SIZE // 20)),
    ("a.csv", b'"' * SIZE),
    ("a.csv", b"a,b\n" + b"," * SIZE),
    ("a.csv", b"a;b\n" * (SIZE // 4)),
    ("a.xml", b"<?xml" + b" " * SIZE),
    ("a.xml", b"<a>" + b"<b>x</b>" * (SIZE // 8) + b"</a>"),
    ("a.xml", b"<a>" + b"x<b/>" * (SIZE // 5) + b"</a>"),
    ("a.xml", b"<a " + b" ".join(b'k%d="v"' % n for n in range(5000)) + b"/>"),
    ("a.eml", b"Content-Type: text/plain" + b";" * SIZE + b"\n\nx"),
    ("a.eml", b"Content-Type: text/plain" + b"\n ;" * SIZE + b"\n\nx"),
    ("a.eml", b"From: " + b"a," * SIZE + b"\n\nx"),
    ("a.eml", b"Subject: " + b"=?utf-8?q?a?=" * (SIZE // 10) + b"\n\nx"),
    ("a.eml", b"Subject: x\n\n" + b"\n " * SIZE + b"x"),
    ("a.mbox", b"From " + b"1:" * SIZE + b"\n"),
    ("a.mbox", b"From x 10:00\n" * (SIZE // 10)),
    ("a.json", b'["' + b"\\u0000" * SIZE + b'"]'),
    ("a.json", b"[" + b"1," * SIZE + b"1]"),
    ("a.jsonl", b"{}\n" * (SIZE // 10)),
    ("a.txt", b"\xe9\xfe" * SIZE),
    ("a.txt", bytes(range(128, 256)) * (SIZE // 128)),
    ("a", b"<!-- x -->" * (SIZE // 10)),
    ("a", b"<?xml?>" + b"<!-- x --> " * (SIZE // 10)),
    ("a", b"From " + b"1:" * SIZE),
]


@pytest.mark.parametrize(("name", "data"), CASES)
def test_hostile_texts_are_done_soon(tmp_path: Path, name: str, data: bytes) -> None:
    file = source(tmp_path, name, data)
    start = time.process_time()
    try:
        detect(file.path, name)
        list(FORMATS[file.format].load()(file))
    except UnreadableError as error:
        assert str(error)
    assert time.process_time() - start < 10


@pytest.mark.parametrize("text", ["<script" * SIZE, "<script>" * 50_000, "<p" * SIZE, "<!--" * SIZE, "&" * SIZE])
def test_hostile_markup_in_other_formats_is_done_soon(text: str) -> None:
    start = time.process_time()
    markup_text(text)
    assert time.process_time() - start < 10


def test_hostile_mentions_and_questions_are_done_soon() -> None:
    start = time.process_time()
    for text in ("<@" * SIZE, "<http" * SIZE, "?" * SIZE, "what " * SIZE, " " * SIZE):
        conversations_in([{"type": "message", "ts": "1", "user": "U", "text": text}], title="t")
        is_question(text)
    assert time.process_time() - start < 10
