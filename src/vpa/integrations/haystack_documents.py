"""Haystack's documents as records and back: values that metadata cannot hold, and documents without an embedding."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from hashlib import blake2b
from typing import Any, Final

import numpy as np
from haystack import Document
from haystack.dataclasses import ByteStream, SparseEmbedding

from vpa.base.arrays import FloatVector
from vpa.base.errors import DimensionMismatchError, InvalidRecordError
from vpa.base.metadata import INT_MAX, INT_MIN, MAX_DEPTH, Scalar, kind_of
from vpa.base.records import Match, Record, RecordBatch

# Fields of Record.system. A document with an embedding, a content and metadata alone has none of them.
NO_EMBEDDING: Final = "no_embedding"
_PARTS: Final = "document"
# Begins a metadata text that stands for a JSON value. A text of the user that begins so, or holds NUL, is kept as JSON.
_JSON: Final = "vpa:json:"
_PLAIN: Final = frozenset({bool, type(None)})


# Metadata


def encoded(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata that a record can hold: what it cannot (lists of lists or of dictionaries, …) becomes JSON text.

    Dates and datetimes without an offset become ISO text, tuples lists. What JSON does not know is left as it is, and
    refused with the record.
    """
    return {key: _encoded(value, 1) for key, value in metadata.items()}


def _encoded(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind is str:
        return _as_json(value) if value.startswith(_JSON) or "\0" in value else value
    if kind in _PLAIN:
        return value
    if kind is int:
        return value if INT_MIN <= value <= INT_MAX else _as_json(value)
    if kind is float:
        return value if math.isfinite(value) else _as_json(value)
    if isinstance(value, Mapping):
        fits = depth < MAX_DEPTH and all(isinstance(key, str) and _is_plain_key(key) for key in value)
        return {key: _encoded(inner, depth + 1) for key, inner in value.items()} if fits else _as_json(value)
    if isinstance(value, list | tuple):
        elements = [_without_date(element) for element in value]
        return elements if _is_plain_list(elements) else _as_json(elements)
    return _without_date(value)


def _is_plain_key(key: str) -> bool:
    return bool(key) and not key.startswith(("$", "_vpa")) and "." not in key and len(key) <= 32


def _is_plain_list(values: Sequence[Any]) -> bool:
    """Whether a record can hold the list: values of one kind, none of which stands for JSON."""
    kinds = set()
    for value in values:
        if isinstance(value, Mapping | list | tuple) or _encoded(value, MAX_DEPTH) is not value:
            return False
        if value is not None:
            kinds.add(kind_of(value))
    return len(kinds) <= 1


def _as_json(value: Any) -> Any:
    try:
        return _JSON + json.dumps(value, ensure_ascii=False, default=_date_in_json)
    except (TypeError, ValueError):
        return value


def _date_in_json(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not known to JSON")


def _without_date(value: Any) -> Any:
    """A moment with an offset stays: records keep it in UTC."""
    if isinstance(value, date) and not (isinstance(value, datetime) and value.utcoffset() is not None):
        return value.isoformat()
    return value


def as_literal(value: Any) -> Any:
    """A scalar as it is kept, for a filter to compare with."""
    return _encoded(value, MAX_DEPTH)


def decoded(value: Any) -> Any:
    """A metadata value as the document had it."""
    if isinstance(value, str):
        return _from_json(value) if value.startswith(_JSON) else value
    return {key: decoded(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def _from_json(text: str) -> Any:
    try:
        return json.loads(text.removeprefix(_JSON))
    except ValueError:
        # Others may write what they like.
        return text


def is_json(value: object) -> bool:
    """Whether a metadata value stands for JSON."""
    return isinstance(value, str) and value.startswith(_JSON)


# Documents


def as_batch(documents: Sequence[Document], dimension: int) -> RecordBatch:
    """The records of documents with different ids; raises DimensionMismatchError and InvalidRecordError."""
    vectors: Any = [_vector(document, dimension) for document in documents]
    return RecordBatch(
        ids=[document.id for document in documents],
        vectors=vectors,
        texts=[document.content for document in documents],
        metadata=[encoded(document.meta) for document in documents],
        system=[_system(document) for document in documents],
    )


def _vector(document: Document, dimension: int) -> Any:
    if document.embedding is None:
        return placeholder(document.id, dimension)
    if len(document.embedding) != dimension:
        raise DimensionMismatchError(
            f"document {document.id!r} has an embedding of {len(document.embedding)} dimensions, the collection has "
            f"{dimension}; embed with the model that the collection was made for, or use another collection"
        )
    return document.embedding


def placeholder(document_id: str, dimension: int) -> FloatVector:
    """The vector `(d,) float32` of length 1 that stands for no embedding.

    Each id has its own: an index over thousands of equal vectors takes very long to build and to search.
    """
    seed = int.from_bytes(blake2b(document_id.encode("utf-8", "replace"), digest_size=8).digest(), "little")
    vector = np.random.default_rng(seed).standard_normal(dimension, dtype=np.float32)
    unit: FloatVector = vector / np.linalg.norm(vector)
    return unit


def _system(document: Document) -> dict[str, Scalar]:
    system: dict[str, Scalar] = {}
    if document.embedding is None:
        system[NO_EMBEDDING] = True
    if document.blob is None and document.sparse_embedding is None and document.score is None:
        return system
    parts: dict[str, Any] = {"score": document.score}
    if document.blob is not None:
        blob = document.blob
        data = base64.b64encode(blob.data).decode()
        parts["blob"] = {"data": data, "meta": blob.meta, "mime_type": blob.mime_type}
    if document.sparse_embedding is not None:
        parts["sparse_embedding"] = document.sparse_embedding.to_dict()
    try:
        system[_PARTS] = json.dumps(parts)
    except (TypeError, ValueError) as error:
        raise InvalidRecordError(f"document {document.id!r}: its blob or score is not JSON: {error}") from error
    return system


def has_embedding(source: Record | Match) -> bool:
    """Whether the vector is the document's own."""
    return NO_EMBEDDING not in source.system


def as_document(source: Record | Match) -> Document:
    """The document of a record; that of a match has its score. Without a vector it has no embedding."""
    parts = json.loads(str(source.system[_PARTS])) if _PARTS in source.system else {}
    vector = np.asarray(source.vector) if source.vector is not None and has_embedding(source) else None
    blob, sparse = parts.get("blob"), parts.get("sparse_embedding")
    return Document(
        id=source.id,
        content=source.text,
        blob=None if blob is None else ByteStream(**{**blob, "data": base64.b64decode(blob["data"])}),
        meta={key: decoded(value) for key, value in source.metadata.items()},
        score=source.score if isinstance(source, Match) else parts.get("score"),
        embedding=None if vector is None else vector.tolist(),
        sparse_embedding=None if sparse is None else SparseEmbedding(**sparse),
    )
