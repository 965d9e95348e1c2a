"""Rows as Weaviate objects, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from weaviate.classes.config import DataType, Property, Tokenization
from weaviate.classes.data import DataObject

from vpa.base.errors import ProviderError
from vpa.base.records import CollectionInfo
from vpa.base.scope import Scope
from vpa.stores.layout.driver import StoredRow, foreign_record
from vpa.stores.layout.rows import Row, Rows
from vpa.stores.layout.tokens import EVERY
from vpa.stores.weaviate.filters import (
    PART,
    PAYLOAD,
    TOKENS,
    companion,
    list_token,
    part_of,
    scope_tokens,
    text_companion,
)


def objects_of(rows: Rows) -> list[DataObject[Any, Any]]:
    """Rows as objects to be inserted."""
    if rows.vectors is None:
        raise ProviderError("rows to be written have vectors")
    return [
        DataObject(uuid=row.key, properties=properties_of(row, rows.scope), vector=vector)
        for row, vector in zip(rows.rows, rows.vectors.tolist(), strict=True)
    ]


def properties_of(row: Row, scope: Scope) -> dict[str, Any]:
    """What is stored beside the vector."""
    tokens = [EVERY, *scope_tokens(scope), *row.index.tokens]
    stored: dict[str, Any] = {TOKENS: tokens, PART: part_of(row.key), PAYLOAD: row.payload}
    for name, (least, greatest) in row.index.numbers.items():
        stored[companion(name, "n", greatest=True)] = greatest
        if least != greatest:
            stored[companion(name, "n", greatest=False)] = least
            tokens.append(list_token(name))
    for name, (first, last) in row.index.strings.items():
        stored[companion(name, "s", greatest=True)] = text_companion(last)
        if first != last:
            stored[companion(name, "s", greatest=False)] = text_companion(first)
            tokens.append(list_token(name))
    return stored


def companions_of(rows: Rows) -> dict[str, dict[str, Any]]:
    """The properties that the rows need beside the fixed ones, by name, as Weaviate's REST interface takes them."""
    needed: dict[str, dict[str, Any]] = {}
    for row in rows.rows:
        for kind, companions in (("n", row.index.numbers), ("s", row.index.strings)):
            for name, (least, greatest) in companions.items():
                for is_greatest in (True, False) if least != greatest else (True,):
                    declared = companion(name, kind, greatest=is_greatest)
                    if declared not in needed:
                        needed[declared] = _companion(declared, kind)
    return needed


def _companion(name: str, kind: str) -> dict[str, Any]:
    if kind == "n":
        return {"name": name, "dataType": ["number"], "indexFilterable": False, "indexRangeFilters": True}
    text = {"dataType": ["text"], "tokenization": "field", "indexFilterable": True, "indexSearchable": False}
    return {"name": name, **text}


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
    part = Property(name=PART, data_type=DataType.INT, index_filterable=False, index_range_filters=True)
    return [_text(TOKENS, DataType.TEXT_ARRAY), part, _text(PAYLOAD, filterable=False)]


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


def info_of(description: str | None) -> CollectionInfo | None:
    """What the description of a class says, where it is one of ours."""
    stored = _description(description)
    return None if stored is None else CollectionInfo.from_json(stored)


def name_of(description: str | None) -> str | None:
    """The name in the description of a class of ours, whatever its layout."""
    stored = _description(description)
    return None if stored is None else str(stored["name"])


def _description(description: str | None) -> dict[str, Any] | None:
    try:
        stored = json.loads(description or "")
    except ValueError:
        return None
    return stored if isinstance(stored, dict) and "layout_version" in stored else None


def release_of(text: str) -> tuple[int, int]:
    """Major and minor number of a version; zeros for what is none."""
    try:
        major, minor = text.split(".")[:2]
        return int(major), int(minor)
    except ValueError:
        return (0, 0)
