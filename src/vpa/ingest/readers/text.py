"""Plain text and markdown: a file is a document."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vpa.ingest.readers.lines import encoding_of
from vpa.ingest.readers.titles import title_of_markdown
from vpa.ingest.source import Item, SourceDocument, SourceProblem


def read_text_file(path: Path, *, name: str) -> Iterator[Item]:
    """One document with the file's name as id and, for markdown, its own title."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        yield SourceProblem(name, f"cannot be read: {error.strerror or error}")
        return
    encoding = encoding_of(raw[:4])
    if encoding == "utf-8-sig" and b"\0" in raw:
        line = raw[: raw.index(b"\0")].count(b"\n") + 1
        yield SourceProblem(f"{name}:{line}", "holds NUL bytes: it is a binary file, not text")
        return
    try:
        content = raw.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != "utf-8-sig":
            yield SourceProblem(name, f"is not {encoding.upper()}, as its byte order mark says")
            return
        line = raw[: error.start].count(b"\n") + 1
        yield SourceProblem(f"{name}:{line}", f"is not UTF-8 (byte {error.start}): convert it, or it is a binary file")
        return
    if "\0" in content:
        yield SourceProblem(name, "holds NUL characters: it is a binary file, not text")
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
