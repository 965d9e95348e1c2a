"""JSON: a list of documents, a table, a conversation, or any other value as lines `path.to.key: value`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vpa.ingest.bounded import read_text, within
from vpa.ingest.contract import Item, Part, SourceDocument, SourceFile, SourceProblem, UnreadableError, assembled
from vpa.ingest.conversations import conversations_in, document_of, notes_of
from vpa.ingest.readers.jsonl import cleaned, distinct, document_of_row, is_document
from vpa.ingest.tables import Columns
from vpa.ingest.values import cell_text, flat_values
from vpa.kit.strict_json import parse_json


def read(file: SourceFile) -> Iterator[Item]:
    """Documents as JSON lines have them, a document for each conversation, or one document."""
    whole = read_text(file)
    yield from whole.notes
    value = _parsed(whole.text, file.name)
    rows = value if isinstance(value, list) else [value]
    if rows and all(is_document(row) for row in rows):
        for number, row in enumerate(rows, 1):
            yield document_of_row(row, f"{file.name}:{number}" if isinstance(value, list) else file.name)
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


def _parsed(text: str, name: str) -> Any:
    try:
        value = parse_json(text)
    except ValueError as error:
        raise UnreadableError(f"cannot be read as JSON: {error}") from None
    value = cleaned(value, name) if "\\u" in text else value
    if isinstance(value, SourceProblem):
        raise UnreadableError(value.message)
    return value


def _document(file: SourceFile, value: Any) -> SourceDocument:
    parts = _table(value) if _is_table(value) else _lines(value, file.limits.text_bytes)
    content, spans = assembled(within(parts, file.limits))
    if not content:
        raise UnreadableError("holds no text and no values")
    title = value.get("title") if isinstance(value, dict) else None
    return SourceDocument(
        title=" ".join(title.split()) if isinstance(title, str) and title.strip() else file.title,
        content=content,
        origin=file.name,
        spans=spans,
    )


def _is_table(value: Any) -> bool:
    """Whether a value is a list of flat objects with the same keys."""
    if not isinstance(value, list) or not value or not isinstance(value[0], dict) or not value[0]:
        return False
    keys = value[0].keys()
    return all(
        isinstance(row, dict)
        and row.keys() == keys
        and not any(isinstance(cell, dict) or _nested(cell) for cell in row.values())
        for row in value
    )


def _nested(cell: Any) -> bool:
    return isinstance(cell, list) and any(isinstance(element, list | dict) for element in cell)


def _table(rows: Sequence[Mapping[str, Any]]) -> Iterator[Part]:
    columns = Columns(list(rows[0]))
    for number, row in enumerate(rows, 1):
        # All rows have the same keys, not always in the same order.
        yield Part(columns.row_text([cell_text(row[key]) for key in rows[0]]), "row", {"row": number})
    yield from columns.unused({})


def _lines(value: Any, most: int) -> Iterator[Part]:
    yield from (Part(line, "row") for line in flat_values(value, most=most))
