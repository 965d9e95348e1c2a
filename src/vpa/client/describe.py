"""What metadata there is, type-exact, computed over a scan; and what a store does with a filter."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from vpa.base.errors import InvalidFilterError
from vpa.base.metadata import Scalar, kind_of, leaves
from vpa.base.records import CollectionInfo, Record
from vpa.filters import Filter, NormalFilter, to_json
from vpa.filters.ast import Constant
from vpa.filters.ast import leaves as filter_leaves
from vpa.stores.contract import VectorStore


async def fields(records: AsyncIterator[Record]) -> dict[str, dict[str, int]]:
    """Path -> type name -> number of records that hold such a value there."""
    found: dict[str, Counter[str]] = {}
    async for record in records:
        for path, values in leaves(record.metadata):
            found.setdefault(path, Counter()).update({type(value).__name__ for value in values})
    return {path: dict(sorted(found[path].items())) for path in sorted(found)}


async def distinct(records: AsyncIterator[Record], field: str) -> list[Scalar]:
    """Values of one path, each once, ordered by kind and value."""
    return sorted(await _values(records, field), key=_rank)


async def min_max(records: AsyncIterator[Record], field: str) -> dict[str, tuple[Scalar, Scalar]]:
    """Kind -> (least, greatest)."""
    groups: dict[str, list[Any]] = {}
    for value in sorted(await _values(records, field), key=_rank):
        groups.setdefault(kind_of(value), []).append(value)
    return {kind: (values[0], values[-1]) for kind, values in groups.items()}


async def _values(records: AsyncIterator[Record], field: str) -> list[Scalar]:
    if not isinstance(field, str) or not field:
        raise InvalidFilterError(f"a field is a non-empty string, not {field!r}")
    # The text of a float tells -0.0 from 0.0 and 1 from 1.0, as equality does not.
    found: dict[tuple[str, str], Scalar] = {}
    async for record in records:
        for path, values in leaves(record.metadata):
            if path == field:
                found.update({(type(value).__name__, repr(value)): value for value in values})
    return list(found.values())


def _rank(value: Scalar) -> tuple[str, Any, str]:
    return kind_of(value), value, type(value).__name__


def explain(store: VectorStore, info: CollectionInfo, node: NormalFilter) -> dict[str, Any]:
    """The division of a normalised filter, with the native part in the store's language."""
    parts = store.split(node)
    return {
        "provider": store.provider,
        "collection": info.name,
        "filter": to_json(node),
        "native": store.native_form(parts.native),
        "residual": None if parts.is_complete else to_json(parts.residual),
        "complete": parts.is_complete,
        "leaves": {"native": _leaf_count(parts.native), "residual": _leaf_count(parts.residual)},
    }


def _leaf_count(node: Filter) -> int:
    return sum(not isinstance(leaf, Constant) for leaf in filter_leaves(node))
