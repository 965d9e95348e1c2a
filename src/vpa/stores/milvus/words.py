"""Sparse vectors as Milvus keeps them, in fields of their own, which cannot be added later: the words of a record,
where the collection has a keyword index, and the vector that a caller brings.
"""

from __future__ import annotations

from typing import Any, Final

from pymilvus import DataType

from vpa.base.errors import ConfigurationError
from vpa.base.records import CollectionInfo
from vpa.stores.layout.rows import Row
from vpa.stores.layout.sparse import SparseVector
from vpa.stores.layout.words import WordQuery

WORDS: Final = "w"
SPARSE: Final = "s"
# Parameters of a search that leaves no term out.
ALL_WORDS: Final = {"drop_ratio_search": 0.0}
# Milvus takes numbers below 2**32 - 1. The last of them is for records without any: Lite (3.2.2) and servers before
# 2.4.12 take no empty vector.
_NONE: Final = 2**32 - 2
_LAST: Final = _NONE - 1
_NOTHING: Final = {_NONE: 1.0}


def sparse_fields(row: Row) -> dict[str, Any]:
    """What is stored of a record's words and of its sparse vector; nothing where the collection has no field."""
    words = {} if row.words is None else {WORDS: as_mapping(row.words.sparse) or _NOTHING}
    return words if row.sparse is None else {**words, SPARSE: dict(row.sparse) or _NOTHING}


def words_query(query: WordQuery) -> dict[int, float]:
    """What is asked for."""
    return as_mapping(query.sparse)


def as_mapping(sparse: SparseVector) -> dict[int, float]:
    """As the client has it."""
    numbers, values = sparse
    # The three terms in four billion that are beyond share a number.
    return dict(zip((min(number, _LAST) for number in numbers), values, strict=True))


def add_sparse(schema: Any, index: Any, info: CollectionInfo) -> None:
    """Declare the fields that the collection needs, and indexes over them that drop nothing."""
    for field, is_needed in ((WORDS, info.keywords is not None), (SPARSE, info.sparse)):
        if is_needed:
            schema.add_field(field, DataType.SPARSE_FLOAT_VECTOR)
            index.add_index(
                field, index_type="SPARSE_INVERTED_INDEX", metric_type="IP", params={"drop_ratio_build": 0.0}
            )


def check_field(info: CollectionInfo) -> None:
    """Raise ConfigurationError for a collection that was made without the field."""
    if info.keywords is None:
        raise ConfigurationError(
            f"collection {info.name!r} was made without a keyword index, and Milvus cannot add one: make a collection "
            "with keywords= and copy the records (vpa migrate … --keywords english)",
            collection=info.name,
        )
