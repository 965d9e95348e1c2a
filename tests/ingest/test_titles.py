"""The title of a markdown file, whatever stands before its first heading."""

from __future__ import annotations

from pathlib import Path

import pytest

from vpa.ingest.readers.text import read_text_file
from vpa.ingest.readers.titles import title_of_markdown
from vpa.ingest.source import SourceDocument

CASES = {
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
    "no heading at all": "",
    "": "",
}


@pytest.mark.parametrize("content", CASES)
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_the_title_of_markdown(content: str, line_end: str) -> None:
    assert title_of_markdown(content.replace("\n", line_end)) == CASES[content]


def test_a_file_without_a_title_has_its_name(tmp_path: Path) -> None:
    for name, content, title in (
        ("a.md", "text", "a"),
        ("b.txt", "# text", "b"),
        ("c.md", "\ufeff# With a mark\r\n\r\ntext", "With a mark"),
    ):
        path = tmp_path / name
        path.write_bytes(content.encode())
        [item] = read_text_file(path, name=name)
        assert isinstance(item, SourceDocument)
        assert item.title == title


def test_looking_for_a_title_ends_soon() -> None:
    assert title_of_markdown("- item\n" * 2_000_000 + "# Late") == ""
