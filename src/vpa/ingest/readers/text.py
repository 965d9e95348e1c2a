"""Plain text and markdown: a file is a document."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vpa.ingest.readers.titles import title_of_markdown
from vpa.ingest.source import Item, SourceDocument, SourceProblem


def read_text_file(path: Path, *, name: str) -> Iterator[Item]:
    """One document with the file's name as id and, for markdown, its own title."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        yield SourceProblem(name, f"cannot be read: {error.strerror or error}")
        return
    if b"\0" in raw:
        line = raw[: raw.index(b"\0")].count(b"\n") + 1
        yield SourceProblem(f"{name}:{line}", "holds NUL bytes: it is a binary file, not text")
        return
    try:
        content = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        yield SourceProblem(f"{name}:{line}", f"is not UTF-8 (byte {error.start}): convert it, or it is a binary file")
        return
    if not content.strip():
        yield SourceProblem(name, "is empty")
        return
    markdown = path.suffix.lower() in (".md", ".markdown")
    yield SourceDocument(
        document_id=name,
        title=(title_of_markdown(content) if markdown else "") or path.stem,
        content=content,
        metadata={"source": name},
        format="markdown" if markdown else "text",
        origin=name,
    )
