"""A filter is checked, normalized and rendered once: what `normal` returned goes through it again for nothing."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given

from vpa.base.errors import InvalidFilterError
from vpa.filters import F, as_filter, canonical_text, matches, normal, normalize
from vpa.filters import parse as parsing
from vpa.testing import strategies


@given(strategies.filters, strategies.metadata)
def test_normal_is_the_checked_normal_form(pair: strategies.Pair, metadata: dict[str, Any]) -> None:
    node = normal(pair.json)
    assert canonical_text(node) == canonical_text(normalize(as_filter(pair.python)))
    assert matches(node, metadata) == matches(as_filter(pair.json), metadata)


@given(strategies.filters)
def test_what_is_normal_is_returned_as_it_is(pair: strategies.Pair) -> None:
    node = normal(pair.json)
    assert normal(node) is node
    assert normalize(node) is node
    assert canonical_text(node) is canonical_text(node)


def test_a_normal_filter_is_not_rewritten_again(monkeypatch: pytest.MonkeyPatch) -> None:
    node = normal({"$or": [{"a": 1}, {"$not": {"b": {"$gt": 2}}}]})
    monkeypatch.setattr(parsing, "as_filter", lambda given: pytest.fail("parsed again"))
    assert normal(node) is node


def test_what_is_built_of_normal_filters_is_checked_as_a_whole() -> None:
    left, right = (normal({"a": {"$in": list(range(first, first + 6000))}}) for first in (0, 6000))
    with pytest.raises(InvalidFilterError, match="literals"):
        normal(left | right)


def test_copies_mean_the_same_and_are_checked_again() -> None:
    node = normal({"a": {"$gt": 1}, "b": "x"})
    for copied in (copy.deepcopy(node), pickle.loads(pickle.dumps(node))):
        assert copied == node
        assert normal(copied) == node


def test_kinds_of_literals_stay_apart_in_a_normal_filter() -> None:
    node = normal((F("a") == 1) | (F("a") == 1.0) | (F("a") == True))  # noqa: E712
    assert len(node.parts) == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "filter",
    [
        {"$or": [{"a": n} for n in range(100_000)]},
        {"$and": [{"$or": [{}] * 6000}, {"$or": [{}] * 6000}]},
        {"a": {"$in": list(range(100_000))}},
        {"a": {"$not": {"$nin": ["x"] * 20_000}}},
        {f"field{n}": n for n in range(20_000)},
    ],
)
def test_a_filter_with_too_many_literals_is_refused_before_any_of_it_is_built(
    filter: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsing.build, "field", lambda *_, **__: pytest.fail("built a leaf"))
    with pytest.raises(InvalidFilterError, match="10000 literals"):
        normal(filter)
