"""Hypothesis strategies: metadata of every allowed kind, and filters in both notations at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from hypothesis import strategies as st

from vpa.base.errors import InvalidRecordError
from vpa.base.metadata import Metadata, canonical_metadata
from vpa.filters import F, Filter

KEYS = ("a", "b", "c", "a.b", "x y", 'quo"te', "id", "text", "ключ", "semi;colon")
PATHS = (*KEYS, "a.c", "b.a", "a.b.c", "never")

_characters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
_texts = st.one_of(
    st.sampled_from(
        ("", "x", "y", "1", "true", "Zed", "é", "😀", "\uffff", "'; DROP TABLE t; --", 'a"b\\c', "line\nbreak")
    ),
    st.text(_characters, max_size=8),
)
_numbers = st.one_of(
    st.sampled_from((0, 1, -1, 2, 1.0, 2.5, -0.0, 2**53, 2**53 + 1, float(2**53), -(2**63), 2**63 - 1, 5e-324, 1e308)),
    st.integers(-5, 5),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
)
_offsets = st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours)))
_moments = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=_offsets)
# Three spellings of one moment, the next microsecond, and texts that name none.
_dates = st.sampled_from(
    (
        "2024-05-01T10:00:00+02:00",
        "2024-05-01 08:00Z",
        "2024-05-01T08:00:00.000000Z",
        "2024-05-01t08:00:00.000001z",
        "2024-05-01T08:00:00",
        "2024-05-01",
        "2024-13-01T08:00:00Z",
    )
)
_cased = st.sampled_from(("X", "x", "Straße", "STRASSE", "strasse", "İ", "ǆ", "ǅ"))
_booleans = st.booleans()


def _or_none(kind: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(kind, st.none())


lists = st.one_of(*(st.lists(_or_none(kind), max_size=3) for kind in (_texts, _dates, _numbers, _booleans)))
scalars = st.one_of(_texts, _numbers, _booleans, st.none(), _moments, _dates, _cased)
values = st.recursive(
    st.one_of(scalars, lists),
    lambda inner: st.dictionaries(st.sampled_from(("a", "b", "c")), inner, max_size=2),
    max_leaves=3,
)


def _without_repeated_paths(metadata: dict[str, Any]) -> dict[str, Any]:
    # Only the flat key "a.b" can name a path that a nested mapping names too.
    try:
        canonical_metadata(metadata)
    except InvalidRecordError:
        return {key: value for key, value in metadata.items() if key != "a.b"}
    return metadata


raw_metadata = st.dictionaries(st.sampled_from(KEYS), values, max_size=4).map(_without_repeated_paths)
metadata: st.SearchStrategy[Metadata] = raw_metadata.map(canonical_metadata)


class Pair(NamedTuple):
    """One filter in both notations."""

    json: dict[str, Any]
    python: Filter


_ranges = st.one_of(_texts, _numbers, _moments, _dates)
_beginnings = st.one_of(_texts, _dates, st.sampled_from(("2024-", "S", "2024-05-01T08:00")))
_RANGE_OPERATORS: dict[str, Callable[[F, Any], Filter]] = {
    "$gt": lambda field, value: field > value,
    "$gte": lambda field, value: field >= value,
    "$lt": lambda field, value: field < value,
    "$lte": lambda field, value: field <= value,
}
_VALUE_OPERATORS: dict[str, Callable[[F, Any], Filter]] = {
    "$eq": lambda field, value: field == value,
    "$ne": lambda field, value: field != value,
    "$contains": lambda field, value: field.contains(value),
}
_TEXT_OPERATORS: dict[str, Callable[[F, str], Filter]] = {
    "$starts_with": lambda field, text: field.starts_with(text),
    "$iequals": lambda field, text: field.iequals(text),
}
_LIST_OPERATORS: dict[str, Callable[[F, list[Any]], Filter]] = {
    "$in": lambda field, many: field.is_in(many),
    "$nin": lambda field, many: field.not_in(many),
    "$contains_any": lambda field, many: field.contains_any(*many),
    "$contains_all": lambda field, many: field.contains_all(*many),
}


def _leaf(operators: dict[str, Any], operand: st.SearchStrategy[Any]) -> st.SearchStrategy[Pair]:
    return st.builds(
        lambda path, name, value: Pair({path: {name: value}}, operators[name](F(path), value)),
        st.sampled_from(PATHS),
        st.sampled_from(sorted(operators)),
        operand,
    )


_exists = st.builds(
    lambda path, flag: Pair({path: {"$exists": flag}}, F(path).exists(flag)), st.sampled_from(PATHS), st.booleans()
)
# A bare "*" is refused: elsewhere it is a wildcard.
_bare = st.builds(
    lambda path, value: Pair({path: value}, F(path) == value),
    st.sampled_from(PATHS),
    scalars.filter(lambda value: value != "*"),
)
leaves = st.one_of(
    _leaf(_RANGE_OPERATORS, _ranges),
    _leaf(_VALUE_OPERATORS, scalars),
    _leaf(_TEXT_OPERATORS, st.one_of(_beginnings, _cased)),
    _leaf(_LIST_OPERATORS, st.lists(scalars, max_size=3)),
    _exists,
    _bare,
)


def _both(parts: list[Pair]) -> Pair:
    python = parts[0].python
    for part in parts[1:]:
        python = python & part.python
    return Pair({"$and": [part.json for part in parts]}, python)


def _either(parts: list[Pair]) -> Pair:
    python = parts[0].python
    for part in parts[1:]:
        python = python | part.python
    return Pair({"$or": [part.json for part in parts]}, python)


def _compound(inner: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        several.map(_both),
        several.map(_either),
        several.map(lambda parts: Pair({"$nor": [part.json for part in parts]}, ~_either(parts).python)),
        inner.map(lambda part: Pair({"$not": part.json}, ~part.python)),
    )


filters: st.SearchStrategy[Pair] = st.recursive(leaves, _compound, max_leaves=6)

ids = st.one_of(
    st.sampled_from(("a", "b", "c", "ä", "x y", "'", "1")),
    st.text(_characters, min_size=1, max_size=10),
)


def vectors(dimension: int) -> st.SearchStrategy[list[float]]:
    """Vectors with a direction, on a coarse grid, so that equal scores occur."""
    coordinates = st.integers(-3, 3).map(float)
    return st.lists(coordinates, min_size=dimension, max_size=dimension).filter(lambda v: math.hypot(*v) > 0)
