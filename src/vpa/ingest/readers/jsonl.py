"""JSON lines: an object a line with an id, a text, and perhaps a title and metadata; or turns, or conversations."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from vpa.ingest.contract import Item, SourceDocument, SourceFile, SourceProblem
from vpa.ingest.conversations import Conversation, Turn, conversations_in, document_of, notes_of
from vpa.ingest.conversations.exports import turn_of
from vpa.ingest.conversations.turns import conversation_of
from vpa.ingest.encoding import clean
from vpa.ingest.readers.lines import MAX_LINE_BYTES, read_lines
from vpa.ingest.readers.values import is_table, line_parts, table_parts
from vpa.kit.strict_json import parse_json

ID_KEYS: Final = ("document_id", "id", "_id")
TEXT_KEYS: Final = ("content", "text")
# What reading a packed file raises, besides OSError, where its bytes are damaged.
UNREADABLE: Final = (OSError, EOFError, zlib.error, lzma.LZMAError)
_OWN_KEYS: Final = frozenset({*ID_KEYS, *TEXT_KEYS, "title", "metadata", "format"})


def read(file: SourceFile) -> Iterator[Item]:
    """A document for each line with a text, one for each line that is a conversation, and one for all turns. A line
    without an id is called by its number.
    """
    turns: list[Turn] = []
    keys: set[str] = set()
    for origin, value in _values(file.path, file.name):
        if isinstance(value, SourceProblem):
            yield value
        elif is_document(value):
            yield document_of_row(value, origin)
        elif (turn := turn_of(value)) is not None:
            turns.append(turn)
        elif conversations := _conversations(value, f"{file.title} {origin.rpartition(':')[2]}"):
            number = origin.rpartition(":")[2]
            for position, conversation in enumerate(conversations):
                own = number if not position else f"{number}.{position}"
                key = distinct(conversation.key, keys, otherwise=own)
                yield document_of(conversation, key=key, origin=origin)
            yield from notes_of(conversations, origin=origin)
        elif _is_record(value):
            yield _record(value, origin, file)
        else:
            yield document_of_row(value, origin, key=origin.rpartition(":")[2])
    if turns:
        conversation = conversation_of(file.title, turns, source="turns")
        yield document_of(conversation, origin=file.name)
        yield from notes_of([conversation], origin=file.name)


def _is_record(value: Any) -> bool:
    """Whether an object says something, and has no text."""
    return isinstance(value, dict) and bool(value.keys() - _OWN_KEYS) and not any(key in value for key in TEXT_KEYS)


def _record(row: Mapping[str, Any], origin: str, file: SourceFile) -> SourceDocument | SourceProblem:
    """An object without a text: a row of what it holds."""
    number = origin.rpartition(":")[2]
    parts = table_parts([row]) if is_table([row]) else line_parts(row, most=file.limits.text_bytes)
    content = "; ".join(part.text for part in parts)
    if not content:
        return SourceProblem(origin, "holds no text and no values")
    own_id = next((row[name] for name in ID_KEYS if isinstance(row.get(name), str) and row[name]), "")
    title = row.get("title")
    return SourceDocument(
        title=" ".join(title.split()) if isinstance(title, str) and title.strip() else f"{file.title} {number}",
        content=content,
        document_id=own_id,
        key="" if own_id else number,
        origin=origin,
    )


def read_jsonl_file(path: Path, *, name: str) -> Iterator[SourceDocument | SourceProblem]:
    """A document for each line; keys beside the known ones join the metadata. A bad line does not stop the others.

    `.gz` and `.xz` are unpacked.
    """
    for origin, value in _values(path, name):
        yield value if isinstance(value, SourceProblem) else document_of_row(value, origin)


def distinct(key: str, keys: set[str], *, otherwise: str) -> str:
    """A key that no other conversation of the file has: its own, with its number where that comes again."""
    name = key or otherwise
    name = f"{name} {otherwise}" if name in keys else name
    keys.add(name)
    return name


def _conversations(value: Any, title: str) -> list[Conversation]:
    return (conversations_in(value, title=title) or []) if isinstance(value, dict | list) else []


def _values(path: Path, name: str) -> Iterator[tuple[str, Any]]:
    """Origin and value of each line that is not blank; the value is a SourceProblem where the line cannot be read."""
    is_empty = True
    number = 0
    try:
        for number, line in enumerate(read_lines(path), 1):
            origin = f"{name}:{number}"
            if line is None:
                yield origin, SourceProblem(origin, f"is longer than {MAX_LINE_BYTES} bytes: split it")
            elif line.strip():
                yield origin, _value(line, origin)
            is_empty = is_empty and line is not None and not line.strip()
    except UnicodeDecodeError as error:
        origin = f"{name}:{number + 1}"
        yield origin, SourceProblem(origin, f"is not {error.encoding.upper()}, as its byte order mark says")
    except UNREADABLE as error:
        origin = f"{name}:{number + 1}" if number else name
        yield origin, SourceProblem(origin, f"cannot be read: {error}")
    else:
        if is_empty:
            yield name, SourceProblem(name, "is empty")


def _value(line: bytes, origin: str) -> Any:
    try:
        value = parse_json(line)
    except UnicodeDecodeError as error:
        return SourceProblem(origin, f"is not UTF-8 (byte {error.start} of the line)")
    except ValueError as error:
        return SourceProblem(origin, f"cannot be read as JSON: {error}")
    return value if b"\\u" not in line else cleaned(value, origin)


def cleaned(value: Any, origin: str) -> Any:
    """The value with NUL and lone surrogates, which JSON can write as escapes, replaced in every text."""
    try:
        return _cleaned(value)
    except RecursionError:
        return SourceProblem(origin, "cannot be read as JSON: it is nested too deeply")


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_cleaned(element) for element in value]
    if isinstance(value, dict):
        return {clean(key): _cleaned(element) for key, element in value.items()}
    return value


def is_document(value: Any) -> bool:
    """Whether an object has an id and a text, and no speaker."""
    if not isinstance(value, dict) or "role" in value or "speaker" in value:
        return False
    return any(key in value for key in ID_KEYS) and any(key in value for key in TEXT_KEYS)


def document_of_row(row: Any, origin: str, *, key: str = "") -> SourceDocument | SourceProblem:
    """The document that an object describes, or what is wrong with it; `key` tells it from others if it has no id."""
    if not isinstance(row, dict):
        return SourceProblem(origin, f"is a JSON {type(row).__name__}, not an object")
    document_id = next((row[name] for name in ID_KEYS if name in row), "" if key else None)
    if problem := _problem(row, document_id):
        return SourceProblem(origin, problem)
    metadata = row.get("metadata") or {}
    extra = {name: value for name, value in row.items() if name not in _OWN_KEYS}
    return SourceDocument(
        document_id=str(document_id),
        key="" if document_id else key,
        title=row.get("title") or "",
        content=next(row[name] for name in TEXT_KEYS if name in row),
        metadata={**metadata, **extra},
        format=str(row.get("format") or "text"),
        origin=origin,
    )


def _problem(row: Mapping[str, Any], document_id: Any) -> str:
    """What is wrong with the fields of an object; empty where nothing is."""
    if twice := _told_twice(row):
        return twice
    content = next((row[key] for key in TEXT_KEYS if key in row), None)
    title, metadata = row.get("title") or "", row.get("metadata") or {}
    if document_id is None or isinstance(document_id, bool) or not isinstance(document_id, str | int):
        return f"needs an id (one of {', '.join(ID_KEYS)}): text or a whole number"
    if not isinstance(content, str):
        return f"needs a text (one of {', '.join(TEXT_KEYS)}), not {type(content).__name__}"
    if not isinstance(metadata, dict):
        return f"metadata must be an object, not {type(metadata).__name__}"
    if not isinstance(title, str):
        return f"title must be text, not {type(title).__name__}"
    for key in sorted((row.keys() - _OWN_KEYS) & metadata.keys()):
        if row[key] != metadata[key]:
            return f"has {key!r} twice, beside metadata and in it, with different values"
    return ""


def _told_twice(row: Mapping[str, Any]) -> str:
    """Which names of one thing stand there with different values; empty where none do."""
    for keys in (ID_KEYS, TEXT_KEYS):
        present = [key for key in keys if key in row]
        if any(row[key] != row[present[0]] for key in present[1:]):
            return f"has {' and '.join(present)} with different values; keep one of them"
    return ""
