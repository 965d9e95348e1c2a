"""Rows as Milvus rows, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import numpy as np

from vpa.base.arrays import FloatVector
from vpa.base.errors import InvalidRecordError
from vpa.base.records import CollectionInfo
from vpa.base.scope import Scope
from vpa.stores.layout.driver import StoredRow, foreign_record
from vpa.stores.layout.keyspace import key_number
from vpa.stores.layout.rows import Row
from vpa.stores.layout.tokens import list_token
from vpa.stores.milvus.filters import (
    COMPANIONS,
    KEY,
    NUMBER,
    SCOPE,
    TOKENS,
    companion,
    scope_value,
    text_companion,
)
from vpa.stores.milvus.words import sparse_fields

VECTOR: Final = "v"
PAYLOAD: Final = "p"
NATIVE: Final = "n"
PIECE_BYTES: Final = 60_000  # Below the 65,535 bytes of a VARCHAR; so many of them for one payload.
MAX_PIECES: Final = 64
# Of a record as JSON. A piece ends up to three bytes early, between two characters.
MAX_PAYLOAD_BYTES: Final = (PIECE_BYTES - 3) * MAX_PIECES
MAX_JSON_BYTES: Final = 65_536  # Milvus's limit for a JSON field; Lite has none.
INFO: Final = "vpa"


def row_of(row: Row, scope: Scope, vector: FloatVector | None) -> dict[str, Any]:
    """The fields of a row; without a vector, for an update of one that exists."""
    companions: dict[str, Any] = {}
    tokens = list(row.index.tokens)
    for name, (least, greatest) in row.index.numbers.items():
        companions[companion(name, "n", greatest=True)] = greatest
        if least != greatest:
            companions[companion(name, "n", greatest=False)] = least
            tokens.append(list_token(name))
    for name, (first, last) in row.index.strings.items():
        companions[companion(name, "s", greatest=True)] = text_companion(last)
        if first != last:
            companions[companion(name, "s", greatest=False)] = text_companion(first)
            tokens.append(list_token(name))
    stored = {
        KEY: row.key,
        NUMBER: key_number(row.key),
        SCOPE: scope_value(scope),
        TOKENS: " ".join(tokens),
        COMPANIONS: companions,
        PAYLOAD: list(_pieces(row.payload)),
        NATIVE: row.native,
        **sparse_fields(row),
    }
    return stored if vector is None else {**stored, VECTOR: vector.tolist()}


def _pieces(payload: str) -> Iterator[str]:
    # A text field holds at most 65,535 bytes; pieces are cut between characters.
    if len(payload) * 4 <= PIECE_BYTES:
        yield payload
        return
    data, start = payload.encode(), 0
    while start < len(data):
        end = min(start + PIECE_BYTES, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        yield data[start:end].decode()
        start = end


def check_row(row: Row, *, lite: bool) -> None:
    """Raise InvalidRecordError for one that Milvus cannot hold, or whose values its JSON fields cannot."""
    if 4 * len(row.payload) > MAX_PAYLOAD_BYTES and (size := len(row.payload.encode())) > MAX_PAYLOAD_BYTES:
        raise InvalidRecordError(
            f"record {row.id!r} takes {size} bytes as JSON, Milvus holds at most {MAX_PAYLOAD_BYTES}; use smaller "
            "chunks, or keep long text elsewhere"
        )
    if lite or row.size_bytes <= MAX_JSON_BYTES // 4:
        return
    stored = row_of(row, Scope(), None)
    for field, what in ((COMPANIONS, "values to compare"), (NATIVE, "native fields")):
        size = len(json.dumps(stored[field], ensure_ascii=False).encode())
        if size > MAX_JSON_BYTES:
            raise InvalidRecordError(
                f"the {what} of record {row.id!r} take {size} bytes as JSON, Milvus holds at most {MAX_JSON_BYTES}; "
                "use fewer metadata fields, or keep long values in the text"
            )


def info_of(described: Mapping[str, Any]) -> CollectionInfo | None:
    """What the properties of a collection say, where it is one of ours."""
    stored = stored_text(described)
    return None if stored is None else CollectionInfo.from_json(json.loads(stored))


def stored_text(described: Mapping[str, Any]) -> str | None:
    """The same as it is stored, of whatever layout."""
    found: str | None = (described.get("properties") or {}).get(INFO)
    return found


def stored_of(
    rows: Iterable[Mapping[str, Any]], key_field: str, vector_field: str, *, foreign: bool
) -> list[StoredRow]:
    """Rows of an answer; those of a search have their fields in `entity`."""
    found = []
    for row in rows:
        fields: Mapping[str, Any] = row.get("entity", row)
        key = str(row.get(key_field, row.get("id", fields.get(key_field))))
        pieces = fields.get(PAYLOAD)
        vector = fields.get(vector_field)
        found.append(
            StoredRow(
                key,
                "".join(pieces) if pieces is not None and not foreign else None,
                None if vector is None else np.asarray(vector, dtype=np.float32),
                float(row.get("distance", "nan")),
                foreign_record(
                    key, {name: value for name, value in fields.items() if name not in (key_field, vector_field)}
                )
                if foreign
                else None,
            )
        )
    return found
