"""Fields beyond those that have properties of their own: they are compared by tokens of their prefixes.

To declare a property takes Weaviate the longer the more there are, one after the other: a thousand of them minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any, Final

from weaviate.classes.query import Filter
from weaviate.collections.classes.filters import _Filters

from vpa.filters.ast import Comparison
from vpa.stores.layout.predicate import OPPOSITE, Bound
from vpa.stores.layout.prefixes import beyond, prefixes, present
from vpa.stores.weaviate.filters import TOKENS, Speller

# Properties of a class for numbers and texts.
MOST: Final = 64
# Two processes may declare at once, and see it late: filters ask for tokens long before there can be any.
_MANY: Final = MOST // 2
_OF_COMPANIONS: Final = ("vpa_n", "vpa_s")
_NOTHING: Final = "-"


def _companions(known: Set[str]) -> int:
    return sum(name.startswith(_OF_COMPANIONS) and not name.endswith("l") for name in known)


def to_declare(needed: Mapping[str, Any], known: Set[str]) -> list[str]:
    """Those of the properties that are missing and for which there is room; first those that stand first.

    The least value of a field follows its greatest, so that all records have a field in one form.
    """
    room, found = MOST - _companions(known), []
    allowed = set(known)
    for name in needed:
        if name in known or (name.endswith("l") and name[:-1] not in allowed):
            continue
        if not name.endswith("l"):
            if room <= 0:
                continue
            room -= 1
        allowed.add(name)
        found.append(name)
    return found


def tokens_of(name: str, ends: Iterable[float | str]) -> list[str]:
    """What stands in place of the properties of a field."""
    values = dict.fromkeys(ends)
    return list(dict.fromkeys(one for value in values for one in (present(name, value), *prefixes(name, value))))


class OrderSpeller(Speller):
    """Compares with properties, and with tokens where the class has so many properties that some fields have none."""

    def __init__(self, *, known: Set[str], negates: bool) -> None:
        super().__init__(known=known, negates=negates)
        self._by_tokens = _companions(known) >= _MANY

    def _bound(self, bound: Bound) -> _Filters:
        declared = super()._bound(bound)
        return Filter.any_of([declared, self._among_tokens(bound)]) if self._by_tokens else declared

    def _among_tokens(self, bound: Bound) -> _Filters:
        # A record has the prefixes of its least and its greatest value: "greatest > x" is "one of them > x", and
        # "greatest <= x" is "none of them > x".
        if (bound.comparison in (Comparison.GT, Comparison.GTE)) is bound.greatest:
            return _has(beyond(bound.name, bound.comparison, bound.value) or [_NOTHING])
        there = _has([present(bound.name, bound.value)])
        opposite = beyond(bound.name, OPPOSITE[bound.comparison], bound.value)
        return Filter.all_of([there, self._lacks(tuple(opposite))]) if opposite else there


def _has(tokens: list[str]) -> _Filters:
    return Filter.by_property(TOKENS).contains_any(tokens)
