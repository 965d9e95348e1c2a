"""Rows as Chroma metadata, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from vpa.base.errors import ProviderError
from vpa.base.scope import Scope
from vpa.stores.chroma.filters import NAMED, SCOPE, TOKENS, companion, words
from vpa.stores.chroma.words import words_field
from vpa.stores.layout.companions import carried
from vpa.stores.layout.driver import StoredRow, foreign_record
from vpa.stores.layout.rows import Row
from vpa.stores.layout.sharing import DEFAULT_SCOPE
from vpa.stores.layout.tokens import EVERY, list_token, scope_text

PAYLOAD: Final = "_vpa_payload"
INFO: Final = "vpa"


def metadata_of(row: Row, scope: Scope, native_fields: Sequence[str]) -> dict[str, Any]:
    """What is stored beside the vector. A native field that the record lacks is sent as None, which removes it."""
    stored: dict[str, Any] = dict.fromkeys(native_fields)
    stored |= {name: value for name, value in row.native.items() if not isinstance(value, list) or len(value) <= 100}
    stored[PAYLOAD] = row.payload
    stored[NAMED] = int(scope != DEFAULT_SCOPE)
    if scope != DEFAULT_SCOPE:
        stored[SCOPE] = scope_text(scope)
    # Never empty: a list that is not sent stays.
    stored[TOKENS] = tokens = list(row.index.tokens) or [EVERY]
    stored |= words_field(row.words)
    for name, (lowest, highest) in row.index.numbers.items():
        least, greatest = carried(lowest), carried(highest)
        stored[companion(name, greatest=True)] = greatest
        if least != greatest:
            stored[companion(name, greatest=False)] = least
            tokens.append(list_token(name))
    for name, (first, last) in row.index.strings.items():
        stored |= {companion(name, greatest=True, word=n): word for n, word in enumerate(words(last))}
        if first != last:
            stored |= {companion(name, greatest=False, word=n): word for n, word in enumerate(words(first))}
            tokens.append(list_token(name))
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
