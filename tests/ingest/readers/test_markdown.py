"""Markdown: title, fields in front, and parts with their lines in the file, whatever its line ends."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.readers.source_files import document, texts
from vpa.ingest.readers.markdown import markdown_spans, title_of_markdown

TITLES = {
    "# Heading\n\ntext": "Heading",
    "# Heading ##  \n": "Heading",
    "text\n\n## Second level": "Second level",
    "```sh\n# no title\n```\n\n# Real": "Real",
    "~~~\n# no title\n~~~\n# Real": "Real",
    "    # indented code\n\n# Real": "Real",
    "<!--\n# in a comment\n-->\n\n# Real": "Real",
    "Setext\n======\n\n# Later": "Setext",
    "Setext\nof two lines\n---\n": "Setext of two lines",
    "# A **bold** `code` [link](http://x) title": "A bold code link title",
    "#hashtag\n\n# Real": "Real",
    "#\n\n# Real": "Real",
    "---\ntitle: Of the front matter\n---\n# Heading": "Of the front matter",
    "---\ntitle: 'Quoted: yes'\ntags: [a, b]\n...\n# Heading": "Quoted: yes",
    "---\n# a comment\ndate: 2020-01-01\n---\n\n# Real": "Real",
    "---\n: [ not yaml\n---\n# Real": "Real",
    "---\ntitle: [a, list]\n---\n# Real": "Real",
    "---\ntitle: 1984\n---\n": "1984",
    '+++\n# a comment\ntitle = "Of TOML"\n+++\n# Heading': "Of TOML",
    "---\n\nA rule, no front matter\n\n# Real": "Real",
    "---\n" + "[" * 5000 + "\n---\n# Real": "Real",
    "no heading at all": "name",
}
BLOCKS = """Intro
more

# Head **one** ##

- item
  ```py
  x = 1
  ```
- item 2

| a | b |
|---|---|
| 1 | 2 |

Setext
two
---

    indented

> quote

#
## last
end"""


@pytest.mark.parametrize("content", TITLES)
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_the_title_of_markdown(tmp_path: Path, content: str, line_end: str) -> None:
    read = document(tmp_path, "name.md", content.replace("\n", line_end))
    assert (read.title, read.format) == (TITLES[content], "markdown")


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("front", ["", "---\ntitle: x\n---\n"])
def test_parts_have_their_kind_and_the_line_of_the_file(tmp_path: Path, line_end: str, front: str) -> None:
    read = document(tmp_path, "a.md", (front + BLOCKS).replace("\n", line_end))
    assert read.content == BLOCKS.replace("\n", line_end)
    before = front.count("\n")
    told = [(span.kind, span.level, span.at["line"] - before) for span in read.spans]
    assert told == [
        ("text", 0, 1),
        ("heading", 1, 4),
        ("text", 0, 6),
        ("code", 0, 7),
        ("text", 0, 10),
        ("row", 0, 12),
        ("row", 0, 14),
        ("heading", 2, 16),
        ("code", 0, 20),
        ("text", 0, 22),
        ("heading", 2, 25),
        ("text", 0, 26),
    ]
    assert texts(read, "heading") == ["Head **one**", f"Setext{line_end}two", "last"]
    assert texts(read, "row") == ["| a | b |", "| 1 | 2 |"]
    assert texts(read, "code")[0].split() == ["```py", "x", "=", "1", "```"]


def test_front_matter_becomes_metadata(tmp_path: Path) -> None:
    read = document(
        tmp_path,
        "a.md",
        "---\ntitle: T\ndate: 2024-05-01\ntags: a, b\nauthor: [Ann, Bob]\ndraft: true\nn: 3\nweights: [1, 2]\n"
        "nested: {a: 1}\n$set: 1\n_vpa: 2\nempty:\nwhen: 2024-01-01\n---\ntext\n",
    )
    assert read.content == "text\n"
    assert read.metadata == {
        "created": datetime(2024, 5, 1, tzinfo=UTC),
        "author": "Ann, Bob",
        "tags": ["a", "b"],
        "draft": True,
        "n": 3,
        "weights": [1, 2],
        "when": "2024-01-01",
    }


def test_a_date_that_is_none_stays_text(tmp_path: Path) -> None:
    assert document(tmp_path, "a.md", "---\ndate: next week\n---\ntext").metadata == {"date": "next week"}


@pytest.mark.parametrize("value", ["!!bool maybe", "!!timestamp soon", "!!int ''", "!!float x", "!!null [", "!!x y"])
def test_front_matter_with_tags_that_do_not_fit_leaves_the_file_readable(tmp_path: Path, value: str) -> None:
    assert document(tmp_path, "a.md", f"---\ntitle: x\ndraft: {value}\n---\n# The heading\n").title == "The heading"


def test_a_bomb_of_aliases_is_not_expanded(tmp_path: Path) -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefghijk", "bcdefghijkl", strict=True)
    )
    assert document(tmp_path, "a.md", f"---\n{bomb}---\ntext").metadata == {}
    python = "---\nx: !!python/object/apply:os.system ['exit 1']\n---\ntext"
    assert document(tmp_path, "a.md", python).metadata == {}


def test_front_matter_of_megabytes_is_text(tmp_path: Path) -> None:
    assert document(tmp_path, "a.md", f"---\ntitle: {'x' * 70_000}\n---\ntext").title == "a"


def test_only_front_matter_is_still_a_document(tmp_path: Path) -> None:
    assert document(tmp_path, "a.md", "---\ntitle: x\n---\n").content


LINES = st.lists(
    st.sampled_from(
        ["", "# a", "## b ##", "text", "---", "===", "```", "~~~", "    code", "- x", "> q", "|a|b|", "|-|-|"]
    )
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
    max_size=25,
)


@given(lines=LINES, end=st.sampled_from(["\n", "\r\n", "\r"]))
def test_spans_are_in_order_disjoint_and_at_their_lines(lines: list[str], end: str) -> None:
    content = end.join(lines)
    last = 0
    for span in markdown_spans(content):
        assert last <= span.start < span.end <= len(content)
        assert content[span.start : span.end].strip()
        before = content[: span.start].replace("\r\n", "\n").replace("\r", "\n")
        assert span.at["line"] == before.count("\n") + 1
        last = span.end


def test_looking_for_a_title_ends_soon() -> None:
    assert title_of_markdown("- item\n" * 2_000_000 + "# Late") == ""


@pytest.mark.parametrize("piece", ["[", "> ", "- ", "**a ", "`", "<!--", "|", "![", "*_"])
def test_hostile_repetition_ends_soon(tmp_path: Path, piece: str) -> None:
    start = time.process_time()
    document(tmp_path, "a.md", piece * (100_000 // len(piece)))
    assert time.process_time() - start < 20
