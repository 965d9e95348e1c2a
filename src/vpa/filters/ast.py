"""The filter tree. Everything is built from six leaves, three connectives and two constants.

`ne`, `nin`, `contains…` and comparisons with None are written in these terms by `build.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from vpa.base.showing import shown

Literal: TypeAlias = str | int | float | bool
MAX_DEPTH: Final = 32  # Far above what people write; below what Python's recursion and the stores' parsers take.
MAX_LITERALS: Final = 10_000


class Comparison(StrEnum):
    """The four orders of a range leaf."""

    GT = "$gt"
    GTE = "$gte"
    LT = "$lt"
    LTE = "$lte"


@dataclass(frozen=True, slots=True)
class Field:
    """A dotted path into the metadata, or a name in `Record.system`."""

    path: str
    system: bool = False

    def __hash__(self) -> int:
        # Columns are looked up by it for every value that is written; a string keeps its hash.
        return hash(self.path)


class Filter:
    """A node of the tree. Combine with `&`, `|` and `~`."""

    # Notes of `normalize.normal` and `render.canonical_text`. Nodes never change, so a note never becomes untrue;
    # equality, hashes and copies do not see them.
    __slots__ = ("_canonical_text", "_is_normal")
    _canonical_text: str
    _is_normal: bool

    def __and__(self, other: Filter) -> Filter:
        return And(_members(self, _filter(other), And))

    def __or__(self, other: Filter) -> Filter:
        return Or(_members(self, _filter(other), Or))

    def __invert__(self) -> Filter:
        return Not(self)

    def __bool__(self) -> bool:
        raise TypeError("a filter has no truth value: combine filters with & | ~, not with and, or, not")


def _filter(other: object) -> Filter:
    if isinstance(other, Filter):
        return other
    raise TypeError(
        f"a filter is joined with another filter, not with {shown(other)}: put each comparison in parentheses, as in "
        '(F("a") > 1) & (F("b") == 2), or write the whole filter as a mapping'
    )


def _members(left: Filter, right: Filter, kind: type[And] | type[Or]) -> tuple[Filter, ...]:
    parts: tuple[Filter, ...] = ()
    for side in (left, right):
        parts += side.parts if isinstance(side, kind) else (side,)
    return parts


@dataclass(frozen=True, slots=True)
class Eq(Filter):
    """Some value of the field equals `value` (of the same kind)."""

    field: Field
    value: Literal


@dataclass(frozen=True, slots=True)
class In(Filter):
    """Some value of the field equals one of `values`."""

    field: Field
    values: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Range(Filter):
    """Some value of the field, a number or a string as `value` is, compares so with it."""

    field: Field
    comparison: Comparison
    value: str | int | float


@dataclass(frozen=True, slots=True)
class StartsWith(Filter):
    """Some text of the field begins with `prefix`, which is not empty."""

    field: Field
    prefix: str


@dataclass(frozen=True, slots=True)
class EqIgnoringCase(Filter):
    """Some text of the field equals `value` when both are case-folded."""

    field: Field
    value: str


@dataclass(frozen=True, slots=True)
class Exists(Filter):
    """The field, or something below it, has a value."""

    field: Field


@dataclass(frozen=True, slots=True)
class Not(Filter):
    """The plain complement of `part`."""

    part: Filter


@dataclass(frozen=True, slots=True)
class And(Filter):
    """All of `parts` hold."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or(Filter):
    """One of `parts` holds."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Constant(Filter):
    """Holds for every record, or for none."""

    value: bool


ALWAYS: Final[Filter] = Constant(True)
NEVER: Final[Filter] = Constant(False)
Leaf: TypeAlias = Eq | In | Range | StartsWith | EqIgnoringCase | Exists


def children(node: Filter) -> tuple[Filter, ...]:
    """The nodes directly below."""
    if isinstance(node, And | Or):
        return node.parts
    return (node.part,) if isinstance(node, Not) else ()


def leaves(node: Filter) -> Iterator[Filter]:
    """Every leaf and constant, left to right."""
    below = children(node)
    if not below:
        yield node
    for part in below:
        yield from leaves(part)


def depth(node: Filter, limit: int = MAX_DEPTH) -> int:
    """How many connectives are nested, a leaf being 0; stops counting above `limit`, so it never recurses far."""
    below = children(node)
    if not below or limit < 0:
        return 0
    return 1 + max(depth(part, limit - 1) for part in below)
