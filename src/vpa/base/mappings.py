"""Records that are written as mappings, with the names of their parts checked."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from vpa.base.errors import InvalidRecordError
from vpa.base.ids import new_id
from vpa.base.records import Record
from vpa.base.showing import shown

RecordLike: TypeAlias = Record | Mapping[str, Any]
_PARTS: Final = ("id", "vector", "text", "metadata", "sparse", "system")
# What other libraries call them.
FOREIGN_PARTS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("_id", "ids", "uuid", "key", "pk", "doc_id", "document_id", "record_id"), "id"),
    **dict.fromkeys(("embedding", "embeddings", "values", "value", "vectors", "vec", "dense_vector"), "vector"),
    **dict.fromkeys(("sparse_vector", "sparse_values", "sparse_embedding"), "sparse"),
    **dict.fromkeys(("document", "documents", "page_content", "content", "texts", "body", "chunk"), "text"),
    **dict.fromkeys(("payload", "payloads", "metadatas", "meta", "properties", "fields", "attributes"), "metadata"),
}
_SHAPE: Final = '{"id": …, "vector": …, "text": …, "metadata": {…}}'


def record_of(item: object, *, position: int) -> Record:
    """The record that a mapping `{"id": …, "vector": …, "text": …, "metadata": {…}}` stands for; a missing id is made.

    Raises InvalidRecordError with our names for keys that it does not know.
    """
    if not isinstance(item, Mapping):
        raise InvalidRecordError(
            f"item {position} is a {type(item).__name__}, not a Record; give a vpa.Record or a mapping {_SHAPE}"
        )
    for key in item:
        if key not in _PARTS:
            raise InvalidRecordError(f"item {position}{_named(item)} has a key {shown(key)}; {_hint(key)}")
    if "vector" not in item:
        texts = "; texts alone are embedded by add_texts(texts, ids=…, metadata=…)" if "text" in item else ""
        raise InvalidRecordError(f"item {position}{_named(item)} has no vector; a record is {_SHAPE}{texts}")
    return Record(
        item["id"] if "id" in item else new_id(),
        vector=item["vector"],
        text=item.get("text"),
        metadata=_or_empty(item.get("metadata")),
        system=_or_empty(item.get("system")),
        sparse=item.get("sparse"),
    )


def _or_empty(part: Any) -> Any:
    return {} if part is None else part


def _named(item: Mapping[Any, Any]) -> str:
    return f" ({shown(item['id'])})" if "id" in item else ""


def _hint(key: object) -> str:
    text = key.lower() if isinstance(key, str) else ""
    near = difflib.get_close_matches(text, _PARTS[:5], n=1)
    meant = FOREIGN_PARTS.get(text) or (near[0] if near else None)
    if meant is None:
        return f"a record is {_SHAPE}: fields of your own go into its metadata"
    if text in ("ids", "vectors", "embeddings", "documents", "metadatas", "texts"):
        return f"here a record has one {meant!r}; for columns use vpa.RecordBatch.from_columns(ids=…, vectors=…)"
    return f"it is called {meant!r} here: {_SHAPE}"
