"""What others wrote reaches a terminal as text: no control character is obeyed, and no encoding ends a command."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from vpa.observe.log import configure_logging, get_logger
from vpa.observe.printable import one_line, printable, printable_json

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe\x7f\r"


def vpa(*arguments: str, place: Path, encoding: str = "utf-8") -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "VPA_EMBEDDING_MODEL": "hashing", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", "vpa.main", *arguments], cwd=place, env=environment, capture_output=True, check=False
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    row = {
        "id": f"a{HOSTILE}",
        "title": f"Cats {HOSTILE}\n2. A result that is none",
        "text": f"Cats sleep über {HOSTILE} all",
        "metadata": {f"key{HOSTILE}": f"value{HOSTILE}\nnext", "kind": "é語"},
    }
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n" + json.dumps({"id": HOSTILE}) + "\n")
    return tmp_path


def assert_clean(raw: bytes) -> None:
    text = raw.decode("utf-8")
    assert not set(text) & {"\x1b", "\x07", "\x9b", "\x7f", "\u202e", "\r"}, text


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_nothing_that_was_ingested_is_obeyed_or_ends_a_command(place: Path, encoding: str) -> None:
    done = vpa("ingest", "rows.jsonl", place=place, encoding=encoding)
    assert done.returncode == 1
    assert b"rows.jsonl:2" in done.stderr
    for arguments in (
        ("search", "cats"),
        ("search", "cats", "--json"),
        ("stats",),
        ("stats", "--json"),
        ("search", "cats", "--filter", json.dumps({HOSTILE: 1})),
        ("explain", json.dumps({"kind": HOSTILE})),
        ("search", HOSTILE, "--filter", "{" + HOSTILE),
    ):
        done = vpa(*arguments, place=place, encoding=encoding)
        assert done.returncode in (0, 2), done.stderr
        assert b"unexpected" not in done.stderr
        assert_clean(done.stdout)
        assert_clean(done.stderr)
        if encoding == "ascii":
            assert done.stdout.isascii()
        if "--json" in arguments:
            json.loads(done.stdout)


def test_a_title_stays_on_its_line_and_json_reads_back_as_it_was(place: Path) -> None:
    vpa("ingest", "rows.jsonl", place=place)
    shown = vpa("search", "cats", place=place).stdout.decode()
    assert "\n2. " not in shown
    assert r"\x1b]0;owned\x07" in shown
    for encoding in ("utf-8", "ascii"):
        [result] = json.loads(vpa("search", "cats", "--json", place=place, encoding=encoding).stdout)
        assert result["document_id"] == f"a{HOSTILE}"
        assert result["metadata"]["kind"] == "é語"


def test_texts_without_control_characters_are_shown_as_they_are() -> None:
    for text in ("plain", "über 語 𝔵\n\ttab", "👩‍👩‍👧"):
        assert printable(text) == text
    assert one_line(" a\n b\x1b ") == r"a b\x1b"
    assert json.loads(printable_json(json.dumps(HOSTILE, ensure_ascii=False))) == HOSTILE


def test_log_lines_on_a_console_are_clean_too() -> None:
    stream = io.StringIO()
    try:
        configure_logging(stream=stream)
        get_logger("test").warning(f"event {HOSTILE}", document=HOSTILE)
    finally:
        structlog.reset_defaults()
    assert_clean(stream.getvalue().encode())
