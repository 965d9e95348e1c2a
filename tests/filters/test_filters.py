"""Filters: what is not a property of all of them."""

from __future__ import annotations

import pytest

from vpa.base.errors import InvalidFilterError
from vpa.filters import F, as_filter, canonical_text, matches, normalize, to_json
from vpa.filters.ast import ALWAYS, NEVER, Eq, Field


def test_a_filter_has_no_truth_value() -> None:
    with pytest.raises(TypeError, match="&"):
        _ = F("a") == 1 and F("b") == 2


def test_a_field_shows_itself() -> None:
    assert repr(F("a.b")) == "F('a.b')"
    assert repr(F.system("version")) == "F.system('version')"


def test_filters_combine_only_with_filters() -> None:
    with pytest.raises(TypeError):
        _ = (F("a") == 1) & {"b": 2}  # type: ignore[operator]
    with pytest.raises(TypeError):
        _ = (F("a") == 1) | True  # type: ignore[operator]


def test_canonical_text_tells_kinds_apart() -> None:
    texts = {canonical_text(Eq(Field("a"), value)) for value in (1, 1.0, "1", True)}
    assert len(texts) == 4


def test_system_fields_and_metadata_do_not_meet() -> None:
    node = F.system("version") == 3
    assert matches(node, {}, {"version": 3})
    assert not matches(node, {"version": 3}, {})
    assert not matches(F("version") == 3, {}, {"version": 3})
    assert matches(F.system("version").missing(), {"version": 3}, {"version": None})


def test_constants_are_folded() -> None:
    assert normalize(as_filter({"$or": [{"a": 1}, {}]})) is ALWAYS
    assert normalize(as_filter({"$and": [{"a": 1}, {"b": {"$in": []}}]})) is NEVER
    assert normalize(as_filter({"a": {"$contains_all": []}})) is ALWAYS


def test_a_long_chain_of_ands_is_not_deep() -> None:
    node = F("a") == 0
    for number in range(1, 2000):
        node = node & (F("a") != number)
    assert matches(as_filter(node), {"a": 0})


def test_a_deep_expression_is_refused_without_recursion() -> None:
    node = F("a") == 0
    for _ in range(5000):
        node = ~node
    with pytest.raises(InvalidFilterError, match="32"):
        as_filter(node)


def test_thirty_two_levels_are_fine() -> None:
    node = F("a") == 0
    for _ in range(32):
        node = ~node
    assert matches(as_filter(node), {"a": 0})


def test_an_unknown_operator_gets_a_suggestion() -> None:
    with pytest.raises(InvalidFilterError, match=r"did you mean \$contains_any"):
        as_filter({"tags": {"$containsany": ["x"]}})


@pytest.mark.parametrize(
    "bad", [lambda: F(""), lambda: F("a\0"), lambda: F(3), lambda: F("a") > True, lambda: F("a") == [1]]
)  # type: ignore[arg-type]
def test_python_filters_refuse_what_json_refuses(bad) -> None:
    with pytest.raises(InvalidFilterError):
        bad()


@pytest.mark.parametrize("name", ["query", "where", "bool", "nested", "must", "has_id", "not", "OR", "key", "operator"])
def test_a_field_with_a_name_of_other_notations_is_compared_by_operators(name: str) -> None:
    for node in (F(name) == "x", F(name) != "x", F(name).is_in(["x", "y"]), F(name).exists()):
        assert as_filter(to_json(node)) == node
