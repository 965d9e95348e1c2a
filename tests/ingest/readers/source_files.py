"""Bytes as a file to read, and what its reader yields."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vpa.ingest.contract import Item, Limits, SourceDocument, SourceFile
from vpa.ingest.formats import FORMATS, format_of_name


def source(folder: Path, name: str, data: bytes | str, **limits: Any) -> SourceFile:
    """A file of the format that its name says."""
    path = folder / "file"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    title = name.partition(".")[0]
    return SourceFile(path=path, name=name, format=format_of_name(name) or "text", title=title, limits=Limits(**limits))


def items(folder: Path, name: str, data: bytes | str, **limits: Any) -> list[Item]:
    """All that the reader yields."""
    file = source(folder, name, data, **limits)
    read = list(FORMATS[file.format].load()(file))
    for item in read:
        if isinstance(item, SourceDocument):
            check(item)
    return read


def document(folder: Path, name: str, data: bytes | str, **limits: Any) -> SourceDocument:
    """The one document of a file, which has nothing else."""
    [item] = items(folder, name, data, **limits)
    assert isinstance(item, SourceDocument)
    return item


def texts(document: SourceDocument, *kinds: str) -> list[str]:
    """The texts of all spans, or of those of some kinds."""
    return [document.content[span.start : span.end] for span in document.spans if not kinds or span.kind in kinds]


def check(document: SourceDocument) -> None:
    """What holds for every document: spans in order, disjoint, inside, not blank; no NUL and no lone surrogate."""
    end = 0
    for span in document.spans:
        assert end <= span.start < span.end <= len(document.content)
        assert document.content[span.start : span.end].strip()
        assert (span.level > 0) == (span.kind == "heading")
        end = span.end
    for text in (document.content, document.title):
        assert "\0" not in text
        text.encode()
