"""Haystack's filters in vpa's: what the collection evaluates, and what is evaluated here on the documents it returns.

Metadata goes to the store. A record's id and text are no metadata: conditions on `id` and `content` are evaluated here.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from haystack.errors import FilterError

from vpa.base.errors import InvalidFilterError
from vpa.base.records import Match, Record
from vpa.base.showing import shown
from vpa.filters import F, Filter, matches, normal, split
from vpa.filters.ast import ALWAYS, NEVER, And, Eq, Field, In, Not, Or
from vpa.integrations.haystack_documents import NO_EMBEDDING, as_literal

_ID: Final = Field("id", system=True)
_CONTENT: Final = Field("content", system=True)
_RECORD: Final = {"id": _ID, "content": _CONTENT}
_UNFILTERED: Final = ("blob", "meta", "score", "sparse_embedding")
_COMPARISONS: Final[Mapping[str, Callable[[F, Any], Filter]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "in": F.is_in,
    "not in": F.not_in,
}
_LIKE_THIS: Final = '{"field": "meta.year", "operator": ">=", "value": 2020}'
_RANGES: Final = (">", ">=", "<", "<=")
_LISTS: Final = ("in", "not in")


@dataclass(frozen=True, slots=True)
class Condition:
    """A filter in two parts that hold together: `native` for the collection, `local` for the records it returns."""

    native: Filter = ALWAYS
    local: Filter = ALWAYS

    @property
    def is_native(self) -> bool:
        """Whether the collection evaluates all of it."""
        return self.local is ALWAYS

    @property
    def ids(self) -> list[Any] | None:
        """The only ids that can match; None where the filter names none."""
        parts = self.local.parts if isinstance(self.local, And) else (self.local,)
        for part in parts:
            if isinstance(part, Eq) and part.field == _ID:
                return [part.value]
            if isinstance(part, In) and part.field == _ID:
                return list(dict.fromkeys(part.values))
        return None

    def holds(self, record: Record | Match, *, whole: bool = False) -> bool:
        """Whether the local part holds for a record; with `whole`, both parts."""
        node = And((self.native, self.local)) if whole else self.local
        if node is ALWAYS:
            return True
        return matches(node, record.metadata, {**record.system, _ID.path: record.id, _CONTENT.path: record.text})


EVERYTHING: Final = Condition()


def as_condition(filters: Mapping[str, Any] | None) -> Condition:
    """Haystack's filter, divided; raises FilterError for one that is malformed."""
    if filters is None or (isinstance(filters, Mapping) and not filters):
        return EVERYTHING
    try:
        parts = split(normal(_node(filters)), _is_native)
    except InvalidFilterError as error:
        raise FilterError(error.message) from error
    return Condition(parts.native, parts.residual)


def selective(filters: Mapping[str, Any] | None, *, instead: str) -> Condition:
    """As `as_condition`, for verbs that change what matches: without a filter they raise FilterError."""
    if filters is None or (isinstance(filters, Mapping) and not filters):
        raise FilterError(f"the filter is empty, which would mean every document; {instead}")
    condition = as_condition(filters)
    if condition.native is ALWAYS and condition.local is ALWAYS:
        raise FilterError(f"the filter {shown(filters)} holds for every document; {instead}")
    return condition


def _is_native(leaf: Filter) -> bool:
    inner = leaf.part if isinstance(leaf, Not) else leaf
    return getattr(inner, "field", None) not in (_ID, _CONTENT)


def _node(condition: Any) -> Filter:
    if not isinstance(condition, Mapping):
        raise FilterError(f"a filter is a dictionary in Haystack's notation, {_LIKE_THIS}, not {shown(condition)}")
    if "field" in condition:
        return _comparison(condition)
    for key in ("operator", "conditions"):
        if key not in condition:
            raise FilterError(f"the filter {shown(condition)} lacks {key!r}; Haystack's notation is {_LIKE_THIS}")
    if not isinstance(condition["conditions"], list | tuple):
        raise FilterError(f"conditions is a list of filters, not {condition['conditions']!r:.80}")
    parts = tuple(map(_node, condition["conditions"]))
    match condition["operator"]:
        case "AND":
            return And(parts) if parts else ALWAYS
        case "OR":
            return Or(parts) if parts else NEVER
        case "NOT":
            return Not(And(parts)) if parts else NEVER
    raise FilterError(f"unknown operator {condition['operator']!r:.80}: use AND, OR or NOT")


def _comparison(condition: Mapping[str, Any]) -> Filter:
    for key in ("operator", "value"):
        if key not in condition:
            raise FilterError(f"the condition {shown(condition)} lacks {key!r}")
    symbol, value = condition["operator"], condition["value"]
    if symbol not in _COMPARISONS:
        raise FilterError(f"unknown operator {shown(symbol)}: use one of {', '.join(_COMPARISONS)}")
    if condition["field"] == "embedding":
        return _embedding(symbol, value)
    field = _field(condition["field"])
    if symbol in _RANGES and value is None:
        return NEVER
    _check(symbol, value)
    literal = [as_literal(element) for element in value] if symbol in _LISTS else as_literal(value)
    return _COMPARISONS[symbol](field, literal)


def _check(symbol: str, value: Any) -> None:
    if symbol in _RANGES and isinstance(value, str) and not _is_date(value):
        raise FilterError(f"{symbol} compares numbers and ISO dates, not {shown(value)}")
    if symbol in _LISTS and not isinstance(value, list):
        raise FilterError(f"{symbol} takes a list, not {shown(value)}")
    if symbol in ("==", "!=") and isinstance(value, list | Mapping):
        raise FilterError(
            f"{symbol} takes one value, not {shown(value)}; a list in the metadata is matched by any of its elements, "
            "and what is kept as JSON is not filtered"
        )


def _field(name: Any) -> F:
    if not isinstance(name, str) or name in _UNFILTERED:
        raise FilterError(f"{shown(name)} cannot be filtered: use id, content, embedding, or a metadata field")
    return F.system(name) if name in _RECORD else F(name.removeprefix("meta."))


def _embedding(symbol: str, value: Any) -> Filter:
    if value is not None or symbol not in ("==", "!="):
        raise FilterError("embedding is compared with None only (== or !=)")
    missing = F.system(NO_EMBEDDING) == True  # noqa: E712 (a filter expression)
    return missing if symbol == "==" else Not(missing)


def _is_date(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        try:
            date.fromisoformat(text)
        except ValueError:
            return False
    return True
