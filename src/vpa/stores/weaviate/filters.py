"""Predicates as Weaviate filters. No user text goes in but the bounds of comparisons, which are values, not
language.

A path has one property for its number and one for its text: the greatest. A list has also one for its least, and a
token that says so.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any, Final

from weaviate.classes.query import Filter
from weaviate.collections.classes.filters import _Filters

from vpa.base.scope import Scope
from vpa.filters.ast import Comparison
from vpa.stores.layout.driver import Where
from vpa.stores.layout.predicate import AllOf, AnyOf, Bound, Has, Lacks, Predicate
from vpa.stores.layout.sharing import DEFAULT_SCOPE
from vpa.stores.layout.tokens import EVERY, list_token, scope_text, token

TOKENS: Final = "vpa_t"
PART: Final = "vpa_part"
PAYLOAD: Final = "vpa_payload"
# Every record stands in one of so many parts, by its key.
PARTS: Final = 4096
# Records that an exact search looks through at once: half of what Weaviate searches exactly, as parts are uneven.
_AT_ONCE: Final = 20_000
TEXT_CHARACTERS: Final = 128  # Longer texts are compared here; Weaviate's inverted index keeps each of them whole.
_NOTHING: Final = "-"
# What a record of the default scope has. A scope is asked for by what its records have, never by what they lack: while
# Weaviate takes an object in, it stands under some of its tokens and not yet under others.
_DEFAULT: Final = token("@")
_OPERATORS: Final = {Comparison.GT: ">", Comparison.GTE: ">=", Comparison.LT: "<", Comparison.LTE: "<="}


def companion(name: str, kind: str, *, greatest: bool) -> str:
    """The property of a companion; `kind` is "n" or "s"."""
    return f"vpa_{kind}{name}{'' if greatest else 'l'}"


def text_companion(text: str) -> str:
    """What stands for a text: Weaviate trims white space at both ends, so there is none at the ends."""
    return f"!{text[:TEXT_CHARACTERS]}\x01"


def scope_tokens(scope: Scope) -> list[str]:
    """What a record of the scope has."""
    return [_DEFAULT if scope == DEFAULT_SCOPE else scope_text(scope)]


def everything() -> _Filters:
    """Holds for every object of ours."""
    return _has((EVERY,))


def part_of(key: str) -> int:
    """The part in which a key stands: three digits behind those that all keys of a scope share."""
    return int(key[9:12], 16)


def in_parts(first: int, last: int) -> _Filters:
    """Those from `first` up to `last`, which is not among them."""
    part = Filter.by_property(PART)
    return Filter.all_of([part.greater_or_equal(first), part.less_than(last)])


def divided(chosen: _Filters | None, *, count: int) -> list[_Filters]:
    """The filter, which `count` objects satisfy, in parts that few of them satisfy."""
    width = -(-PARTS // max(1, -(-count // _AT_ONCE)))
    parts = [in_parts(first, first + width) for first in range(0, PARTS, width)]
    return parts if chosen is None else [Filter.all_of([part, chosen]) for part in parts]


class Speller:
    """`known`: the class's properties, to ask for others is an error (None: any); `negates`: Weaviate 1.33 or later."""

    def __init__(self, *, known: Set[str] | None, negates: bool) -> None:
        self._known = known
        self._negates = negates
        self.unknown: set[str] = set()
        self.negated = False

    def spell(self, where: Where) -> _Filters | None:
        """None for every record of every scope."""
        parts: list[_Filters] = []
        if where.scope is not None:
            parts.append(_has(tuple(scope_tokens(where.scope))))
        predicate = where.predicate
        if predicate is not None:
            parts.append(self._spell(predicate))
        if self.negated:
            # By itself, what a negation leaves holds objects that were deleted (1.35.2).
            parts.insert(0, everything())
        if not parts:
            return None
        return parts[0] if len(parts) == 1 else Filter.all_of(parts)

    def _spell(self, predicate: Predicate) -> _Filters:
        match predicate:
            case AllOf(parts):
                return Filter.all_of([self._spell(part) for part in parts])
            case AnyOf(parts):
                return Filter.any_of([self._spell(part) for part in parts])
            case Has(tokens):
                return _has(tokens)
            case Lacks(tokens):
                return self._lacks(tokens)
            case Bound():
                return self._bound(predicate)

    def _lacks(self, tokens: tuple[str, ...]) -> _Filters:
        self.negated = True
        if self._negates:
            return Filter.by_property(TOKENS).contains_none(list(tokens))
        different = [Filter.by_property(TOKENS).not_equal(token) for token in tokens]
        return different[0] if len(different) == 1 else Filter.all_of(different)

    def _bound(self, bound: Bound) -> _Filters:
        greatest = self._compare(bound, greatest=True)
        if bound.greatest:
            return greatest
        several = (list_token(bound.name),)
        one = Filter.all_of([self._lacks(several), greatest])
        return Filter.any_of([one, Filter.all_of([_has(several), self._compare(bound, greatest=False)])])

    def _compare(self, bound: Bound, *, greatest: bool) -> _Filters:
        name = companion(bound.name, "s" if isinstance(bound.value, str) else "n", greatest=greatest)
        if self._known is not None and name not in self._known:
            # No record has such a value.
            self.unknown.add(name)
            return _has((_NOTHING,))
        target = Filter.by_property(name)
        literal: Any = text_companion(bound.value) if isinstance(bound.value, str) else bound.value
        match bound.comparison:
            case Comparison.GT:
                return target.greater_than(literal)
            case Comparison.GTE:
                return target.greater_or_equal(literal)
            case Comparison.LT:
                return target.less_than(literal)
            case Comparison.LTE:
                return target.less_or_equal(literal)


def _has(tokens: tuple[str, ...]) -> _Filters:
    return Filter.by_property(TOKENS).contains_any(list(tokens))


def readable(where: Where) -> Any:
    """The same as JSON, for explain."""
    predicate = where.predicate
    return None if predicate is None else _readable(predicate)


def _readable(predicate: Predicate) -> dict[str, Any]:
    match predicate:
        case AllOf(parts):
            return {"operator": "And", "operands": [_readable(part) for part in parts]}
        case AnyOf(parts):
            return {"operator": "Or", "operands": [_readable(part) for part in parts]}
        case Has(tokens):
            return {"path": TOKENS, "operator": "ContainsAny", "values": list(tokens)}
        case Lacks(tokens):
            return {"path": TOKENS, "operator": "ContainsNone", "values": list(tokens)}
        case Bound():
            return _readable_bound(predicate)


def _readable_bound(bound: Bound) -> dict[str, Any]:
    kind = "s" if isinstance(bound.value, str) else "n"
    literal = text_companion(bound.value) if isinstance(bound.value, str) else bound.value

    def compare(*, greatest: bool) -> dict[str, Any]:
        path = companion(bound.name, kind, greatest=greatest)
        return {"path": path, "operator": _OPERATORS[bound.comparison], "value": literal}

    if bound.greatest:
        return compare(greatest=True)
    several = (list_token(bound.name),)
    one = {"operator": "And", "operands": [_readable(Lacks(several)), compare(greatest=True)]}
    many = {"operator": "And", "operands": [_readable(Has(several)), compare(greatest=False)]}
    return {"operator": "Or", "operands": [one, many]}
