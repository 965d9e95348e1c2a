"""Predicates as Chroma `where` filters: `$contains` on the token list, ranges on flat number keys. No user text goes
in.

A path has one key for its number, or one for every eight bytes of its text: those of the greatest value. A list has
also those of its least, and a token that says so: Chroma keeps keys that a later version of the record does not have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from vpa.base.scope import Scope
from vpa.filters.ast import Comparison
from vpa.stores.layout.driver import Where
from vpa.stores.layout.predicate import AllOf, AnyOf, Bound, Has, Lacks, Predicate
from vpa.stores.layout.sharing import DEFAULT_SCOPE
from vpa.stores.layout.tokens import list_token, scope_text

TOKENS: Final = "_vpa_t"
SCOPE: Final = "_vpa_scope"
# 1 beside a scope: an integer, because Chroma has an index of those and none of booleans.
NAMED: Final = "_vpa_named"
_WORDS: Final = 4
_WORD_BYTES: Final = 8
# What is compared ends within the last word, so that equal words are equal texts.
TEXT_BYTES: Final = _WORDS * _WORD_BYTES - 1
_STRICT: Final = {Comparison.GTE: Comparison.GT, Comparison.LTE: Comparison.LT}


def companion(name: str, *, greatest: bool, word: int | None = None) -> str:
    """The key of a companion."""
    return f"_vpa_{name}{'' if greatest else 'l'}{'' if word is None else word}"


def words(text: str) -> list[int]:
    """The first 32 UTF-8 bytes as signed 64-bit numbers in their order; the last one ends with a zero byte if the text
    is shorter, so that a text which goes on is greater.
    """
    data = text.encode()
    count = min(len(data) // _WORD_BYTES + 1, _WORDS)
    padded = data[: count * _WORD_BYTES].ljust(count * _WORD_BYTES, b"\0")
    starts = range(0, len(padded), _WORD_BYTES)
    return [int.from_bytes(padded[start : start + _WORD_BYTES], "big") - 2**63 for start in starts]


def spell(where: Where) -> dict[str, Any] | None:
    """The `where` of a request; None for every record of every scope."""
    parts: list[dict[str, Any]] = []
    if where.scope is not None:
        parts.append(_scope(where.scope))
    predicate = where.predicate
    if predicate is not None:
        parts.append(_spell(predicate))
    return _together("$and", parts) if parts else None


def _scope(scope: Scope) -> dict[str, Any]:
    # What others wrote has no such field.
    return {NAMED: 0} if scope == DEFAULT_SCOPE else {SCOPE: scope_text(scope)}


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
        case Bound():
            return _bound(predicate)


def _bound(bound: Bound) -> dict[str, Any]:
    compare = _compare_text if isinstance(bound.value, str) else _compare_number
    greatest = compare(bound, lambda word: companion(bound.name, greatest=True, word=word))
    if bound.greatest:
        return greatest
    least = compare(bound, lambda word: companion(bound.name, greatest=False, word=word))
    several = list_token(bound.name)
    one = {"$and": [{TOKENS: {"$not_contains": several}}, greatest]}
    return {"$or": [one, {"$and": [{TOKENS: {"$contains": several}}, least]}]}


def _compare_number(bound: Bound, key: Callable[[int | None], str]) -> dict[str, Any]:
    return {key(None): {str(bound.comparison): bound.value}}


def _compare_text(bound: Bound, key: Callable[[int | None], str]) -> dict[str, Any]:
    literal = words(str(bound.value))
    last = len(literal) - 1
    found: dict[str, Any] = {key(last): {str(bound.comparison): literal[last]}}
    strict = str(_STRICT.get(bound.comparison, bound.comparison))
    for place in range(last - 1, -1, -1):
        beyond = {key(place): {strict: literal[place]}}
        found = {"$or": [beyond, {"$and": [{key(place): {"$eq": literal[place]}}, found]}]}
    return found
