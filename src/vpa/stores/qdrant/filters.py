"""Predicates as Qdrant filters: keyword matches on `_vpa_t`, ranges inside the nested `_vpa_r`. No user text goes
in.
"""

from __future__ import annotations

from typing import Any, Final

from vpa.filters.ast import Comparison
from vpa.stores.layout.companions import words
from vpa.stores.layout.driver import Where
from vpa.stores.layout.predicate import OPPOSITE, AllOf, AnyOf, Bound, Has, Lacks, Predicate
from vpa.stores.layout.tokens import scope_token

TOKENS: Final = "_vpa_t"
COMPANIONS: Final = "_vpa_r"
SCOPE: Final = "_vpa_scope"
_OPERATORS: Final = {Comparison.GT: "gt", Comparison.GTE: "gte", Comparison.LT: "lt", Comparison.LTE: "lte"}
_STRICT: Final = {Comparison.GTE: Comparison.GT, Comparison.LTE: Comparison.LT}


def spell(where: Where) -> dict[str, Any] | None:
    """The JSON of a filter; None for every record of every scope."""
    must: list[dict[str, Any]] = []
    if where.scope is not None:
        must.append({"key": SCOPE, "match": {"value": scope_token(where.scope)}})
    if where.predicate is not None:
        must.append(_spell(where.predicate))
    return {"must": must} if must else None


def _spell(predicate: Predicate) -> dict[str, Any]:
    match predicate:
        case AllOf(parts):
            return {"must": [_spell(part) for part in parts]}
        case AnyOf(parts):
            return {"should": [_spell(part) for part in parts]}
        case Has(tokens):
            return _any(tokens)
        case Lacks(tokens):
            return {"must_not": [_any(tokens)]}
        case Bound():
            return _bound(predicate)


def _any(tokens: tuple[str, ...]) -> dict[str, Any]:
    return {"key": TOKENS, "match": {"value": tokens[0]} if len(tokens) == 1 else {"any": list(tokens)}}


def _bound(bound: Bound) -> dict[str, Any]:
    # `_vpa_r` holds the least and the greatest value of a path as entries of one name: "greatest > x" is "some entry >
    # x",
    # and "greatest <= x" is "no entry > x".
    upward = bound.comparison in (Comparison.GT, Comparison.GTE)
    if upward is not bound.greatest:
        return {"must_not": [_entry(bound.name, OPPOSITE[bound.comparison], bound.value)]}
    return _entry(bound.name, bound.comparison, bound.value)


def _entry(name: str, comparison: Comparison, value: float | str) -> dict[str, Any]:
    if isinstance(value, str):
        condition = _text(comparison, words(value))
    else:
        condition = {"key": "x", "range": {_OPERATORS[comparison]: value}}
    return {"nested": {"key": COMPANIONS, "filter": {"must": [{"key": "h", "match": {"value": name}}, condition]}}}


def _text(comparison: Comparison, literal: tuple[int, ...], position: int = 0) -> dict[str, Any]:
    key, word = f"w{position}", literal[position]
    if position == len(literal) - 1:
        return {"key": key, "range": {_OPERATORS[comparison]: word}}
    beyond = {"key": key, "range": {_OPERATORS[_STRICT.get(comparison, comparison)]: word}}
    equal = {"key": key, "range": {"gte": word, "lte": word}}
    return {"should": [beyond, {"must": [equal, _text(comparison, literal, position + 1)]}]}
