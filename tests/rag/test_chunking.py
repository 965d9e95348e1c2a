"""Chunks cover the content and point into it, whatever the content."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpa.base.errors import ConfigurationError
from vpa.rag.chunking.splitter import Chunk, chunk_text

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
PYTHON = "import os\n\n\nclass A:\n    def f(self):\n        return 1\n\n    def g(self):\n        return 2\n\n\ndef h():\n    pass\n"
words = st.sampled_from(
    ["word", "longer-word", " ", "\n", "\n\n", "# ", "```", "aaaa", "é", "😀", "\t", ". ", "def f():\n"]
)
contents = st.one_of(st.lists(words, max_size=200).map("".join), st.text(max_size=300), st.just("a" * 500))


@given(
    contents, st.integers(1, 80), st.integers(0, 40), st.sampled_from(["text", "markdown", "python", "html", "unknown"])
)
@settings(max_examples=400)
def test_chunks_cover_the_content_without_gaps(content: str, size: int, overlap: int, fmt: str) -> None:
    overlap = min(overlap, size - 1)
    chunks = chunk_text(content, size=size, overlap=overlap, fmt=fmt)
    assert all(content[chunk.start : chunk.end] == chunk.text for chunk in chunks)
    assert chunks[0].start == 0
    assert chunks[-1].end == len(content)
    assert all(len(chunk.text) <= size for chunk in chunks)
    for one, other in itertools.pairwise(chunks):
        assert one.start < other.start <= one.end < other.end
        assert one.end - other.start <= overlap


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
