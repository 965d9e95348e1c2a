"""JSON lines: every line becomes a document or a problem with its place, and none stops the others."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.readers.source_files import items, texts
from vpa.ingest.contract import Item, SourceDocument, SourceProblem
from vpa.ingest.readers import lines as line_reading

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
ROWS = st.fixed_dictionaries(
    {"id": TEXTS.filter(bool) | st.integers(), "text": TEXTS},
    optional={"title": TEXTS, "metadata": st.dictionaries(TEXTS, st.integers()), "year": st.integers()},
)
ROW = json.dumps({"id": "good", "text": "a text"})


def lines(tmp_path: Path, *written: Any) -> list[Item]:
    data = b"\n".join(row if isinstance(row, bytes) else json.dumps(row).encode() for row in written)
    return items(tmp_path, "rows.jsonl", data)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rows")


@given(rows=st.lists(ROWS, min_size=1, max_size=6))
def test_every_sound_line_is_a_document(place: Path, rows: list[dict[str, Any]]) -> None:
    read = lines(place, *rows)
    assert [item.origin for item in read] == [f"rows.jsonl:{number}" for number in range(1, len(rows) + 1)]
    for item, row in zip(read, rows, strict=True):
        assert isinstance(item, SourceDocument)
        assert (item.document_id, item.content, item.title) == (str(row["id"]), row["text"], row.get("title", ""))
        extra = {"year": row["year"]} if "year" in row and "year" not in row.get("metadata", {}) else {}
        assert item.metadata == {**row.get("metadata", {}), **extra}


@given(raw=st.binary(max_size=80).filter(lambda raw: b"\n" not in raw))
def test_any_bytes_are_a_document_or_a_problem_and_the_next_line_is_read(place: Path, raw: bytes) -> None:
    # Four bytes at the beginning say which encoding the whole file is in.
    read = lines(place, b"{}", raw, {"id": "after", "text": "x"})
    last = read[-1]
    assert isinstance(last, SourceDocument)
    assert (last.document_id, last.origin) == ("after", "rows.jsonl:3")
    assert all(item.origin == "rows.jsonl:2" for item in read[1:-1])


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"id": True, "text": "x"}, "needs an id"),
        ({"id": 1.5, "text": "x"}, "needs an id"),
        ({"id": "a"}, "needs a text"),
        ({"id": "a", "text": 5}, "not int"),
        ({"id": "a", "text": "x", "metadata": [1]}, "not list"),
        ({"id": "a", "text": "x", "title": 5}, "title must be text"),
        ([1], "JSON list"),
        (b"{", "cannot be read as JSON"),
        (b'{"id": "\xff"}', "not UTF-8"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b'{"a":' * 100_000, "it is nested too deeply"),
        (b'{"id": "x", "text": "t", "n": ' + b"9" * 1_000_000 + b"}", "cannot be read as JSON"),
        (b'{"id": "y", "id": "z", "text": "2"}', "'id' occurs twice"),
        (b'{"id": "x", "text": "1", "metadata": {"year": 1, "year": 2}}', "'year' occurs twice"),
        ({"id": "a", "text": "t", "metadata": {"year": 1}, "year": 2}, "has 'year' twice, beside metadata and in it"),
        ({"id": "a", "_id": "b", "text": "t"}, "has id and _id with different values"),
        ({"id": "a", "text": "t", "content": "u"}, "has content and text with different values"),
    ],
)
def test_a_bad_line_says_why_and_where(tmp_path: Path, row: Any, problem: str) -> None:
    first, bad, last = lines(tmp_path, {"_id": 1, "content": "x"}, row, {"document_id": "z", "text": "y"})
    assert isinstance(bad, SourceProblem)
    assert bad.origin == "rows.jsonl:2"
    assert problem in bad.message
    assert isinstance(first, SourceDocument)
    assert isinstance(last, SourceDocument)


def test_the_same_value_twice_is_no_problem(tmp_path: Path) -> None:
    [read] = lines(tmp_path, {"id": "b", "_id": "b", "text": "t", "content": "t", "metadata": {"year": 1}, "year": 1})
    assert isinstance(read, SourceDocument)
    assert read.metadata == {"year": 1}


def test_a_blank_file_is_empty(tmp_path: Path) -> None:
    assert items(tmp_path, "a.jsonl", b" \n\n") == [SourceProblem("a.jsonl", "is empty")]


def test_escapes_of_nul_and_of_lone_surrogates_are_replaced(tmp_path: Path) -> None:
    [read] = lines(tmp_path, rb'{"id": "a", "text": "x\u0000y\ud800z", "title": "\udfff", "k\u0000": ["\u0000"]}')
    assert isinstance(read, SourceDocument)
    assert (read.content, read.title, read.metadata) == ("x\ufffdy\ufffdz", "\ufffd", {"k\ufffd": ["\ufffd"]})


def test_deep_values_with_escapes_are_a_problem_or_a_document(tmp_path: Path) -> None:
    deep = b'{"id": "x", "text": "t\\u0041", "metadata": ' + b'{"a":' * 900 + b"1" + b"}" * 901
    assert len(lines(tmp_path, deep, {"id": 1, "text": "x"})) == 2


def test_a_line_without_an_end_takes_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_reading, "MAX_LINE_BYTES", 1 << 20)
    data = b"[" * (64 << 20) + f"\n{ROW}\n".encode()
    tracemalloc.start()
    problem, good = items(tmp_path, "rows.jsonl", data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(good, SourceDocument)
    assert isinstance(problem, SourceProblem)
    assert str(problem).startswith("rows.jsonl:1: is longer than")
    assert peak < 16 << 20


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_lines_with_a_byte_order_mark_are_read_in_their_encoding(tmp_path: Path, encoding: str) -> None:
    mark = "" if encoding in ("utf-16", "utf-32", "utf-8-sig") else "\ufeff"
    rows = f'{mark}{{"id": "one", "text": "Größe 語 \u0a0d"}}\n\n{{"id": "two", "text": "𝔵"}}'
    read = items(tmp_path, "b.jsonl", rows.encode(encoding))
    assert [item.content[-1] for item in read if isinstance(item, SourceDocument)] == ["\u0a0d", "𝔵"]


def test_lines_that_are_not_what_their_mark_says_are_a_problem(tmp_path: Path) -> None:
    [problem] = items(tmp_path, "a.jsonl", b"\xff\xfea\x00\x00\xd8a")
    assert isinstance(problem, SourceProblem)
    assert "is not UTF-16" in problem.message


def test_lines_that_are_turns_are_one_conversation(tmp_path: Path) -> None:
    [read] = lines(tmp_path, {"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."})
    assert isinstance(read, SourceDocument)
    assert texts(read) == ["user: Why?", "assistant: Because."]


def test_lines_that_are_conversations_are_documents_with_keys(tmp_path: Path) -> None:
    row = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    read = lines(tmp_path, row, {"id": "c7", **row})
    assert [(item.key, item.title, item.origin) for item in read if isinstance(item, SourceDocument)] == [
        ("1", "rows 1", "rows.jsonl:1"),
        ("c7", "rows 2", "rows.jsonl:2"),
    ]


def test_a_line_without_an_id_is_called_by_its_number(tmp_path: Path) -> None:
    rows = [{"text": "The first."}, b"", {"id": "x", "text": "Another."}, {"text": "The last."}]
    documents = [item for item in lines(tmp_path, *rows) if isinstance(item, SourceDocument)]
    assert [(document.document_id, document.key) for document in documents] == [("", "1"), ("x", ""), ("", "4")]


def test_an_object_without_a_text_is_a_row_of_what_it_holds(tmp_path: Path) -> None:
    qa = {"question": "what is a godwit", "answer": "a wader"}
    first, second = lines(tmp_path, qa, {"id": "b7", "body": "so", "n": {"x": 1}})
    assert isinstance(first, SourceDocument)
    assert isinstance(second, SourceDocument)
    assert (first.title, first.key, first.content) == ("rows 1", "1", "question: what is a godwit; answer: a wader")
    assert (second.document_id, second.content) == ("b7", "id: b7; body: so; n.x: 1")
