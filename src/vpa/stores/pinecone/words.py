"""Sparse values on Pinecone, of which a record has one set beside its vector: its terms, or the sparse vector that a
caller brings. A query of zeros with sparse values ranks by these alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from vpa.base.errors import ConfigurationError
from vpa.base.records import CollectionInfo, Metric
from vpa.stores.layout.rows import Row
from vpa.stores.layout.sparse import SparseVector, written
from vpa.stores.layout.words import RowWords, WordQuery

# Pinecone takes so many sparse values of a record.
MOST: Final = 2048
_DIGITS: Final = 6
# In place of no words at all, where sparse values were there before: an update cannot take them away.
_NONE: Final = {"indices": [2**32 - 1], "values": [1e-6]}


def check_words(info: CollectionInfo) -> None:
    """Raise ConfigurationError for a collection that can hold no words."""
    if info.sparse:
        raise ConfigurationError(
            f"collection {info.name!r} holds sparse vectors, and Pinecone has one place for them and for words; make "
            "one with sparse=True and another with keywords=…",
            collection=info.name,
        )
    check_metric(info, "keywords")


def check_metric(info: CollectionInfo, option: str) -> None:
    """Raise ConfigurationError for an index that can hold no sparse values: Pinecone adds them to products only."""
    if info.metric is Metric.EUCLIDEAN:
        ranked = "words" if option == "keywords" else "sparse vectors"
        raise ConfigurationError(
            f"collection {info.name!r} compares by euclidean distance, beside which Pinecone ranks no {ranked}; make "
            f"it with metric='cosine' or metric='dot', or leave {option} out",
            collection=info.name,
        )


def check_schema(info: CollectionInfo, fields: Sequence[str], sparse: str) -> None:
    """Raise ConfigurationError for an index that was made without sparse values: it cannot get them."""
    if sparse not in fields:
        raise ConfigurationError(
            f"the index of collection {info.name!r} was made without sparse values, which hold words, and Pinecone "
            "adds none; make a collection with keywords=… and copy the records there with `vpa migrate`",
            collection=info.name,
        )


def sparse_values(words: RowWords | None) -> dict[str, Any] | None:
    """The sparse values of a record, the greatest impacts where there are too many; None for one without words."""
    return None if words is None else _values(*words.sparse)


def values_of(row: Row) -> dict[str, Any] | None:
    """The sparse values of a row: of its words, or of its sparse vector; None for neither."""
    return sparse_as_it_is(written(row.sparse)) if row.sparse else sparse_values(row.words)


def sparse_as_it_is(sparse: SparseVector) -> dict[str, Any]:
    """As the client has it."""
    return {"indices": sparse[0], "values": sparse[1]}


def changed_values(words: RowWords | None) -> dict[str, Any]:
    """What takes the place of sparse values that were there before."""
    return sparse_values(words) or _NONE


def asked_values(query: WordQuery) -> dict[str, Any] | None:
    """The sparse values of a question."""
    return _values(*query.sparse)


def _values(numbers: Sequence[int], impacts: Sequence[float]) -> dict[str, Any] | None:
    if not numbers:
        return None
    places = sorted(sorted(range(len(numbers)), key=lambda place: -impacts[place])[:MOST])
    return {"indices": [numbers[n] for n in places], "values": [round(impacts[n], _DIGITS) for n in places]}
