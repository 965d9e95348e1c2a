"""JSON: documents, tables, conversations and any other values; nothing of it stops a reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.readers.source_files import document, items, texts
from vpa.ingest.contract import SourceDocument, SourceProblem, UnreadableError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)


def test_objects_with_id_and_text_are_documents(tmp_path: Path) -> None:
    rows = [{"id": 1, "text": "a", "year": 2020}, {"id": "b", "text": 5}]
    first, second = items(tmp_path, "a.json", json.dumps(rows))
    assert isinstance(first, SourceDocument)
    assert (first.document_id, first.content, first.metadata, first.origin) == ("1", "a", {"year": 2020}, "a.json[1]")
    assert first.spans[0].at == {"line": 1}
    assert isinstance(second, SourceProblem)
    assert "needs a text" in second.message


def test_objects_with_the_same_keys_are_rows(tmp_path: Path) -> None:
    read = document(tmp_path, "a.json", '[{"name": "x", "tags": ["a", "b"]}, {"name": "y", "tags": null}]')
    assert read.content == "name: x; tags: a, b\nname: y"
    assert [(span.kind, span.at) for span in read.spans] == [("row", {"row": 1}), ("row", {"row": 2})]


def test_any_other_value_is_lines_with_paths(tmp_path: Path) -> None:
    value = {"title": "The title", "a": {"b": [1, 2], "c": [{"d": "x"}, {"d": True}]}, "none": None}
    read = document(tmp_path, "a.json", json.dumps(value))
    assert read.title == "The title"
    assert read.content.split("\n") == ["title: The title", "a.b: 1, 2", "a.c[0].d: x", "a.c[1].d: true"]


def test_turns_are_a_conversation(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}]
    assert texts(document(tmp_path, "a.json", json.dumps(turns)), "turn") == ["user: Why?", "assistant: Because."]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[" * 100_000, "it is nested too deeply"),
        ('{"a":' * 100_000, "it is nested too deeply"),
        ('{"a": 1, "a": 2}', "occurs twice"),
        ("{}", "holds no text"),
        ("[]", "holds no text"),
        ("null", "holds no text"),
        ("9" * 10_000, "cannot be read as JSON"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, data: str, message: str) -> None:
    with pytest.raises(UnreadableError, match=message):
        items(tmp_path, "a.json", data)


def test_paths_longer_than_the_values_are_refused(tmp_path: Path) -> None:
    deep: Any = list(range(3))
    for _ in range(300):
        deep = {"k" * 100: deep, "x": 1}
    with pytest.raises(UnreadableError, match="nested so deeply"):
        items(tmp_path, "a.json", json.dumps(deep), text_bytes=100_000)


@given(value=VALUES)
def test_any_value_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    try:
        items(tmp_path_factory.getbasetemp(), "a.json", json.dumps(value))
    except UnreadableError as error:
        assert str(error)


def test_a_conversation_without_texts_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="nobody says anything"):
        items(tmp_path, "a.json", '[{"role": "user", "content": ""}]')


def test_an_element_stands_on_its_own_line(tmp_path: Path) -> None:
    rows = [{"id": f"r{n}", "text": f"text {n}, with [1, 2] and {{}}"} for n in range(4)]
    text = json.dumps(rows, indent=2)
    for number, read in enumerate(items(tmp_path, "a.json", text)):
        assert isinstance(read, SourceDocument)
        assert f"r{number}" in text.splitlines()[read.spans[0].at["line"]]


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ('{ // a comment\n "a": "http://x", /* "b": 2, */ "l": [1, 2,],\n}', "a: http://x\nl: 1, 2"),
        ('{"a": 1}\n{"b": 2}', "[0].a: 1\n[1].b: 2"),
        ('{"a": "x, }", "b": "/* no comment */", }', "a: x, }\nb: /* no comment */"),
    ],
)
def test_dialects_of_programs_are_read(tmp_path: Path, text: str, content: str) -> None:
    assert document(tmp_path, "tsconfig.json", text).content == content


@pytest.mark.parametrize("text", ['{"a": 1, "b": ', '{"a": 1} trailing', '{"a": 1}{"b": ', "[1, 2", "{'a': 1}"])
def test_what_is_cut_or_no_json_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(UnreadableError, match="cannot be read as JSON"):
        items(tmp_path, "a.json", text)
