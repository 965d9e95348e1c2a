"""What metadata there is, type-exact, what a store does with a filter, and its facts as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from typing import Any, Final

from vpa.base.answers import Explanation
from vpa.base.errors import InvalidFilterError
from vpa.base.metadata import Scalar, kind_of, leaves
from vpa.base.moments import compared
from vpa.base.records import FOREIGN, CollectionInfo, Record
from vpa.base.showing import shown
from vpa.base.sorting import sort_steps
from vpa.base.steps import Steps
from vpa.filters import Filter, NormalFilter, to_json
from vpa.filters.ast import Constant
from vpa.filters.ast import leaves as filter_leaves
from vpa.kit.steps import finish_beside
from vpa.stores.contract import VectorStore, no_filter
from vpa.stores.requests import ALWAYS

_TOGETHER: Final = 256  # Values between two looks at the time: well under two milliseconds of work.


async def fields(records: AsyncIterator[Record]) -> dict[str, dict[str, int]]:
    """Path -> type name -> number of records that hold such a value there, computed over a scan."""
    counts: dict[str, Counter[str]] = {}
    async for record in records:
        for path, values in leaves(record.metadata):
            counts.setdefault(path, Counter()).update({type(value).__name__ for value in values})
    return {path: dict(sorted(counts[path].items())) for path in sorted(counts)}


async def values(records: AsyncIterator[Record], field: str) -> list[Scalar]:
    """The values of one path, each once, computed over a scan; unordered."""
    # The text of a float tells -0.0 from 0.0 and 1 from 1.0, as equality does not.
    by_text: dict[tuple[str, str], Scalar] = {}
    async for record in records:
        for path, values in leaves(record.metadata):
            if path == field:
                by_text.update({(type(value).__name__, repr(value)): value for value in values})
    return list(by_text.values())


def check_field(field: str) -> str:
    """Return a metadata path, or raise InvalidFilterError."""
    if not isinstance(field, str) or not field:
        raise InvalidFilterError(f"a field is a non-empty string, not {shown(field)}")
    return field


async def ordered(values: list[Scalar]) -> list[Scalar]:
    """By kind and value, off the event loop where they are many."""
    return await finish_beside(sort_steps(values, key=_rank))


async def extremes(values: list[Scalar]) -> dict[str, tuple[Scalar, Scalar]]:
    """Kind -> (least, greatest), off the event loop where they are many."""
    return await finish_beside(_extreme_steps(values))


def _extreme_steps(values: list[Scalar]) -> Steps[dict[str, tuple[Scalar, Scalar]]]:
    best: dict[str, tuple[Scalar, Scalar]] = {}
    for start in range(0, len(values), _TOGETHER):
        for value in values[start : start + _TOGETHER]:
            least, greatest = best.setdefault(kind_of(value), (value, value))
            best[kind_of(value)] = min(least, value, key=_rank), max(greatest, value, key=_rank)
        yield
    return {kind: best[kind] for kind in sorted(best)}


def _rank(value: Scalar) -> tuple[str, Any, str]:
    # As a range filter orders them; what it sees as equal, by the text or the type.
    if isinstance(value, str):
        return kind_of(value), compared(value), value
    return kind_of(value), value, type(value).__name__


def as_json(fact: Any) -> Any:
    """A store's account of itself as JSON holds it: clients report sums as Decimal and lists as tuples."""
    if isinstance(fact, Mapping):
        return {str(key): as_json(value) for key, value in fact.items()}
    if isinstance(fact, list | tuple):
        return [as_json(value) for value in fact]
    if isinstance(fact, Decimal):
        return int(fact) if fact == fact.to_integral_value() else float(fact)
    return fact


def explain(store: VectorStore, info: CollectionInfo, node: NormalFilter) -> Explanation:
    """The division of a normalised filter, with the native part in the store's language."""
    if info.layout_version == FOREIGN and node is not ALWAYS:
        raise no_filter(info)
    parts = store.split(node)
    return {
        "provider": store.provider,
        "collection": info.name,
        "filter": to_json(node),
        "native": store.native_form(parts.native),
        "residual": None if parts.is_complete else to_json(parts.residual),
        "complete": parts.is_complete,
        # Of what is evaluated here, the store may be asked for a part: that counts as evaluated here.
        "leaves": {
            "native": _leaf_count(node) - _leaf_count(parts.residual),
            "residual": _leaf_count(parts.residual),
        },
        "keywords": store.words_by,
    }


def _leaf_count(node: Filter) -> int:
    return sum(not isinstance(leaf, Constant) for leaf in filter_leaves(node))
