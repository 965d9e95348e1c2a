"""JSON of people: what the standard parser lets pass silently is an error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpa.kit.strict_json import parse_json

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values)
def test_what_the_standard_library_writes_is_read_back(value: Any) -> None:
    assert parse_json(json.dumps(value)) == value
    assert parse_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "text",
    [
        '{"year": {"$gte": 1, "$gte": 5}}',
        '{"$gte": 1, "a": 2, "$gte": 1}',
        '[[{"b": {"$gte": [], "$gte": {}}}]]',
        '{"\\u0024gte": 1, "$gte": 1}',
    ],
)
def test_a_key_that_stands_twice_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"'\$gte' occurs twice"):
        parse_json(text)


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 200_000, "{", "", "nul"])
def test_what_is_no_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        parse_json(text)


def test_a_number_of_thousands_of_digits_is_named() -> None:
    with pytest.raises(ValueError, match="thousands of digits"):
        parse_json("1" * 5000)
