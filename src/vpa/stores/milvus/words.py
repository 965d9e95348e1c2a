"""The words of a record as Milvus keeps them: a sparse vector in a field of its own, which only collections with a
keyword index have, since a field of vectors cannot be added later.
"""

from __future__ import annotations

from typing import Any, Final

from pymilvus import DataType

from vpa.base.errors import ConfigurationError
from vpa.base.records import CollectionInfo
from vpa.stores.layout.words import RowWords, WordQuery

WORDS: Final = "w"
# Parameters of a search that leaves no term out.
ALL_WORDS: Final = {"drop_ratio_search": 0.0}
# Milvus takes numbers below 2**32 - 1. The last of them is for records without words: Lite (3.2.2) and servers before
# 2.4.12 take no empty vector.
_NONE: Final = 2**32 - 2
_LAST: Final = _NONE - 1
_NOTHING: Final = {_NONE: 1.0}


def words_field(words: RowWords | None) -> dict[str, Any]:
    """What is stored of a record's words; nothing where the collection has no field for them."""
    return {} if words is None else {WORDS: _sparse(*words.sparse) or _NOTHING}


def words_query(query: WordQuery) -> dict[int, float]:
    """What is asked for."""
    return _sparse(*query.sparse)


def _sparse(numbers: list[int], values: list[float]) -> dict[int, float]:
    # The three terms in four billion that are beyond share a number.
    return dict(zip((min(number, _LAST) for number in numbers), values, strict=True))


def add_words(schema: Any, index: Any) -> None:
    """Declare the field, and an index over it that drops nothing."""
    schema.add_field(WORDS, DataType.SPARSE_FLOAT_VECTOR)
    index.add_index(WORDS, index_type="SPARSE_INVERTED_INDEX", metric_type="IP", params={"drop_ratio_build": 0.0})


def check_field(info: CollectionInfo) -> None:
    """Raise ConfigurationError for a collection that was made without the field."""
    if info.keywords is None:
        raise ConfigurationError(
            f"collection {info.name!r} was made without a keyword index, and Milvus cannot add one: make a collection "
            "with keywords= and copy the records (vpa migrate)",
            collection=info.name,
        )
