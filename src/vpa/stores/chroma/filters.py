"""Predicates as Chroma `where` filters: `$contains` on the token list, ranges on flat number keys. No user text goes
in.
"""

from __future__ import annotations

from typing import Any, Final

from vpa.filters.ast import Comparison
from vpa.stores.layout.companions import words
from vpa.stores.layout.driver import Where
from vpa.stores.layout.predicate import AllOf, AnyOf, Bound, Has, Lacks, Predicate
from vpa.stores.layout.tokens import scope_token

TOKENS: Final = "_vpa_t"
NUMBER: Final = "_vpa_k"
_STRICT: Final = {Comparison.GTE: Comparison.GT, Comparison.LTE: Comparison.LT}


def companion(name: str, greatest: bool, word: int | None = None) -> str:
    """The key of a companion."""
    return f"_vpa_{name}{'g' if greatest else 'l'}{'' if word is None else word}"


def spell(where: Where, *, low: int | None = None, high: int | None = None) -> dict[str, Any] | None:
    """The `where` of a request; None for every record of every scope."""
    parts: list[dict[str, Any]] = []
    if where.scope is not None:
        parts.append({TOKENS: {"$contains": scope_token(where.scope)}})
    if where.predicate is not None:
        parts.append(_spell(where.predicate))
    if low is not None:
        parts.append({NUMBER: {"$gte": low}})
    if high is not None:
        parts.append({NUMBER: {"$lte": high}})
    return _together("$and", parts) if parts else None


def _together(operator: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    return parts[0] if len(parts) == 1 else {operator: parts}


def _spell(predicate: Predicate) -> dict[str, Any]:
    match predicate:
        case AllOf(parts):
            return _together("$and", [_spell(part) for part in parts])
        case AnyOf(parts):
            return _together("$or", [_spell(part) for part in parts])
        case Has(tokens):
            return _together("$or", [{TOKENS: {"$contains": token}} for token in tokens])
        case Lacks(tokens):
            return _together("$and", [{TOKENS: {"$not_contains": token}} for token in tokens])
        case Bound(name, greatest, comparison, str(text)):
            return _text(name, greatest, comparison, words(text))
        case Bound(name, greatest, comparison, number):
            return {companion(name, greatest): {str(comparison): number}}


def _text(
    name: str, greatest: bool, comparison: Comparison, literal: tuple[int, ...], position: int = 0
) -> dict[str, Any]:
    key, word = companion(name, greatest, position), literal[position]
    if position == len(literal) - 1:
        return {key: {str(comparison): word}}
    beyond = {key: {str(_STRICT.get(comparison, comparison)): word}}
    further = _text(name, greatest, comparison, literal, position + 1)
    return {"$or": [beyond, {"$and": [{key: {"$eq": word}}, further]}]}
