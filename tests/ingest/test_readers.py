"""From files to documents: every line or file becomes a document or a problem with its place, and none stops the
others.
"""

from __future__ import annotations

import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpa.ingest.files import count_documents, read_files, reader_of
from vpa.ingest.readers.jsonl import read_jsonl_file
from vpa.ingest.readers.text import read_text_file
from vpa.ingest.source import Item, SourceDocument, SourceProblem

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
ROWS = st.fixed_dictionaries(
    {"id": TEXTS.filter(bool) | st.integers(), "text": TEXTS},
    optional={"title": TEXTS, "metadata": st.dictionaries(TEXTS, st.integers()), "year": st.integers()},
)


def lines(tmp_path: Path, *written: Any) -> list[Item]:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\n".join(row if isinstance(row, bytes) else json.dumps(row).encode() for row in written))
    return list(read_jsonl_file(path, name="rows"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rows")


@given(rows=st.lists(ROWS, min_size=1, max_size=6))
def test_every_sound_line_is_a_document(place: Path, rows: list[dict[str, Any]]) -> None:
    items = lines(place, *rows)
    assert [item.origin for item in items] == [f"rows:{number}" for number in range(1, len(rows) + 1)]
    for item, row in zip(items, rows, strict=True):
        assert isinstance(item, SourceDocument)
        assert (item.document_id, item.content, item.title) == (str(row["id"]), row["text"], row.get("title", ""))
        extra = {"year": row["year"]} if "year" in row and "year" not in row.get("metadata", {}) else {}
        assert item.metadata == {**row.get("metadata", {}), **extra}


@given(raw=st.binary(max_size=80).filter(lambda raw: b"\n" not in raw))
def test_any_bytes_are_a_document_or_a_problem_and_the_next_line_is_read(place: Path, raw: bytes) -> None:
    items = lines(place, raw, {"id": "after", "text": "x"})
    last = items[-1]
    assert isinstance(last, SourceDocument)
    assert (last.document_id, last.origin) == ("after", "rows:2")
    assert all(item.origin == "rows:1" for item in items[:-1])


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"text": "x"}, "needs an id"),
        ({"id": True, "text": "x"}, "needs an id"),
        ({"id": 1.5, "text": "x"}, "needs an id"),
        ({"id": "a"}, "needs a text"),
        ({"id": "a", "text": 5}, "not int"),
        ({"id": "a", "text": "x", "metadata": [1]}, "not list"),
        ({"id": "a", "text": "x", "title": 5}, "title must be text"),
        ([1], "JSON list"),
        (b"{", "cannot be read as JSON"),
        (b'{"id": "\xff"}', "not UTF-8"),
        (b"[" * 100_000, "cannot be read as JSON"),
    ],
)
def test_a_bad_line_says_why_and_where(tmp_path: Path, row: Any, problem: str) -> None:
    first, bad, last = lines(tmp_path, {"_id": 1, "content": "x"}, row, {"document_id": "z", "text": "y"})
    assert isinstance(bad, SourceProblem)
    assert bad.origin == "rows:2"
    assert problem in bad.message
    assert isinstance(first, SourceDocument)
    assert isinstance(last, SourceDocument)


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_packed_lines_are_read_and_a_torn_pack_is_a_problem(tmp_path: Path, ending: str, pack: Any) -> None:
    packed = pack(b'{"id": 1, "text": "x"}\n' * 50)
    path = tmp_path / f"rows.jsonl{ending}"
    path.write_bytes(packed)
    assert len(list(read_files([str(path)]))) == count_documents([str(path)]) == 50
    path.write_bytes(packed[: len(packed) // 2])
    *_, last = read_files([str(path)])
    assert isinstance(last, SourceProblem)
    assert "cannot be read" in last.message


@pytest.mark.parametrize(
    ("name", "raw", "title", "kind"),
    [
        ("a.txt", b"# not a heading", "a", "text"),
        ("a.md", "\ufeffintro\n\n## The *title* ##\ntext".encode(), "The title", "markdown"),
        ("a.markdown", b"no heading", "a", "markdown"),
    ],
)
def test_a_text_file_is_one_document(tmp_path: Path, name: str, raw: bytes, title: str, kind: str) -> None:
    (tmp_path / name).write_bytes(raw)
    [item] = read_text_file(tmp_path / name, name="folder/a")
    assert isinstance(item, SourceDocument)
    assert (item.document_id, item.title, item.format) == ("folder/a", title, kind)
    assert item.metadata["source"] == "folder/a"
    assert "\ufeff" not in item.content


@pytest.mark.parametrize("raw", [b"", b" \n\t", b"a\0b", b"caf\xe9"])
def test_what_is_no_text_is_a_problem(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(raw)
    [item] = read_text_file(tmp_path / "a.txt", name="a")
    assert isinstance(item, SourceProblem)
    assert str(item).startswith("a")


def test_places_that_hold_nothing_to_read_are_problems(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.exe").write_bytes(b"x")
    items = list(read_files([str(tmp_path / name) for name in ("empty", "a.exe", "missing")]))
    assert [isinstance(item, SourceProblem) for item in items] == [True, True, True]
    assert reader_of(Path("a.TXT")) is read_text_file
    assert reader_of(Path("a.txt.gz")) is None
