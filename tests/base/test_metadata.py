"""Metadata: what is accepted comes back the same, what is refused names key and rule, and the fast way is the careful
one.
"""

from __future__ import annotations

import enum
from collections import OrderedDict
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpa.base.errors import InvalidRecordError
from vpa.base.metadata import canonical_metadata, canonical_scalar, canonical_system, check_text, leaves, utc_text

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
KEYS = TEXT.filter(lambda key: bool(key) and not key.startswith(("$", "_vpa")) and len(key.encode()) <= 128)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
FLAT = st.dictionaries(KEYS, SCALARS, max_size=6)


@given(FLAT)
def test_the_fast_way_and_the_careful_way_agree(metadata: dict[str, Any]) -> None:
    plain = canonical_metadata(metadata)
    # A mapping that is no dict goes the careful way.
    assert canonical_metadata(OrderedDict(metadata)) == plain == metadata
    assert [type(value) for value in plain.values()] == [type(value) for value in metadata.values()]
    assert plain is not metadata
    assert canonical_metadata(plain) == plain


@given(FLAT)
def test_leaves_are_the_values_that_exist(metadata: dict[str, Any]) -> None:
    nested = {"inner": metadata}
    paths = dict(leaves(nested))
    assert paths == {f"inner.{key}": [value] for key, value in metadata.items() if value is not None}
    assert list(leaves({"a": [], "b": [None], "c": [1, None]})) == [("c", [1])]


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.int32(5), 5),
        (np.float64(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (Colour.RED, "red"),
        (datetime(2024, 1, 2, 3, tzinfo=timezone(timedelta(hours=2))), "2024-01-02T01:00:00.000000Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000000Z"),
    ],
)
def test_a_value_of_another_type_is_stored_as_a_plain_one(value: object, plain: object) -> None:
    assert canonical_scalar(value) == plain
    assert type(canonical_scalar(value)) is type(plain)
    assert canonical_metadata({"k": value}) == canonical_system({"k": value}) == {"k": plain}


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_the_order_of_times_is_the_order_of_their_texts(first: datetime, second: datetime) -> None:
    assert (first < second) == (utc_text(first) < utc_text(second))


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ({"k": 2**63}, "'k' is an integer beyond 64 bits"),
        ({"k": float("nan")}, "'k' is nan"),
        ({"k": b"x"}, "use text"),
        ({"k": (1, 2)}, "use a list"),
        ({"k": datetime(2024, 1, 1)}, "time zone"),
        ({"k": "a\0"}, "NUL at position 1"),
        ({"k": "\ud800"}, "lone surrogate"),
        ({"k": [1, "a"]}, "mixes number and string"),
        ({"k": [[1]]}, "holds a list"),
        ({"": 1}, "empty key"),
        ({"$k": 1}, "reserved"),
        ({"_vpa": 1}, "reserved"),
        ({5: 1}, "must be a string"),
        ({"k" * 129: 1}, "longer than 128"),
        ({"a": {"b": {"$c": 1}}}, "under 'a.b'"),
        ({"a.b": 1, "a": {"b": 2}}, "'a.b' twice"),
        ({"k": list(range(1001))}, "more than 1000 values"),
        ([("k", 1)], "must be a mapping"),
    ],
)
def test_what_is_refused_names_the_key_and_the_rule(metadata: Any, problem: str) -> None:
    with pytest.raises(InvalidRecordError, match=problem.replace("$", r"\$")):
        canonical_metadata(metadata)


def test_depth_is_bounded_where_it_is_said() -> None:
    def nest(levels: int) -> dict[str, Any]:
        return {"k": nest(levels - 1)} if levels else {"k": 1}

    assert canonical_metadata(nest(8)) == nest(8)
    with pytest.raises(InvalidRecordError, match="deeper than 8"):
        canonical_metadata(nest(9))


@given(TEXT)
def test_a_text_that_every_store_holds_stays_as_it_is(text: str) -> None:
    assert check_text(text) is text
