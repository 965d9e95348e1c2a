"""Chunks cover the content and point into it, whatever the content."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_text_splitters import Language

from vpa.base.errors import ConfigurationError
from vpa.rag.chunking.graphemes import is_boundary
from vpa.rag.chunking.splitter import Chunk, chunk_text

FAMILY = "👩\u200d👩\u200d👧\u200d👦"
FLAG = "🇩🇪"
MARKDOWN = """# Title

Some *text* that goes on for a while, and then a list:

- one
- two

## Code

```python
def f(x):
    return x
```

Last paragraph with more words than fit.
"""
PYTHON = "import os\n\n\nclass A:\n    def f(self):\n        return 1\n\n    def g(self):\n        return 2\n\n\ndef h():\n    pass\n"  # noqa: E501
words = st.sampled_from(
    [
        "word",
        "longer-word",
        " ",
        "\n",
        "\n\n",
        "\r\n",
        "# ",
        "```",
        "aaaa",
        "é",
        "😀",
        "\t",
        ". ",
        "def f():\n",
        "文。",
        FAMILY,
        FLAG,
    ]
)
contents = st.one_of(
    st.lists(words, max_size=200).map("".join),
    st.text(max_size=300),
    st.just("a" * 500),
    st.just("a" + " " * 500 + "b"),
)


@given(
    contents, st.integers(1, 80), st.integers(0, 40), st.sampled_from(["text", "markdown", "python", "html", "unknown"])
)
@settings(max_examples=400)
def test_chunks_cover_the_content_but_for_blanks(content: str, size: int, overlap: int, fmt: str) -> None:
    overlap = min(overlap, size - 1)
    chunks = chunk_text(content, size=size, overlap=overlap, fmt=fmt)
    if not content.strip():
        assert chunks == [Chunk("", 0, 0)]
        return
    assert all(content[chunk.start : chunk.end] == chunk.text for chunk in chunks)
    assert all(chunk.text.strip() and len(chunk.text) <= size for chunk in chunks)
    assert not content[: chunks[0].start].strip()
    assert not content[chunks[-1].end :].strip()
    for one, other in itertools.pairwise(chunks):
        assert one.start < other.start
        assert one.end < other.end
        assert one.end - other.start <= overlap
        assert not content[one.end : other.start].strip()


@given(st.lists(words, max_size=100).map("".join), st.integers(20, 80), st.integers(0, 11))
def test_no_cut_goes_through_a_character(content: str, size: int, overlap: int) -> None:
    for chunk in chunk_text(content, size=size, overlap=overlap):
        assert is_boundary(content, chunk.start)
        assert is_boundary(content, chunk.end)


@pytest.mark.parametrize(
    "cluster",
    [
        FAMILY,
        FLAG,
        "e\u0301\u0323",
        "각".encode().decode(),
        "\u1100\u1161\u11a8",
        "👍🏽",
        "\r\n",
        "1\ufe0f\u20e3",
        "नि",
    ],
)
def test_clusters_stay_whole(cluster: str) -> None:
    content = cluster * 40
    assert [place for place in range(len(content) + 1) if is_boundary(content, place)] == list(
        range(0, len(content) + 1, len(cluster))
    )
    for chunk in chunk_text("x" + content + "x", size=10, overlap=3) if cluster.strip() else []:
        assert chunk.text.strip("x") == cluster * (len(chunk.text.strip("x")) // len(cluster))


def test_line_ends_of_all_kinds_cut_paragraphs() -> None:
    paragraphs = [f"Paragraph {number} has a few words of its own." for number in range(6)]
    for end in ("\n", "\r\n", "\r"):
        chunks = chunk_text((end * 2).join(paragraphs), size=60, overlap=0)
        assert [chunk.text.strip() for chunk in chunks] == paragraphs


@pytest.mark.parametrize(
    "sentences",
    [
        ["这是第一个句子。", "这里还有第二个句子！", "最后一个问题是什么？"] * 3,
        ["これは文です。", "「引用です。」", "終わりましたか？"] * 3,
        ["He said “no.” ", "Then he left. ", "Was it over? "] * 3,
        ["هل هذا سؤال؟ ", "نعم هذا سؤال. "] * 3,
    ],
)
def test_sentences_of_many_scripts_end_chunks(sentences: list[str]) -> None:
    chunks = chunk_text("".join(sentences), size=24, overlap=0)
    ends = set(itertools.accumulate(map(len, sentences)))
    assert len(chunks) > 2
    assert all(chunk.end in ends for chunk in chunks)


def test_long_texts_are_cut_in_sections_at_good_places() -> None:
    content = "\n\n".join(f"Paragraph {number} " + "with words " * 40 for number in range(800))
    assert len(content) > 300_000
    chunks = chunk_text(content, size=1000, overlap=0)
    assert all(chunk.text.lstrip().startswith("Paragraph") for chunk in chunks)
    assert "".join(chunk.text for chunk in chunks) == content


def test_what_fits_is_one_chunk() -> None:
    assert chunk_text("x" * 1000, size=1000, overlap=150) == [Chunk("x" * 1000, 0, 1000)]
    assert chunk_text("", size=10, overlap=2) == [Chunk("", 0, 0)]


def test_neighbours_overlap_at_a_word() -> None:
    content = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu"
    first, second, *_ = chunk_text(content, size=30, overlap=12)
    shared = content[second.start : first.end]
    assert 0 < len(shared) <= 12
    assert content[second.start - 1].isspace()


def test_markdown_is_cut_at_headings() -> None:
    chunks = chunk_text(MARKDOWN, size=90, overlap=0, fmt="md")
    assert any(chunk.text.lstrip().startswith("## Code") for chunk in chunks)


def test_code_is_cut_at_definitions() -> None:
    chunks = chunk_text(PYTHON, size=75, overlap=0, fmt="py")
    assert any(chunk.text.lstrip().startswith("def h") for chunk in chunks)


@pytest.mark.parametrize(("size", "overlap"), [(10, 10), (10, 11), (0, 0), (5, -1)])
def test_an_overlap_that_cannot_be_is_refused(size: int, overlap: int) -> None:
    with pytest.raises(ConfigurationError, match="overlap"):
        chunk_text("x" * 100, size=size, overlap=overlap)


@pytest.mark.parametrize("fmt", [*(language.value for language in Language), "unknown"])
def test_every_format_is_cut(fmt: str) -> None:
    text = 'print "hello world";\n' * 100
    chunks = chunk_text(text, size=200, overlap=20, fmt=fmt)
    assert chunks[0].start == 0
    assert not text[chunks[-1].end :].strip()
