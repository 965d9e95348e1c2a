"""Rows as Pinecone vectors, and back."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from vpa.base.errors import InvalidRecordError
from vpa.base.records import CollectionInfo
from vpa.base.scope import Scope
from vpa.stores.layout.driver import StoredRow, foreign_record
from vpa.stores.layout.prefixes import prefixes
from vpa.stores.layout.rows import Row, Rows
from vpa.stores.layout.tokens import EVERY
from vpa.stores.pinecone.filters import KEY, NUMBER, TOKENS
from vpa.stores.pinecone.words import values_of

PAYLOAD: Final = "_vpa_payload"
MAX_METADATA_BYTES: Final = 40_960  # Pinecone's limit for a record's metadata.
_TAG: Final = "vpa_"
# Pinecone's limits for tags, which hold the description: 120 characters each, 20 of them, two spare.
_TAG_LENGTH: Final = 120
_MAX_TAGS: Final = 18


def key_number(key: str) -> int:
    """48 bits of the key behind the part that all keys of a namespace share: orders as keys do."""
    digits = key.replace("-", "")
    return int((digits[8:12] + digits[13:21]).ljust(12, "0"), 16)


def metadata_of(row: Row) -> dict[str, Any]:
    """What is stored beside the vector."""
    stored: dict[str, Any] = {name: value for name, value in row.native.items() if _is_theirs(value)}
    tokens = [EVERY, *row.index.tokens]
    for name, ends in row.index.numbers.items():
        tokens += dict.fromkeys(prefix for value in ends for prefix in prefixes(name, value))
    return {**stored, TOKENS: tokens, KEY: row.key, NUMBER: key_number(row.key), PAYLOAD: row.payload}


def vector_of(row: Row, values: list[float]) -> dict[str, Any]:
    """A record as it is written. One that is sent without sparse values has none afterwards."""
    sparse = values_of(row)
    vector = {"id": row.key, "values": values, "metadata": metadata_of(row)}
    return vector if sparse is None else {**vector, "sparse_values": sparse}


def _is_theirs(value: Any) -> bool:
    return not isinstance(value, list) or all(isinstance(element, str) for element in value)


def metadata_bytes(row: Row) -> int:
    """About how Pinecone measures it."""
    return len(json.dumps(metadata_of(row), ensure_ascii=False).encode())


def check_rows(rows: Rows) -> None:
    """Raise InvalidRecordError for a vector of zeros, and for more than 40 kB of metadata, tokens included."""
    if rows.vectors is not None:
        empty = np.flatnonzero(np.logical_not(rows.vectors.any(axis=1)))
        if len(empty):
            raise InvalidRecordError(
                f"vector of record {rows.ids[int(empty[0])]!r} is all zeros; Pinecone refuses those with every metric"
            )
    for row in rows.rows:
        if row.size_bytes > MAX_METADATA_BYTES // 4 and (size := metadata_bytes(row)) > MAX_METADATA_BYTES:
            raise InvalidRecordError(
                f"record {row.id!r} takes {size} bytes of Pinecone's metadata, text included, and at most "
                f"{MAX_METADATA_BYTES} are "
                "possible; use smaller chunks or fewer values"
            )


def stored_of(vectors: Iterable[Any], *, payloads: bool, with_vectors: bool, foreign: bool) -> list[StoredRow]:
    """Vectors or matches of an answer."""
    found = []
    for one in vectors:
        metadata: Mapping[str, Any] = one.metadata or {}
        vector = np.asarray(one.values, dtype=np.float32) if with_vectors else None
        record = foreign_record(str(one.id), metadata) if foreign and payloads else None
        found.append(
            StoredRow(str(one.id), metadata.get(PAYLOAD), vector, float(getattr(one, "score", float("nan"))), record)
        )
    return found


def namespace_of(scope: Scope) -> str:
    """Always a named one; `~` is in no part of a scope."""
    return f"s~{scope.tenant}~{scope.namespace}"


def scope_of(namespace: str) -> Scope | None:
    """The inverse; None for a namespace of others."""
    parts = namespace.split("~")
    return Scope(parts[1], parts[2]) if len(parts) == 3 and parts[0] == "s" else None


def tags_of(info: CollectionInfo) -> dict[str, str]:
    """The info in pieces that tags can hold, with an empty one behind them: tags are merged, so those of a longer info
    may stay, and are not read.
    """
    text = json.dumps(info.to_json(), separators=(",", ":"))
    pieces = [text[start : start + _TAG_LENGTH] for start in range(0, len(text), _TAG_LENGTH)]
    if len(pieces) > _MAX_TAGS:
        raise InvalidRecordError(
            f"the description of collection {info.name!r} is too long for Pinecone's tags; shorten the model's prefixes"
        )
    return {f"{_TAG}{n:02d}": piece for n, piece in enumerate([*pieces, ""][:_MAX_TAGS])}


def info_of(tags: Mapping[str, str] | None) -> CollectionInfo | None:
    """The inverse; None where others made the index."""
    stored = _description(tags)
    return None if stored is None else CollectionInfo.from_json(stored)


def name_of(tags: Mapping[str, str] | None) -> str | None:
    """The name that the tags hold, whatever the layout; None where others made the index."""
    stored = _description(tags)
    return None if stored is None else str(stored["name"])


def _description(tags: Mapping[str, str] | None) -> dict[str, Any] | None:
    found = [value for name, value in sorted((tags or {}).items()) if name.startswith(_TAG)]
    pieces = list(itertools.takewhile(bool, found))
    return json.loads("".join(pieces)) if pieces else None
