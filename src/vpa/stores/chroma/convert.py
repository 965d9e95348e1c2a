"""Rows as Chroma metadata, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from vpa.base.errors import ProviderError
from vpa.stores.chroma.filters import NUMBER, TOKENS, companion
from vpa.stores.layout.companions import words
from vpa.stores.layout.driver import StoredRow, foreign_record
from vpa.stores.layout.keyspace import key_number
from vpa.stores.layout.rows import Row

PAYLOAD: Final = "_vpa_payload"
INFO: Final = "vpa"
# More elements in all lists of one record ruin the collection (chromadb 1.5).
MAX_LIST_ELEMENTS: Final = 5000


def metadata_of(row: Row, native_fields: Sequence[str]) -> dict[str, Any]:
    """What is stored beside the vector. A native field that the record lacks is sent as None, which removes it."""
    stored: dict[str, Any] = dict.fromkeys(native_fields)
    stored |= {name: value for name, value in row.native.items() if not isinstance(value, list) or len(value) <= 100}
    stored |= {TOKENS: row.tokens, NUMBER: key_number(row.key), PAYLOAD: row.payload}
    for name, ends in row.numbers.items():
        for greatest, value in enumerate(ends):
            stored[companion(name, bool(greatest))] = value
    for name, texts in row.strings.items():
        for greatest, text in enumerate(texts):
            stored |= {companion(name, bool(greatest), n): word for n, word in enumerate(words(text))}
    return stored


def stored_of(answer: Mapping[str, Any], *, row: int | None = None, foreign: bool = False) -> list[StoredRow]:
    """The records of a get, or of query `row` of a query."""
    columns: dict[str, Any] = {
        name: answer.get(name) if row is None else (answer.get(name) or [None] * (row + 1))[row]
        for name in ("ids", "metadatas", "embeddings", "distances", "documents")
    }
    ids: Sequence[Any] = columns["ids"] or ()
    if columns["ids"] is None or any(column is not None and len(column) != len(ids) for column in columns.values()):
        raise ProviderError("Chroma returned columns of different lengths")
    found = []
    for position, key in enumerate(ids):
        metadata, vector, distance, document = (
            None if columns[name] is None else columns[name][position]
            for name in ("metadatas", "embeddings", "distances", "documents")
        )
        found.append(
            StoredRow(
                str(key),
                (metadata or {}).get(PAYLOAD),
                None if vector is None else np.asarray(vector, dtype=np.float32),
                float("nan") if distance is None else float(distance),
                foreign_record(str(key), metadata or {}, text=document) if foreign else None,
            )
        )
    return found
