"""Rows as Weaviate objects, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from weaviate.classes.config import DataType, Property, Tokenization

from vpa.stores.layout.driver import StoredRow, foreign_record
from vpa.stores.layout.rows import Row, Rows
from vpa.stores.weaviate.filters import KEY, PAYLOAD, TOKENS, companion, text_companion


def properties_of(row: Row) -> dict[str, Any]:
    """What is stored beside the vector."""
    stored: dict[str, Any] = {TOKENS: row.tokens, KEY: row.key, PAYLOAD: row.payload}
    for name, ends in row.numbers.items():
        stored |= {companion(name, "n", bool(greatest)): value for greatest, value in enumerate(ends)}
    for name, texts in row.strings.items():
        stored |= {companion(name, "s", bool(greatest)): text_companion(text) for greatest, text in enumerate(texts)}
    return stored


def companions_of(rows: Rows) -> dict[str, Property]:
    """The properties that the rows need beside the fixed ones."""
    needed: dict[str, Property] = {}
    for row in rows.rows:
        for kind, names in (("n", row.numbers), ("s", row.strings)):
            for name in names:
                for greatest in (False, True):
                    needed.setdefault(
                        companion(name, kind, greatest), _companion(companion(name, kind, greatest), kind)
                    )
    return needed


def _companion(name: str, kind: str) -> Property:
    if kind == "n":
        return Property(name=name, data_type=DataType.NUMBER, index_filterable=True, index_range_filters=True)
    return _text(name)


def _text(name: str, kind: DataType = DataType.TEXT, *, filterable: bool = True) -> Property:
    """Text that is matched as a whole."""
    return Property(
        name=name,
        data_type=kind,
        tokenization=Tokenization.FIELD,
        index_filterable=filterable,
        index_searchable=False,
    )


def fixed_properties() -> list[Property]:
    """Those that every class of ours has."""
    return [_text(TOKENS, DataType.TEXT_ARRAY), _text(KEY), _text(PAYLOAD, filterable=False)]


def stored_of(
    objects: Iterable[Any], *, with_vectors: bool, foreign: bool, vector_name: str = "default"
) -> list[StoredRow]:
    """Objects of an answer. `vector_name`: which of the vectors of objects that others wrote."""
    found = []
    for one in objects:
        vector = None
        if with_vectors:
            given = one.vector.get(vector_name) if isinstance(one.vector, dict) else one.vector
            vector = np.asarray([] if given is None else given, dtype=np.float32)
        distance = None if one.metadata is None else one.metadata.distance
        key = str(one.uuid)
        record = foreign_record(key, one.properties) if foreign else None
        found.append(
            StoredRow(key, one.properties.get(PAYLOAD), vector, float("nan") if distance is None else distance, record)
        )
    return found
