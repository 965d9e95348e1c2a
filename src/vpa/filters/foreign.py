"""Filters in the notations of others, recognised so that an error can show the same filter in ours.

LlamaIndex, Haystack, Qdrant, mem0, Chroma, LangChain's stores. Read as ours, most of them would find nothing, silently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

# Comparison signs and words of others, by our operator.
_SIGNS: Final[Mapping[str, str]] = {
    "==": "$eq",
    "eq": "$eq",
    "!=": "$ne",
    "ne": "$ne",
    ">": "$gt",
    "gt": "$gt",
    ">=": "$gte",
    "gte": "$gte",
    "<": "$lt",
    "lt": "$lt",
    "<=": "$lte",
    "lte": "$lte",
    "in": "$in",
    "not in": "$nin",
    "nin": "$nin",
    "any": "$contains_any",
    "all": "$contains_all",
    "contains": "$contains",
}
_WORDS: Final = {"and": "$and", "or": "$or", "not": "$nor", "must": "$and", "should": "$or", "must_not": "$nor"}
_LACKING: Final[Mapping[str, str]] = {
    "$like": "vpa has no patterns; it has $starts_with, and $iequals for any case",
    "$ilike": "vpa has no patterns; it has $starts_with, and $iequals for any case",
    "$regex": "vpa has no patterns; it has $starts_with, and $iequals for any case",
    "$not_contains": 'write {"$not": {"$contains": …}}',
    "$between": 'write {"$gte": …, "$lte": …}',
    "$all": "write $contains_all",
    "$size": "vpa does not count elements",
    "$elemMatch": "vpa compares elements with $contains_any and $contains_all",
}


def lacking(operator: object) -> str | None:
    """What to write instead of an operator of others with `$`; None for one that is unknown."""
    return _LACKING.get(operator) if isinstance(operator, str) else None


def in_ours(condition: Mapping[Any, Any]) -> tuple[str, Any] | None:
    """Whose notation an object of conditions is in, and the same in ours as far as it can be said; None for ours."""
    keys = set(condition)
    for name, recognise in (("Haystack", _haystack), ("LlamaIndex", _llamaindex), ("Qdrant", _qdrant), ("mem0", _mem0)):
        if (ours := recognise(condition, keys)) is not None:
            return name, ours
    return None


def without_sign(value: Mapping[Any, Any]) -> dict[str, Any] | None:
    """`{"gte": 3}` as `{"$gte": 3}`; None where some key is no operator."""
    if not value or not all(isinstance(key, str) and key in _SIGNS for key in value):
        return None
    return {_SIGNS[key]: operand for key, operand in value.items()}


def _part(condition: Any) -> Any:
    ours = in_ours(condition) if isinstance(condition, Mapping) else None
    return condition if ours is None else ours[1]


def _joined(word: object, parts: object) -> Any:
    operator = _WORDS.get(str(word).lower())
    if operator is None or not isinstance(parts, list | tuple):
        return None
    return {operator: [_part(part) for part in parts]}


def _compared(field: object, sign: object, value: Any) -> Any:
    operator = _SIGNS.get(str(getattr(sign, "value", sign)).lower())
    return None if operator is None or not isinstance(field, str) else {field: {operator: value}}


def _haystack(condition: Mapping[Any, Any], keys: set[Any]) -> Any:
    if keys == {"field", "operator", "value"}:
        field = condition["field"]
        name = field.removeprefix("meta.") if isinstance(field, str) else field
        return _compared(name, condition["operator"], condition["value"])
    return _joined(condition["operator"], condition["conditions"]) if keys == {"operator", "conditions"} else None


def _llamaindex(condition: Mapping[Any, Any], keys: set[Any]) -> Any:
    if keys == {"key", "operator", "value"}:
        return _compared(condition["key"], condition["operator"], condition["value"])
    if "filters" in keys and keys <= {"filters", "condition"}:
        return _joined(condition.get("condition", "and"), condition["filters"])
    return None


def _qdrant(condition: Mapping[Any, Any], keys: set[Any]) -> Any:
    if keys == {"key", "match"} and isinstance(condition["match"], Mapping):
        match = condition["match"]
        if set(match) == {"value"}:
            return {condition["key"]: match["value"]}
        return {condition["key"]: {"$in": match["any"]}} if set(match) == {"any"} else None
    if keys == {"key", "range"} and isinstance(condition["range"], Mapping):
        bounds = without_sign(condition["range"])
        return None if bounds is None else {condition["key"]: bounds}
    return _words(condition, keys, ("must", "should", "must_not"))


def _mem0(condition: Mapping[Any, Any], keys: set[Any]) -> Any:
    return _words(condition, keys, ("AND", "OR", "NOT"))


def _words(condition: Mapping[Any, Any], keys: set[Any], words: tuple[str, ...]) -> Any:
    join: Callable[[str], Any] = lambda word: _joined(word, condition[word])  # noqa: E731
    if not keys or not keys <= set(words):
        return None
    parts = [join(word) for word in words if word in keys]
    if any(part is None or not all(isinstance(one, Mapping) for one in next(iter(part.values()))) for part in parts):
        return None
    return parts[0] if len(parts) == 1 else {"$and": parts}
