"""Predicates as Pinecone filters: nothing but membership in `_vpa_t`, which every record has.

What Pinecone does with a missing field under a negation or an `$or` is not documented, so no filter meets one. Numbers
are ordered by their prefixes.
"""

from __future__ import annotations

from typing import Any, Final

from vpa.filters.ast import Comparison
from vpa.stores.layout.driver import Where
from vpa.stores.layout.predicate import OPPOSITE, AllOf, AnyOf, Bound, Has, Lacks, Predicate
from vpa.stores.layout.prefixes import beyond
from vpa.stores.layout.tokens import EVERY

TOKENS: Final = "_vpa_t"
NUMBER: Final = "_vpa_k"
KEY: Final = "_vpa_id"
_NOTHING: Final = "-"


def spell(where: Where, *, low: int | None = None, high: int | None = None) -> dict[str, Any]:
    """The filter, never empty. The scope is the namespace of the request."""
    parts: list[dict[str, Any]] = []
    predicate = where.predicate
    if predicate is not None:
        parts.append(_spell(predicate))
    bounds = {"$gte": low, "$lte": high}
    if number := {operator: bound for operator, bound in bounds.items() if bound is not None}:
        parts.append({NUMBER: number})
    return _together("$and", parts or [{TOKENS: {"$in": [EVERY]}}])


def _together(operator: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    return parts[0] if len(parts) == 1 else {operator: parts}


def _spell(predicate: Predicate) -> dict[str, Any]:
    match predicate:
        case AllOf(parts):
            return _together("$and", [_spell(part) for part in parts])
        case AnyOf(parts):
            return _together("$or", [_spell(part) for part in parts])
        case Has(tokens):
            return {TOKENS: {"$in": list(tokens)}}
        case Lacks(tokens):
            return {TOKENS: {"$nin": list(tokens)}}
        case Bound():
            return _bound(predicate)


def _bound(bound: Bound) -> dict[str, Any]:
    # A record has the prefixes of its least and its greatest number: "greatest > x" is "one of them > x", and
    # "greatest <= x" is "none of them > x".
    upward = bound.comparison in (Comparison.GT, Comparison.GTE)
    if upward is bound.greatest:
        found = beyond(bound.name, bound.comparison, float(bound.value))
        return {TOKENS: {"$in": found or [_NOTHING]}}
    opposite = beyond(bound.name, OPPOSITE[bound.comparison], float(bound.value))
    return {TOKENS: {"$nin": opposite}} if opposite else {TOKENS: {"$in": [EVERY]}}
