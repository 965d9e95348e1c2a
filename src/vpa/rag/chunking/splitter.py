"""Chunks with exact offsets. langchain-text-splitters says where to cut; the offsets are ours.

The splitter is run without overlap, so its pieces joined are the content; each chunk then starts up to `overlap`
characters earlier, at a word boundary. So chunks cover the content, and `content[start:end]` is the chunk, by
construction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from vpa.base.errors import ConfigurationError

_FORMAT_NAMES: Final = {"md": "markdown", "py": "python", "javascript": "js", "typescript": "ts", "htm": "html"}


@dataclass(frozen=True, slots=True)
class Chunk:
    """`text` is `content[start:end]`, counted in code points."""

    text: str
    start: int
    end: int


def chunk_text(content: str, *, size: int, overlap: int, fmt: str = "text") -> list[Chunk]:
    """Cut `content` into chunks of at most `size` characters, neighbours sharing at most `overlap`.

    `fmt` is "text", "markdown" or a programming language: it decides where cuts are preferred. An empty content has
    one empty chunk. Raises ConfigurationError unless 0 <= overlap < size.
    """
    if not 0 <= overlap < size:
        raise ConfigurationError(f"chunk overlap ({overlap}) must be at least 0 and less than the chunk size ({size})")
    if len(content) <= size:
        return [Chunk(content, 0, len(content))]
    chunks: list[Chunk] = []
    end = 0
    for piece in _pieces(content, size=size - overlap, fmt=fmt):
        # At least one character on from the chunk before, so that none holds another whole.
        earliest = max(end - overlap, chunks[-1].start + 1) if chunks else 0
        start = _word_start(content, earliest, end)
        end += len(piece)
        chunks.append(Chunk(content[start:end], start, end))
    return chunks


def _word_start(content: str, earliest: int, latest: int) -> int:
    """The first place from `earliest` on where a word may begin; `earliest` itself if there is none before `latest`."""
    if not 0 < earliest < latest:
        return earliest
    return next((place for place in range(earliest, latest) if content[place - 1].isspace()), earliest)


def _pieces(content: str, *, size: int, fmt: str) -> Sequence[str]:
    from langchain_text_splitters import Language, RecursiveCharacterTextSplitter

    name = _FORMAT_NAMES.get(fmt.lower(), fmt.lower())
    options: dict[str, Any] = {
        "chunk_size": size,
        "chunk_overlap": 0,
        "keep_separator": True,
        "strip_whitespace": False,
    }
    plain = RecursiveCharacterTextSplitter(**options)
    splitter = plain
    if name in {language.value for language in Language}:
        splitter = RecursiveCharacterTextSplitter.from_language(Language(name), **options)
    for candidate in (splitter, plain):
        pieces = [piece for piece in candidate.split_text(content) if piece]
        if "".join(pieces) == content and max(map(len, pieces)) <= size:
            return pieces
    return [content[start : start + size] for start in range(0, len(content), size)]
