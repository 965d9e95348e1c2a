"""Predicates as Weaviate filters. No user text goes in but the bounds of comparisons, which are values, not
language.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any, Final

from weaviate.classes.query import Filter
from weaviate.collections.classes.filters import _Filters

from vpa.filters.ast import Comparison
from vpa.stores.layout.driver import Where
from vpa.stores.layout.predicate import AllOf, AnyOf, Bound, Has, Lacks, Predicate
from vpa.stores.layout.tokens import EVERY, scope_token

TOKENS: Final = "vpa_t"
KEY: Final = "vpa_key"
PAYLOAD: Final = "vpa_payload"
TEXT_CHARACTERS: Final = 128  # Longer texts are compared here; Weaviate's inverted index keeps each of them whole.
_NOTHING: Final = "-"
_OPERATORS: Final = {Comparison.GT: ">", Comparison.GTE: ">=", Comparison.LT: "<", Comparison.LTE: "<="}


def companion(name: str, kind: str, greatest: bool) -> str:
    """The property of a companion; `kind` is "n" or "s"."""
    return f"vpa_{kind}{name}{'g' if greatest else 'l'}"


def text_companion(text: str) -> str:
    """What stands for a text: Weaviate trims white space at both ends, so there is none at the ends."""
    return f"!{text[:TEXT_CHARACTERS]}\x01"


class Speller:
    """`known`: the class's properties, to ask for others is an error (None: any); `negates`: Weaviate 1.33 or later."""

    def __init__(self, *, known: Set[str] | None, negates: bool) -> None:
        self._known = known
        self._negates = negates
        self.unknown: set[str] = set()

    def spell(self, where: Where) -> _Filters:
        """Never None: with a filter, a search among few is exact. Two leaves at least, or Weaviate cuts before it
        sorts.
        """
        parts: list[_Filters] = [_has((EVERY,)), _has((EVERY if where.scope is None else scope_token(where.scope),))]
        if where.predicate is not None:
            parts.append(self._spell(where.predicate))
        return Filter.all_of(parts)

    def _spell(self, predicate: Predicate) -> _Filters:
        match predicate:
            case AllOf(parts):
                return Filter.all_of([self._spell(part) for part in parts])
            case AnyOf(parts):
                return Filter.any_of([self._spell(part) for part in parts])
            case Has(tokens):
                return _has(tokens)
            case Lacks(tokens):
                if self._negates:
                    return Filter.by_property(TOKENS).contains_none(list(tokens))
                different = [Filter.by_property(TOKENS).not_equal(token) for token in tokens]
                return different[0] if len(different) == 1 else Filter.all_of(different)
            case Bound(name, greatest, comparison, value):
                return self._bound(companion(name, "s" if isinstance(value, str) else "n", greatest), comparison, value)

    def _bound(self, name: str, comparison: Comparison, value: float | str) -> _Filters:
        if self._known is not None and name not in self._known:
            # No record has such a value.
            self.unknown.add(name)
            return _has((_NOTHING,))
        target = Filter.by_property(name)
        literal: Any = text_companion(value) if isinstance(value, str) else value
        match comparison:
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
    return None if where.predicate is None else _readable(where.predicate)


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
        case Bound(name, greatest, comparison, value):
            path = companion(name, "s" if isinstance(value, str) else "n", greatest)
            literal = text_companion(value) if isinstance(value, str) else value
            return {"path": path, "operator": _OPERATORS[comparison], "value": literal}
