"""Chunks with exact offsets. langchain-text-splitters says where to cut; the offsets are ours.

The splitter is run without overlap, so its pieces joined are the content; each chunk then starts up to `overlap`
characters earlier, at a word boundary. So `content[start:end]` is the chunk, and chunks cover the content but for runs
of blanks that would be a chunk of their own. CPU-bound: run it in a worker thread. Long texts go through in sections,
so that no single call of a C function keeps other threads waiting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from vpa.base.errors import ConfigurationError
from vpa.kit.steps import rest
from vpa.rag.chunking.graphemes import boundary_at_or_after, boundary_at_or_before, is_boundary
from vpa.rag.chunking.separators import separators_of, shadow_of

# Characters split at once: the loop of the splitter rests between two, after about a millisecond.
_SECTION: Final = 1 << 14
_SECTION_ENDS: Final = ("\n#", "\n\n", "\n \n", "\n", ". ", "。", " ")


@dataclass(frozen=True, slots=True)
class Chunk:
    """`text` is `content[start:end]`, counted in code points.

    `at` says where a person finds it (`vpa.ingest.places`); `context` is embedded with it and no part of it.
    """

    text: str
    start: int
    end: int
    at: Mapping[str, Any] = field(default_factory=dict)
    context: str = ""

    def embedded(self, prefix: str) -> str:
        """What is embedded for it: the prefix, its context, and its text."""
        return f"{prefix}{self.context}. {self.text}" if self.context else prefix + self.text


def chunk_text(content: str, *, size: int, overlap: int, fmt: str = "text") -> list[Chunk]:
    """Cut `content` into chunks of at most `size` characters, neighbours sharing at most `overlap`.

    `fmt` is "text", "markdown" or a programming language: it decides where cuts are preferred. No chunk is blank, but a
    content without any text has one empty chunk. Raises ConfigurationError unless 0 <= overlap < size.
    """
    if not 0 <= overlap < size:
        raise ConfigurationError(f"chunk overlap ({overlap}) must be at least 0 and less than the chunk size ({size})")
    if not content or content.isspace():
        return [Chunk("", 0, 0)]
    if len(content) <= size:
        return [Chunk(content, 0, len(content))]
    chunks: list[Chunk] = []
    start = 0
    for end in _ends(content, size=size - overlap, fmt=fmt):
        if not content[start:end].isspace():
            first = with_overlap(content, start, overlap=overlap, last=chunks[-1] if chunks else None)
            chunks.append(Chunk(content[first:end], first, end))
        start = end
    return chunks


def with_overlap(content: str, start: int, *, overlap: int, last: Chunk | None) -> int:
    """Where a chunk begins: up to `overlap` characters earlier, at a word; nothing is shared across left-out blanks."""
    if last is None or last.end < start:
        return start
    # At least one character on from the chunk before, so that none holds another whole.
    earliest = max(start - overlap, last.start + 1)
    if not 0 < earliest < start:
        return earliest
    words = (place for place in range(earliest, start) if content[place - 1].isspace() and is_boundary(content, place))
    return next(words, boundary_at_or_after(content, earliest, below=start))


def _ends(content: str, *, size: int, fmt: str) -> Iterator[int]:
    """Where pieces of at most `size` characters end; the last is the end of the content."""
    shadow = shadow_of(content)
    start = 0
    for place in _preferred(shadow, size=size, fmt=fmt):
        end = place if place == len(content) else boundary_at_or_before(content, place, above=start)
        while end - start > size:
            start = boundary_at_or_before(content, start + size, above=start)
            yield start
        # A piece that is only the beginning of a character joins the next one.
        if end > start and is_boundary(content, end):
            start = end
            yield end


def _preferred(shadow: str, *, size: int, fmt: str) -> Iterator[int]:
    """Ends of the splitter's pieces, which may be longer than `size` where it knows no place to cut."""
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter(
        separators=list(separators_of(fmt)),
        is_separator_regex=True,
        chunk_size=size,
        chunk_overlap=0,
        keep_separator=True,
        strip_whitespace=False,
    )
    start = 0
    for section_end in _section_ends(shadow, size=max(_SECTION, 4 * size)):
        section = shadow[start:section_end]
        pieces = splitter.split_text(section)
        # Proof that the splitter kept every character; else the section is one piece.
        lengths = map(len, pieces) if "".join(pieces) == section else [len(section)]
        for length in lengths:
            start += length
            yield start
        if start < len(shadow):
            rest()


def _section_ends(shadow: str, *, size: int) -> Iterator[int]:
    """Ends of sections of at most `size` characters, at good places in their last quarter."""
    start = 0
    while len(shadow) - start > size:
        low, high = start + size * 3 // 4, start + size
        places = ((shadow.rfind(mark, low, high), mark) for mark in _SECTION_ENDS)
        # Line ends begin the next section, other marks end this one.
        ends = (place + (0 if mark[0] == "\n" else len(mark)) for place, mark in places if place > low)
        start = next(ends, high)
        yield start
    yield len(shadow)
