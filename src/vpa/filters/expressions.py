"""Filters in Python: `(F("year") >= 2020) & F("tags").contains_any("a", "b")`."""

from __future__ import annotations

from collections.abc import Iterable

from vpa.base.guessed import FILTER_VERBS, Guessed
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

    def is_in(self, values: Iterable[object]) -> Filter:
        """Some value is among `values`."""
        return build.is_in(self._field, values, at=self._at("is_in"))

    def not_in(self, values: Iterable[object]) -> Filter:
        """No value is among `values`; also true where the field is missing."""
        return build.not_in(self._field, values, at=self._at("not_in"))

    def contains(self, value: object) -> Filter:
        """The list holds `value` (on a scalar: equals it). Never a substring test."""
        return build.eq(self._field, value, at=self._at("contains"))

    def contains_any(self, *values: object) -> Filter:
        """The list holds at least one of `values`."""
        return build.is_in(self._field, values, at=self._at("contains_any"))

    def contains_all(self, *values: object) -> Filter:
        """The list holds every one of `values`."""
        return build.contains_all(self._field, values, at=self._at("contains_all"))

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
