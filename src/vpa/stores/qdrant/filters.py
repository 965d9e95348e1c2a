"""Filters as Qdrant's conditions on the keys of `fields.py`. User text goes in as values only, never as part of a
language; paths that Qdrant's language could misread are hashed.

Range conditions hold if some value does, and a list of texts has its least and its greatest in `_vpa.r`: so every
condition means what SEMANTICS says of a set of values, and its negation is `must_not`.
"""

from __future__ import annotations

from typing import Any, Final

from vpa.base.metadata import kind_of
from vpa.filters.ast import ALWAYS, And, Comparison, Eq, EqIgnoringCase, Exists, Field, Filter, In, Not, Or, Range
from vpa.stores.layout.companions import words
from vpa.stores.layout.driver import Where
from vpa.stores.layout.sharing import DEFAULT_SCOPE
from vpa.stores.layout.tokens import scope_text, seen, value_token
from vpa.stores.qdrant.fields import (
    DEFAULT,
    ORDER,
    PRESENT,
    SCOPE,
    TOKENS,
    by_token,
    fold_of,
    key_of,
    name_of,
    text_of,
    text_of_microseconds,
)

_OPERATORS: Final = {Comparison.GT: "gt", Comparison.GTE: "gte", Comparison.LT: "lt", Comparison.LTE: "lte"}
_STRICT: Final = {Comparison.GTE: Comparison.GT, Comparison.LTE: Comparison.LT}
_UPWARD: Final = (Comparison.GT, Comparison.GTE)
# Microseconds since 1970 that float64 holds exactly: the years 1684 to 2255.
_FIRST_MOMENT: Final = -(2**53) + 1
_LAST_MOMENT: Final = 2**53 - 1


def spell(where: Where) -> dict[str, Any] | None:
    """The JSON of a filter; None for every record of every scope."""
    must: list[dict[str, Any]] = []
    if where.scope is not None:
        if where.scope == DEFAULT_SCOPE:
            must.append(_is(PRESENT, DEFAULT))
        else:
            must.append(_is(SCOPE, scope_text(where.scope)))
    if where.filter is not ALWAYS:
        must.append(_spell(where.filter))
    return {"must": must} if must else None


def having(name: str) -> dict[str, Any]:
    """The JSON of a filter for records that have a field, by its name."""
    return {"must": [_is(PRESENT, name)]}


def keys_of(spelled: dict[str, Any] | None) -> dict[str, str]:
    """The keys that a spelled filter asks for, each with the kind of index that serves it: keyword or float."""
    found: dict[str, str] = {}
    _collect(spelled or {}, found, "")
    return found


def terms(node: Filter) -> int:
    """How many conditions Qdrant evaluates for it."""
    if node is ALWAYS:
        return 0
    return _count(_spell(node))


def _count(condition: dict[str, Any]) -> int:
    if "nested" in condition:
        return _count(condition["nested"]["filter"])
    parts = [part for name in ("must", "should", "must_not") for part in condition.get(name, ())]
    if parts:
        return sum(_count(part) for part in parts)
    return len(condition.get("match", {}).get("any", (None,)))


def _collect(condition: dict[str, Any], keys: dict[str, str], prefix: str) -> None:
    for name in ("must", "should", "must_not"):
        for part in condition.get(name, ()):
            _collect(part, keys, prefix)
    if "nested" in condition:
        nested = condition["nested"]
        _collect(nested["filter"], keys, f"{nested['key']}[].")
    elif "key" in condition:
        keys[prefix + condition["key"]] = "keyword" if "match" in condition else "float"


def _spell(node: Filter) -> dict[str, Any]:
    match node:
        case And(parts):
            return {"must": [_spell(part) for part in parts]}
        case Or(parts):
            return {"should": [_spell(part) for part in parts]}
        case Not(part):
            return {"must_not": [_spell(part)]}
        case Eq(field, value):
            return _among(field, (value,))
        case In(field, values):
            return _among(field, values)
        case EqIgnoringCase(field, value):
            small = fold_of(field, value)
            return {"should": [_is(key_of("s", field), small), _is(key_of("f", field), small)]}
        case Exists(field):
            return _is(PRESENT, name_of(field))
        case Range(field, comparison, str(text)):
            return _order(field, comparison, seen(field, text))
        case Range(field, comparison, int() | float() as number):
            return _compared(field, comparison, number)
    raise TypeError(f"not a filter of Qdrant: {node!r}")


def _is(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "match": {"value": value}}


def _any(key: str, values: list[str]) -> dict[str, Any]:
    return _is(key, values[0]) if len(values) == 1 else {"key": key, "match": {"any": values}}


def _among(field: Field, values: tuple[Any, ...]) -> dict[str, Any]:
    by_kind: dict[str, list[Any]] = {}
    for value in values:
        by_kind.setdefault(kind_of(value), []).append(value)
    found: list[dict[str, Any]] = []
    if "string" in by_kind:
        found.append(_any(key_of("s", field), list(dict.fromkeys(text_of(field, text) for text in by_kind["string"]))))
    if "boolean" in by_kind:
        flags = ["true" if flag else "false" for flag in dict.fromkeys(by_kind["boolean"])]
        found.append(_any(key_of("b", field), flags))
    numbers = list(dict.fromkeys(by_kind.get("number", ())))
    tokens = [value_token(field, number) for number in numbers if by_token(number)]
    if tokens:
        found.append(_any(TOKENS, tokens))
    for number in numbers:
        if not by_token(number):
            same = float(number) + 0.0
            found.append({"key": key_of("n", field), "range": {"gte": same, "lte": same}})
    return found[0] if len(found) == 1 else {"should": found}


def _compared(field: Field, comparison: Comparison, number: float) -> dict[str, Any]:
    return {"key": key_of("n", field), "range": {_OPERATORS[comparison]: float(number) + 0.0}}


def _order(field: Field, comparison: Comparison, literal: str) -> dict[str, Any]:
    """Moments as numbers, other texts by their words."""
    texts = {"must": [{"key": "h", "match": {"value": name_of(field)}}, _text(comparison, words(literal))]}
    found: list[dict[str, Any]] = [{"nested": {"key": ORDER, "filter": texts}}]
    moments = _moments(comparison, literal)
    if moments is not None:
        found.append({"key": key_of("d", field), "range": moments})
    return {"should": found}


def _text(comparison: Comparison, literal: tuple[int, ...], position: int = 0) -> dict[str, Any]:
    key, word = f"w{position}", literal[position]
    last = position == len(literal) - 1 or not word & 0xFF
    if last:
        # The literal ends in this word: what is equal so far and goes on is greater in it.
        return {"key": key, "range": {_OPERATORS[comparison]: word}}
    beyond = {"key": key, "range": {_OPERATORS[_STRICT.get(comparison, comparison)]: word}}
    equal = {"key": key, "range": {"gte": word, "lte": word}}
    return {"should": [beyond, {"must": [equal, _text(comparison, literal, position + 1)]}]}


def _moments(comparison: Comparison, literal: str) -> dict[str, int] | None:
    """The moments whose text compares so with `literal`, as bounds of microseconds; None for none of them."""
    # `place`: how many of the moments, which stand in the order of their texts, stand below.
    strictly = comparison in (Comparison.GT, Comparison.LTE)
    low, high = _FIRST_MOMENT, _LAST_MOMENT + 1
    while low < high:
        middle = (low + high) // 2
        text = text_of_microseconds(middle)
        if text < literal or (strictly and text == literal):
            low = middle + 1
        else:
            high = middle
    if comparison in _UPWARD:
        return {"gte": low} if low <= _LAST_MOMENT else None
    return {"lte": low - 1} if low > _FIRST_MOMENT else None
