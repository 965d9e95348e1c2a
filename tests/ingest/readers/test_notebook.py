"""Notebooks: cells in order, and what is printed as text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.readers.source_files import document, items, texts
from vpa.ingest.contract import SourceDocument, SourceNote, UnreadableError


def notebook(*cells: dict[str, Any], **fields: Any) -> str:
    return json.dumps({"cells": list(cells), "metadata": fields, "nbformat": 4})


def test_cells_are_headings_text_and_code(tmp_path: Path) -> None:
    outputs = [
        {"output_type": "stream", "text": ["a\n", "b\n"]},
        {"output_type": "execute_result", "data": {"text/plain": "2", "image/png": "iVBOR"}},
        {"output_type": "display_data", "data": {"text/plain": ["<Figure size 640x480 with 1 Axes>"]}},
    ]
    data = notebook(
        {"cell_type": "markdown", "source": ["# The *title*\n", "\n", "Text.\n"]},
        {"cell_type": "code", "source": "print(1)\n", "outputs": outputs},
        {"cell_type": "raw", "source": "raw"},
        authors=[{"name": "Ann"}, {"name": "Bob"}],
    )
    read = document(tmp_path, "a.ipynb", data)
    assert read.title == "The title"
    assert texts(read) == ["The *title*", "Text.", "print(1)", "a\nb", "2", "raw"]
    assert texts(read, "code") == ["print(1)", "a\nb", "2"]
    assert read.metadata == {"author": "Ann, Bob"}


def test_long_outputs_are_cut(tmp_path: Path) -> None:
    data = notebook({"cell_type": "code", "source": "x", "outputs": [{"text": "y" * 100_000}]})
    read, note = items(tmp_path, "a.ipynb", data)
    assert isinstance(read, SourceDocument)
    assert len(read.content) < 5000
    assert isinstance(note, SourceNote)
    assert note.message == "left out what 1 outputs have beyond 4000 characters"


def test_each_part_has_its_cell_and_its_line_in_it(tmp_path: Path) -> None:
    error = {"output_type": "error", "ename": "ValueError", "evalue": "no tide", "traceback": ["..."]}
    data = notebook(
        {"cell_type": "code", "source": ["\n", "first = 1\n"]},
        {"cell_type": "markdown", "source": "Some words.\n\nMore of them."},
        {"cell_type": "code", "source": "second = 2", "outputs": [error]},
    )
    read = document(tmp_path, "a.ipynb", data)
    assert [(text, span.at) for text, span in zip(texts(read), read.spans, strict=True)] == [
        ("first = 1", {"cell": 1, "line": 2}),
        ("Some words.", {"cell": 2, "line": 1}),
        ("More of them.", {"cell": 2, "line": 3}),
        ("second = 2", {"cell": 3, "line": 1}),
        ("ValueError: no tide", {"cell": 3}),
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{", "cannot be read as a notebook"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "without cells"),
        ('{"cells": 3}', "without cells"),
        ('{"cells": [1, null, {"cell_type": "code", "source": 3, "outputs": [4, {"data": 5}]}]}', "without text"),
    ],
)
def test_broken_notebooks_say_why(tmp_path: Path, data: str, message: str) -> None:
    with pytest.raises(UnreadableError, match=message):
        items(tmp_path, "a.ipynb", data)
