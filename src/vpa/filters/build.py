"""Makes leaves from operators and untrusted literals: the one place where an operator is given its tree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from vpa.base.errors import InvalidFilterError
from vpa.base.metadata import Scalar, ValueRuleError, canonical_scalar, check_text
from vpa.base.showing import shown
from vpa.filters.ast import (
    ALWAYS,
    MAX_LITERALS,
    NEVER,
    And,
    Comparison,
    Eq,
    EqIgnoringCase,
    Exists,
    Field,
    Filter,
    In,
    Literal,
    Not,
    Or,
    Range,
    StartsWith,
)

_SCALARS_ONLY: Final = "compares with one value"


def field(path: object, *, system: bool = False, at: str = "") -> Field:
    """A checked field; raises InvalidFilterError."""
    if not isinstance(path, str) or not path:
        raise _error(at, f"a field is a non-empty string, not {shown(path)}")
    try:
        return Field(check_text(path), system)
    except ValueRuleError as error:
        raise _error(at, f"field {shown(path)} {error}") from None


def eq(target: Field, value: object, *, at: str) -> Filter:
    """`eq` and `contains`; with None, the field is missing."""
    literal = _literal(value, target, at)
    return Not(Exists(target)) if literal is None else Eq(target, literal)


def ne(target: Field, value: object, *, at: str) -> Filter:
    """The complement of `eq`: also true where the field is missing."""
    literal = _literal(value, target, at)
    return Exists(target) if literal is None else Not(Eq(target, literal))


def is_in(target: Field, values: object, *, at: str) -> Filter:
    """`in` and `contains_any`: the `or` of the `eq`s."""
    literals = _literals(values, target, at)
    present = tuple(value for value in literals if value is not None)
    found: Filter = In(target, present) if present else NEVER
    if len(present) == len(literals):
        return found
    missing = Not(Exists(target))
    return Or((found, missing)) if present else missing


def not_in(target: Field, values: object, *, at: str) -> Filter:
    """The complement of `in`."""
    inside = is_in(target, values, at=at)
    return ALWAYS if inside is NEVER else Not(inside)


def contains_all(target: Field, values: object, *, at: str) -> Filter:
    """The `and` of the `eq`s."""
    parts = tuple(eq(target, value, at=at) for value in _literals(values, target, at))
    if not parts:
        return ALWAYS
    return parts[0] if len(parts) == 1 else And(parts)


def compare(target: Field, comparison: Comparison, value: object, *, at: str) -> Filter:
    """A range leaf: numbers and strings have an order, nothing else has."""
    literal = None if isinstance(value, list | tuple | Mapping) else _literal(value, target, at)
    if literal is None or isinstance(literal, bool):
        raise _error(at, f"{comparison} needs a number, a string or a datetime, not {shown(value)}")
    return Range(target, comparison, literal)


def starts_with(target: Field, prefix: object, *, at: str) -> Filter:
    """A text that begins so; with an empty prefix, any text."""
    text = _text(prefix, target, at=at, operator="$starts_with")
    return StartsWith(target, text) if text else Range(target, Comparison.GTE, "")


def equals_ignoring_case(target: Field, value: object, *, at: str) -> Filter:
    """A text that is the same but for its case."""
    return EqIgnoringCase(target, _text(value, target, at=at, operator="$iequals"))


def _text(value: object, target: Field, *, at: str, operator: str) -> str:
    literal = None if isinstance(value, list | tuple | Mapping) else _literal(value, target, at)
    if not isinstance(literal, str):
        raise _error(at, f"{operator} takes a text, not {shown(value)}")
    return literal


def exists(target: Field, flag: object, *, at: str) -> Filter:
    """The field has a value, or (False) has none."""
    if not isinstance(flag, bool | np.bool_):
        raise _error(at, f"$exists takes true or false, not {shown(flag)}")
    return Exists(target) if flag else Not(Exists(target))


def _literal(value: object, target: Field, at: str) -> Scalar:
    if isinstance(value, Mapping):
        name = next(iter(value), "name")
        raise _error(
            at,
            f"{_SCALARS_ONLY}, not with a mapping; to reach inside use the path {target.path + '.' + _text_of(name)!r}",
        )
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        raise _error(at, f"{_SCALARS_ONLY}, not with a list; use $in for any of them, $contains_all for all of them")
    try:
        return canonical_scalar(value)
    except ValueRuleError as error:
        raise _error(at, f"the literal {shown(value)} {error}") from None


def _literals(values: object, target: Field, at: str) -> list[Literal | None]:
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise _error(at, f"takes a list of values, not {shown(values)}")
    found = list(values)
    if len(found) > MAX_LITERALS:
        raise _error(at, f"has {len(found)} literals; a filter holds at most {MAX_LITERALS}")
    return [_literal(value, target, at) for value in found]


def _text_of(key: object) -> str:
    return key if isinstance(key, str) else shown(key)


def _error(at: str, problem: str) -> InvalidFilterError:
    return InvalidFilterError(f"filter at {at or 'the top'}: {problem}")
