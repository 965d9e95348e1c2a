"""A filter in the terms of the layout: membership of tokens and comparisons with companions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from vpa.base.metadata import kind_of
from vpa.filters import Filter
from vpa.filters.ast import ALWAYS, And, Comparison, Eq, EqIgnoringCase, Exists, In, Not, Or, Range
from vpa.stores.layout.tokens import (
    companion_name,
    fold,
    fold_token,
    kind_token,
    presence_tokens,
    seen,
    value_token,
)


@dataclass(frozen=True, slots=True)
class Has:
    """At least one of the tokens is there."""

    tokens: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lacks:
    """None of the tokens is there."""

    tokens: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bound:
    """A companion compares so with a literal: the greatest for > and >=, the least for < and <= (or the reverse,
    negated).
    """

    name: str
    greatest: bool
    comparison: Comparison
    value: float | str


@dataclass(frozen=True, slots=True)
class AllOf:
    """Holds where every part holds."""

    parts: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Holds where some part holds."""

    parts: tuple[Predicate, ...]


Predicate: TypeAlias = Has | Lacks | Bound | AllOf | AnyOf

OPPOSITE: Final[Mapping[Comparison, Comparison]] = {
    Comparison.GT: Comparison.LTE,
    Comparison.GTE: Comparison.LT,
    Comparison.LT: Comparison.GTE,
    Comparison.LTE: Comparison.GT,
}


def compile_filter(node: Filter) -> Predicate | None:
    """The predicate of a normalised filter that is not NEVER; None stands for always."""
    return None if node is ALWAYS else _compile(node)


def _compile(node: Filter) -> Predicate:
    match node:
        case And(parts):
            return AllOf(tuple(_compile(part) for part in parts))
        case Or(parts):
            return _any_of(tuple(_compile(part) for part in parts))
        case Not(Range() as leaf):
            return _range(leaf, negated=True)
        case Range():
            return _range(node, negated=False)
        case Not(part):
            return Lacks(_tokens(part))
    return Has(_tokens(node))


def _any_of(parts: tuple[Predicate, ...]) -> Predicate:
    # Several "has one of" under an `or` are one.
    tokens = tuple(token for part in parts if isinstance(part, Has) for token in part.tokens)
    others = tuple(part for part in parts if not isinstance(part, Has))
    merged: tuple[Predicate, ...] = ((Has(tokens),) if tokens else ()) + others
    return merged[0] if len(merged) == 1 else AnyOf(merged)


def _tokens(leaf: Filter) -> tuple[str, ...]:
    match leaf:
        case Eq(field, value):
            return (value_token(field, value),)
        case In(field, values):
            return tuple(dict.fromkeys(value_token(field, value) for value in values))
        case EqIgnoringCase(field, value):
            # A text that is case-folded already has no token for it.
            small = fold(field, value)
            return (value_token(field, small), fold_token(field, small))
        case Exists(field):
            return presence_tokens(field)
    raise TypeError(f"not a leaf: {leaf!r}")


def _range(leaf: Range, *, negated: bool) -> Predicate:
    kind = kind_of(leaf.value)
    present = kind_token(leaf.field, kind)
    value = seen(leaf.field, leaf.value) if isinstance(leaf.value, str) else float(leaf.value) + 0.0
    greatest = leaf.comparison in (Comparison.GT, Comparison.GTE)
    name = companion_name(leaf.field)
    if negated:
        return AnyOf((Lacks((present,)), Bound(name, greatest, OPPOSITE[leaf.comparison], value)))
    return AllOf((Has((present,)), Bound(name, greatest, leaf.comparison, value)))


def size(predicate: Predicate | None, of_bound: int = 1) -> int:
    """How many terms a store has to evaluate; a comparison may take more than one."""
    match predicate:
        case None:
            return 0
        case AllOf(parts) | AnyOf(parts):
            return sum(size(part, of_bound) for part in parts)
        case Has(tokens) | Lacks(tokens):
            return len(tokens)
    return of_bound
