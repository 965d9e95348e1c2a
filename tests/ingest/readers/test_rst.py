"""reStructuredText: titles with levels, literal blocks as code, and the text unchanged."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.readers.source_files import document, texts

TEXT = """=====
Title
=====

:author: Ann
:date: 2024-01-02

Intro::

   code here

   more

Section
-------

.. code-block:: python

   x = 1

After.

====  ====
a     b
====  ====
1     2
====  ====

Sub
~~~

.. note:: Take care::

----

Other
-----
end"""


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_titles_code_and_paragraphs(tmp_path: Path, end: str) -> None:
    read = document(tmp_path, "a.rst", TEXT.replace("\n", end))
    assert read.content == TEXT.replace("\n", end)
    assert (read.title, read.format) == ("Title", "rst")
    headings = [(span.level, span.at["line"]) for span in read.spans if span.kind == "heading"]
    assert headings == [(1, 2), (2, 14), (3, 29), (2, 36)]
    assert texts(read, "heading") == ["Title", "Section", "Sub", "Other"]
    assert [text.split() for text in texts(read, "code")] == [
        ["code", "here", "more"],
        ["..", "code-block::", "python", "x", "=", "1"],
    ]
    assert read.metadata == {"author": "Ann", "created": datetime(2024, 1, 2, tzinfo=UTC)}


def test_a_file_without_a_title_has_its_name(tmp_path: Path) -> None:
    assert document(tmp_path, "a.rst", "text only").title == "a"


@given(
    lines=st.lists(
        st.sampled_from(["", "a", "text", "====", "--", "----", "::", "  x", ".. code::", ".. x", "b::"]), min_size=1
    )
)
def test_any_lines_are_read(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    document(tmp_path_factory.getbasetemp(), "a.rst", "x\n" + "\n".join(lines))
