"""JSON lines: an object a line with an id, a text, and perhaps a title and metadata. `.gz` and `.xz` are unpacked."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from vpa.ingest.readers.lines import MAX_LINE_BYTES, read_lines
from vpa.ingest.source import Item, SourceDocument, SourceProblem
from vpa.kit.strict_json import parse_json

_ID_KEYS: Final = ("document_id", "id", "_id")
_TEXT_KEYS: Final = ("content", "text")
# What reading a packed file raises, besides OSError, where its bytes are damaged.
UNREADABLE: Final = (OSError, EOFError, zlib.error, lzma.LZMAError)
_OWN_KEYS: Final = frozenset({*_ID_KEYS, *_TEXT_KEYS, "title", "metadata", "format"})


def read_jsonl_file(path: Path, *, name: str) -> Iterator[Item]:
    """A document for each line; keys beside the known ones join the metadata. A bad line does not stop the others."""
    found = False
    number = 0
    try:
        for number, line in enumerate(read_lines(path), 1):
            if line is None:
                found = True
                yield SourceProblem(f"{name}:{number}", f"is longer than {MAX_LINE_BYTES} bytes")
            elif line.strip():
                found = True
                yield _read_line(line, f"{name}:{number}")
    except UnicodeDecodeError as error:
        yield SourceProblem(f"{name}:{number + 1}", f"is not {error.encoding.upper()}, as its byte order mark says")
        return
    except UNREADABLE as error:
        yield SourceProblem(f"{name}:{number + 1}" if number else name, f"cannot be read: {error}")
        return
    if not found:
        yield SourceProblem(name, "is empty")


def _read_line(line: bytes, origin: str) -> Item:
    try:
        row = parse_json(line)
    except UnicodeDecodeError as error:
        return SourceProblem(origin, f"is not UTF-8 (byte {error.start} of the line)")
    except ValueError as error:
        return SourceProblem(origin, f"cannot be read as JSON: {error}")
    if not isinstance(row, dict):
        return SourceProblem(origin, f"is a JSON {type(row).__name__}, not an object")
    return _as_document(row, origin)


def _as_document(row: Mapping[str, Any], origin: str) -> Item:
    document_id = next((row[key] for key in _ID_KEYS if key in row), None)
    content = next((row[key] for key in _TEXT_KEYS if key in row), None)
    metadata = row.get("metadata") or {}
    if twice := _told_twice(row):
        return SourceProblem(origin, twice)
    if document_id is None or isinstance(document_id, bool) or not isinstance(document_id, str | int):
        return SourceProblem(origin, f"needs an id (one of {', '.join(_ID_KEYS)}): text or a whole number")
    if not isinstance(content, str):
        return SourceProblem(origin, f"needs a text (one of {', '.join(_TEXT_KEYS)}), not {type(content).__name__}")
    if not isinstance(metadata, dict):
        return SourceProblem(origin, f"metadata must be an object, not {type(metadata).__name__}")
    title = row.get("title") or ""
    if not isinstance(title, str):
        return SourceProblem(origin, f"title must be text, not {type(title).__name__}")
    extra = {key: value for key, value in row.items() if key not in _OWN_KEYS}
    for key in sorted(extra.keys() & metadata.keys()):
        if extra[key] != metadata[key]:
            return SourceProblem(origin, f"has {key!r} twice, beside metadata and in it, with different values")
    return SourceDocument(
        document_id=str(document_id),
        title=title,
        content=content,
        metadata={**metadata, **extra},
        format=str(row.get("format") or "text"),
        origin=origin,
    )


def _told_twice(row: Mapping[str, Any]) -> str:
    """Which names of one thing stand there with different values; empty where none do."""
    for keys in (_ID_KEYS, _TEXT_KEYS):
        present = [key for key in keys if key in row]
        if any(row[key] != row[present[0]] for key in present[1:]):
            return f"has {' and '.join(present)} with different values; keep one of them"
    return ""
