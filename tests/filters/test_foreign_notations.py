"""Filters of other libraries are named, with the same filter in vpa's notation; none of them finds nothing silently."""

from __future__ import annotations

from typing import Any

import pytest

import vpa
from vpa.filters import as_filter


@pytest.mark.parametrize(
    ("theirs", "name", "ours"),
    [
        ({"field": "meta.n", "operator": "==", "value": 3}, "Haystack", {"n": {"$eq": 3}}),
        (
            {"operator": "AND", "conditions": [{"field": "meta.n", "operator": "not in", "value": [3]}]},
            "Haystack",
            {"$and": [{"n": {"$nin": [3]}}]},
        ),
        ({"key": "n", "operator": ">=", "value": 3}, "LlamaIndex", {"n": {"$gte": 3}}),
        (
            {"filters": [{"key": "n", "operator": "any", "value": ["a"]}], "condition": "or"},
            "LlamaIndex",
            {"$or": [{"n": {"$contains_any": ["a"]}}]},
        ),
        ({"key": "n", "match": {"value": 3}}, "Qdrant", {"n": 3}),
        ({"key": "n", "match": {"any": [3]}}, "Qdrant", {"n": {"$in": [3]}}),
        ({"must": [{"key": "n", "range": {"gte": 3}}]}, "Qdrant", {"$and": [{"n": {"$gte": 3}}]}),
        ({"AND": [{"n": 3}, {"OR": [{"m": 1}]}]}, "mem0", {"$and": [{"n": 3}, {"$or": [{"m": 1}]}]}),
        ({"NOT": [{"n": 3}]}, "mem0", {"$nor": [{"n": 3}]}),
    ],
)
def test_it_is_named_and_shown_in_ours(theirs: dict[str, Any], name: str, ours: dict[str, Any]) -> None:
    for condition in (theirs, {"$and": [theirs]}):
        with pytest.raises(vpa.InvalidFilterError) as caught:
            as_filter(condition)
        assert f"this is {name}'s notation; in vpa's it is {ours!r}" in str(caught.value)
    as_filter(ours)


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        ({"n": {"gte": 3}}, "operators begin with $: write {'n': {'$gte': 3}}"),
        ({"n": {"$like": "a%"}}, "$starts_with"),
        ({"n": {"$regex": "a"}}, "$starts_with"),
        ({"n": {"$between": [1, 2]}}, '"$gte": …, "$lte": …'),
    ],
)
def test_operators_of_others_lead_to_ours(theirs: dict[str, Any], said: str) -> None:
    with pytest.raises(vpa.InvalidFilterError) as caught:
        as_filter(theirs)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "ours",
    [
        {"field": "a", "operator": "plus", "value": 1},
        {"key": "a", "value": 1},
        {"must": "be", "should": "be"},
        {"filters": "paper"},
        {"AND": ["a", "b"]},
        {"match": 1},
    ],
)
def test_fields_of_these_names_are_fields(ours: dict[str, Any]) -> None:
    assert as_filter({"$and": [{name: {"$exists": True}} for name in ours]}) is not None
    if "AND" not in ours:
        as_filter(ours)
