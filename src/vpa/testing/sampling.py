"""Filters drawn from a seed, the same on every machine: what the share of pushed-down leaves is measured over."""

from __future__ import annotations

import random
from typing import Any, Final

_PATHS: Final = ("year", "category", "tags", "author.name", "price", "draft", "language", "at")
_WORDS: Final = ("a", "physics", "2024-01-01", "déjà vu", "it's", "zz top", "en", "B")
# Integers, fractions, large and small: each has a literal of its own in every store.
_NUMBERS: Final = (0, 1, -3, 2024, 2.5, 1e9, 0.001, 2**40)
_OPERATORS: Final = (
    "$eq",
    "$ne",
    "$in",
    "$nin",
    "$gt",
    "$gte",
    "$lt",
    "$lte",
    "$exists",
    "$contains",
    "$contains_any",
    "$contains_all",
    "$starts_with",
    "$iequals",
)


def filters_from_seed(seed: int, count: int) -> list[dict[str, Any]]:
    """`count` filters in JSON notation, of up to three levels: every operator, every kind of value, half of them
    compound.
    """
    source = random.Random(seed)
    return [_filter(source, levels=source.choice((0, 0, 1, 2))) for _ in range(count)]


def _filter(source: random.Random, *, levels: int) -> dict[str, Any]:
    if levels == 0:
        return _leaf(source)
    operator = source.choice(("$and", "$and", "$or", "$not"))
    if operator == "$not":
        return {"$not": _filter(source, levels=levels - 1)}
    return {operator: [_filter(source, levels=source.randint(0, levels - 1)) for _ in range(source.randint(2, 3))]}


def _leaf(source: random.Random) -> dict[str, Any]:
    path, operator = source.choice(_PATHS), source.choice(_OPERATORS)
    if operator == "$exists":
        return {path: {operator: source.random() < 0.5}}
    if operator in ("$in", "$nin", "$contains_any", "$contains_all"):
        return {path: {operator: [_value(source) for _ in range(source.randint(1, 4))]}}
    if operator in ("$starts_with", "$iequals"):
        return {path: {operator: source.choice(_WORDS)}}
    if operator in ("$gt", "$gte", "$lt", "$lte"):
        # Numbers and dates are compared more often than words.
        return {path: {operator: source.choice(_NUMBERS) if source.random() < 0.7 else source.choice(_WORDS)}}
    return {path: {operator: _value(source)}}


def _value(source: random.Random) -> Any:
    return source.choice((source.choice(_WORDS), source.choice(_NUMBERS), source.random() < 0.5))
