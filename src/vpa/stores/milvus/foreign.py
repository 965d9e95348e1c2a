"""Collections of Milvus that others made: which fields hold key and vector, and their rows in an order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from pymilvus import DataType

from vpa.base.errors import ConfigurationError
from vpa.base.records import FOREIGN, CollectionInfo, Metric
from vpa.stores.layout.driver import StoredRow

# What one query returns at most.
MOST: Final = 16_384
_METRICS: Final = {"COSINE": Metric.COSINE, "IP": Metric.DOT, "L2": Metric.EUCLIDEAN}


class ForeignFields:
    """Which fields hold key and vector, of the collections that were looked at. `index_of` describes an index."""

    def __init__(self, index_of: Callable[[str, str], Awaitable[Mapping[str, Any] | None]]) -> None:
        self._index_of = index_of
        self._names: dict[str, tuple[str, str]] = {}

    async def describe(self, name: str, described: Mapping[str, Any]) -> CollectionInfo:
        """What a collection is, and note its fields."""
        key, vector = fields_of(name, described)
        index = await self._index_of(described["collection_name"], vector["name"])
        self._names[name] = (key, vector["name"])
        return info_of(name, vector, index)

    def of(self, info: CollectionInfo) -> tuple[str, str] | None:
        """The names of the two; None for a collection of ours."""
        return self._names.get(info.name) if info.layout_version == FOREIGN else None


def fields_of(name: str, described: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The name of the key, and the field of the vector; raises ConfigurationError where there is not one of each."""
    keys = [field for field in described["fields"] if field.get("is_primary")]
    vectors = [field for field in described["fields"] if field["type"] is DataType.FLOAT_VECTOR]
    if len(vectors) != 1 or not keys:
        raise ConfigurationError(f"collection {name!r} was made by others and has {len(vectors)} vectors, not one")
    return str(keys[0]["name"]), vectors[0]


def info_of(name: str, vector: Mapping[str, Any], index: Mapping[str, Any] | None) -> CollectionInfo:
    """As the field of its vector, and the index over it, describe it."""
    metric = _METRICS.get(str((index or {}).get("metric_type")), Metric.COSINE)
    return CollectionInfo(name=name, dimension=int(vector["params"]["dim"]), metric=metric, layout_version=FOREIGN)


def page_of(info: CollectionInfo, rows: Sequence[StoredRow], *, after: str, limit: int) -> list[StoredRow]:
    """The next of all rows, read by one query; raises ConfigurationError where it may not have returned all."""
    if len(rows) == MOST:
        raise ConfigurationError(
            f"collection {info.name!r} was written by others and has over {MOST} rows: too many to read in order"
        )
    return sorted((row for row in rows if row.key > after), key=lambda row: row.key)[:limit]
