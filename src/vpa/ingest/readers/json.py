"""JSON: a list of documents, a table, a conversation, or any other value as lines `path.to.key: value`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from vpa.ingest.bounded import read_text, within
from vpa.ingest.contract import (
    EmptyFileError,
    Item,
    SourceDocument,
    SourceFile,
    SourceProblem,
    Span,
    UnreadableError,
    assembled,
)
from vpa.ingest.conversations import conversations_in, document_of, notes_of
from vpa.ingest.readers.dialects import lines_of_elements, parse_dialect
from vpa.ingest.readers.jsonl import cleaned, distinct, document_of_row, is_document
from vpa.ingest.readers.values import is_table, line_parts, table_parts


def read(file: SourceFile) -> Iterator[Item]:
    """Documents as JSON lines have them, a document for each conversation, or one document."""
    whole = read_text(file)
    yield from whole.notes
    value = _parsed(whole.text, file.name)
    rows = value if isinstance(value, list) else [value]
    if rows and all(is_document(row) for row in rows):
        yield from _documents(file, rows, whole.text if isinstance(value, list) else "")
        return
    conversations = conversations_in(value, title=file.title)
    if conversations is None:
        yield _document(file, value)
    elif not conversations:
        raise UnreadableError("is a conversation in which nobody says anything")
    keys: set[str] = set()
    for number, conversation in enumerate(conversations or (), 1):
        key = distinct(conversation.key, keys, otherwise=str(number)) if len(conversations or ()) > 1 else ""
        yield document_of(conversation, key=key, origin=file.name)
    yield from notes_of(conversations or (), origin=file.name)


def _documents(file: SourceFile, rows: list[Any], text: str) -> Iterator[Item]:
    """A document for each object; one in a list, which is `text`, stands on a line of its own."""
    lines = lines_of_elements(text) if text else []
    for number, row in enumerate(rows, 1):
        document = document_of_row(row, f"{file.name}[{number}]" if text else file.name)
        if isinstance(document, SourceDocument) and len(lines) == len(rows) and document.format == "text":
            spans = (Span(0, len(document.content), "text", {"line": lines[number - 1]}),)
            document = replace(document, spans=spans if document.content else ())
        yield document


def _parsed(text: str, name: str) -> Any:
    try:
        value = parse_dialect(text)
    except ValueError as error:
        raise UnreadableError(f"cannot be read as JSON: {error}") from None
    value = cleaned(value, name) if "\\u" in text else value
    if isinstance(value, SourceProblem):
        raise UnreadableError(value.message)
    return value


def _document(file: SourceFile, value: Any) -> SourceDocument:
    parts = table_parts(value) if is_table(value) else line_parts(value, most=file.limits.text_bytes)
    content, spans = assembled(within(parts, file.limits))
    if not content:
        raise EmptyFileError("holds no text and no values")
    title = value.get("title") if isinstance(value, dict) else None
    return SourceDocument(
        title=" ".join(title.split()) if isinstance(title, str) and title.strip() else file.title,
        content=content,
        origin=file.name,
        spans=spans,
    )
