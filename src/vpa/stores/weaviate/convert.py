"""Rows as Weaviate objects, and back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Set
from typing import Any

import numpy as np
from weaviate.classes.config import DataType, Property, Tokenization
from weaviate.classes.data import DataObject

from vpa.base.errors import ProviderError
from vpa.base.records import CollectionInfo
from vpa.base.scope import Scope
from vpa.stores.layout.driver import StoredRow, foreign_record
from vpa.stores.layout.rows import Row, Rows
from vpa.stores.layout.tokens import EVERY, list_token
from vpa.stores.weaviate.filters import (
    PART,
    PAYLOAD,
    TOKENS,
    companion,
    part_of,
    scope_tokens,
    text_companion,
)
from vpa.stores.weaviate.ordering import tokens_of
from vpa.stores.weaviate.words import words_field, words_property


def objects_of(rows: Rows, declared: Set[str]) -> list[DataObject[Any, Any]]:
    """Rows as objects to be inserted into a class that has these properties."""
    if rows.vectors is None:
        raise ProviderError("rows to be written have vectors")
    return [
        DataObject(uuid=row.key, properties=properties_of(row, rows.scope, declared), vector=vector)
        for row, vector in zip(rows.rows, rows.vectors.tolist(), strict=True)
    ]


def properties_of(row: Row, scope: Scope, declared: Set[str]) -> dict[str, Any]:
    """What is stored beside the vector."""
    tokens = [EVERY, *scope_tokens(scope), *row.index.tokens]
    stored: dict[str, Any] = {TOKENS: tokens, PART: part_of(row.key), PAYLOAD: row.payload}
    stored |= words_field(row.words, declared)
    for kind, name, ends in _ends(row):
        least, greatest = ends
        names = _names(name, kind, ends)
        if not declared >= set(names):
            tokens += tokens_of(name, ends)
            continue
        stored |= zip(names, (_value(greatest), _value(least)), strict=False)
        if least != greatest:
            tokens.append(list_token(name))
    return stored


def _ends(row: Row) -> Iterator[tuple[str, str, tuple[Any, Any]]]:
    """Kind, name, and least and greatest value of each field that can be compared."""
    for kind, companions in (("n", row.index.numbers), ("s", row.index.strings)):
        for name, ends in companions.items():
            yield kind, name, ends


def _names(name: str, kind: str, ends: tuple[Any, Any]) -> list[str]:
    """The properties of a field: of its greatest value, and of its least where that is another one."""
    found = [companion(name, kind, greatest=True)]
    return found if ends[0] == ends[1] else [*found, companion(name, kind, greatest=False)]


def _value(value: float | str) -> float | str:
    return text_companion(value) if isinstance(value, str) else value


def companions_of(rows: Rows) -> dict[str, dict[str, Any]]:
    """The properties that the rows can use beside the fixed ones, by name, as Weaviate's REST interface takes them;
    first those that most of the rows have.
    """
    uses: Counter[str] = Counter()
    kinds: dict[str, str] = {}
    for row in rows.rows:
        for kind, name, ends in _ends(row):
            names = _names(name, kind, ends)
            uses.update(names)
            kinds |= dict.fromkeys(names, kind)
    return {name: _companion(name, kinds[name]) for name, _ in uses.most_common()}


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


def fixed_properties(info: CollectionInfo) -> list[Property]:
    """Those that every class of ours has, and that of words."""
    part = Property(name=PART, data_type=DataType.INT, index_filterable=False, index_range_filters=True)
    fixed = [_text(TOKENS, DataType.TEXT_ARRAY), part, _text(PAYLOAD, filterable=False)]
    return fixed if info.keywords is None else [*fixed, words_property()]


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
