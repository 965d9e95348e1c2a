"""Cuts a document: by its spans where it has some, else by its format; where it is plain text, with the lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from vpa.ingest.contract import Span
from vpa.ingest.readers.markdown import markdown_spans
from vpa.rag.chunking.splitter import Chunk, chunk_text
from vpa.rag.chunking.structured import chunk_spans

_MARKDOWN: Final = ("markdown", "md")
# Parsing takes three seconds per million characters; what is longer is cut by patterns.
_PARSED: Final = 200_000


def cut(content: str, spans: Sequence[Span], *, size: int, overlap: int, fmt: str) -> list[Chunk]:
    """Chunks of at most `size` characters that know where they stand."""
    if not spans and size < len(content) <= _PARSED and fmt in _MARKDOWN:
        spans = markdown_spans(content)
    if spans:
        return chunk_spans(content, spans, size=size, overlap=overlap, fmt=fmt)
    chunks = chunk_text(content, size=size, overlap=overlap, fmt=fmt)
    return _with_lines(content, chunks) if len(chunks) > 1 else chunks


def _with_lines(content: str, chunks: Sequence[Chunk]) -> list[Chunk]:
    """The same with the lines that they stand on, counted from 1."""
    result: list[Chunk] = []
    place, line = 0, 1
    for chunk in chunks:
        line += content.count("\n", place, chunk.start)
        place = chunk.start
        last = line + chunk.text.rstrip().count("\n")
        at = {"line": line} if last == line else {"line": line, "line_end": last}
        result.append(replace(chunk, at=at))
    return result
