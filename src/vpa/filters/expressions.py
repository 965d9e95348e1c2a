"""Filters in Python: `(F("year") >= 2020) & F("tags").contains_any("a", "b")`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vpa.base.guessed import FILTER_VERBS, Guessed
from vpa.base.showing import shown
from vpa.filters import build
from vpa.filters.ast import Comparison, Filter


class F(Guessed):
    """A field of the metadata by its dotted path; comparing it gives a filter.

    A field is a set of values: missing and None are the empty set, a scalar a set of one, a list its elements.
    A comparison holds if some value satisfies it; `!=` is the plain complement of `==`, so it also holds where the
    field is missing. Text that names a moment (date, time and offset) is compared as that moment.
    Raises InvalidFilterError for values that cannot be compared.
    """

    __slots__ = ("_field",)
    _GUESSES = FILTER_VERBS

    def __init__(self, path: str) -> None:
        self._field = build.field(path)

    @classmethod
    def system(cls, name: str) -> F:
        """A field of `Record.system`, for the layers above a store."""
        made = cls(name)
        made._field = build.field(name, system=True)
        return made

    def __eq__(self, value: object) -> Filter:  # type: ignore[override]
        return build.eq(self._field, value, at=self._at("=="))

    def __ne__(self, value: object) -> Filter:  # type: ignore[override]
        return build.ne(self._field, value, at=self._at("!="))

    def __gt__(self, value: object) -> Filter:
        return build.compare(self._field, Comparison.GT, value, at=self._at(">"))

    def __ge__(self, value: object) -> Filter:
        return build.compare(self._field, Comparison.GTE, value, at=self._at(">="))

    def __lt__(self, value: object) -> Filter:
        return build.compare(self._field, Comparison.LT, value, at=self._at("<"))

    def __le__(self, value: object) -> Filter:
        return build.compare(self._field, Comparison.LTE, value, at=self._at("<="))

    __hash__ = None  # type: ignore[assignment]

    def _unbound(self, other: object) -> Filter:
        """`F("a") > 1 & F("b") == 2`: Python takes `1 & F("b")` first."""
        raise TypeError(
            f"{self!r} and {shown(other)} are joined before they are compared: put each comparison in parentheses, as "
            'in (F("a") > 1) & (F("b") == 2)'
        )

    __and__ = __rand__ = __or__ = __ror__ = _unbound

    def __getitem__(self, key: object) -> F:
        raise TypeError(f"a path below a field is written with dots: F({self._field.path + '.' + str(key)!r})")

    def is_in(self, values: Iterable[object], *more: object) -> Filter:
        """Some value is among `values`."""
        return build.is_in(self._field, _listed(values, more), at=self._at("is_in"))

    def not_in(self, values: Iterable[object], *more: object) -> Filter:
        """No value is among `values`; also true where the field is missing."""
        return build.not_in(self._field, _listed(values, more), at=self._at("not_in"))

    def contains(self, value: object) -> Filter:
        """The list holds `value` (on a scalar: equals it). Never a substring test."""
        return build.eq(self._field, value, at=self._at("contains"))

    def contains_any(self, *values: object) -> Filter:
        """The list holds at least one of `values`."""
        return build.is_in(self._field, _one_list(values), at=self._at("contains_any"))

    def contains_all(self, *values: object) -> Filter:
        """The list holds every one of `values`."""
        return build.contains_all(self._field, _one_list(values), at=self._at("contains_all"))

    def starts_with(self, prefix: str) -> Filter:
        """Some text begins with `prefix`; case counts."""
        return build.starts_with(self._field, prefix, at=self._at("starts_with"))

    def iequals(self, value: str) -> Filter:
        """Some text equals `value` but for case, as Unicode folds it: `"STRASSE"` and `"Straße"` are equal."""
        return build.equals_ignoring_case(self._field, value, at=self._at("iequals"))

    def exists(self, flag: bool = True) -> Filter:
        """The field has a value (`exists(False)`: it has none)."""
        return build.exists(self._field, flag, at=self._at("exists"))

    def missing(self) -> Filter:
        """The field has no value."""
        return build.exists(self._field, False, at=self._at("missing"))

    def __repr__(self) -> str:
        return f"F.system({self._field.path!r})" if self._field.system else f"F({self._field.path!r})"

    def _at(self, operator: str) -> str:
        return f"F({self._field.path!r}) {operator}"


def _listed(values: Any, more: tuple[object, ...]) -> Any:
    """The values of a call with one list, or with several values."""
    return (values, *more) if more else values


def _one_list(values: tuple[object, ...]) -> tuple[object, ...]:
    """The values of a call with several, or with one list of them."""
    [only] = values if len(values) == 1 else [None]
    return tuple(only) if isinstance(only, list | tuple | set | frozenset) else values
