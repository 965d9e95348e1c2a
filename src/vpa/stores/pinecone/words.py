"""Keyword search on Pinecone: the terms of a record are sparse values beside its vector, and a query of zeros with
sparse values ranks by these alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from vpa.base.errors import ConfigurationError
from vpa.base.records import CollectionInfo, Metric
from vpa.stores.layout.words import RowWords, WordQuery

# Pinecone takes so many sparse values of a record.
_MOST: Final = 2048
_DIGITS: Final = 6
# In place of no words at all, where sparse values were there before: an update cannot take them away.
_NONE: Final = {"indices": [2**32 - 1], "values": [1e-6]}


def check_metric(info: CollectionInfo) -> None:
    """Raise ConfigurationError for a collection whose index can hold no words: Pinecone adds them to products only."""
    if info.metric is Metric.EUCLIDEAN:
        raise ConfigurationError(
            f"collection {info.name!r} compares by euclidean distance, beside which Pinecone ranks no words; make it "
            "with metric='cosine' or metric='dot', or leave keywords out",
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


def changed_values(words: RowWords | None) -> dict[str, Any]:
    """What takes the place of sparse values that were there before."""
    return sparse_values(words) or _NONE


def asked_values(query: WordQuery) -> dict[str, Any] | None:
    """The sparse values of a question."""
    return _values(*query.sparse)


def _values(numbers: Sequence[int], impacts: Sequence[float]) -> dict[str, Any] | None:
    if not numbers:
        return None
    places = sorted(sorted(range(len(numbers)), key=lambda place: -impacts[place])[:_MOST])
    return {"indices": [numbers[n] for n in places], "values": [round(impacts[n], _DIGITS) for n in places]}
