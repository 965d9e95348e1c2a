"""Which texts name a moment, and what comparisons see of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpa.base.moments import compared, folded, in_utc, moment_of

NOON = "2024-05-01T12:00:00.000000Z"


@pytest.mark.parametrize(
    "text",
    [
        NOON,
        "2024-05-01T12:00Z",
        "2024-05-01 12:00:00z",
        "2024-05-01t14:00:00+02:00",
        "2024-05-01T14:00:00.0+0200",
        "2024-05-01T07:00:00,000-05",
        "2024-05-01T12:00:00-00:00",
        "2024-05-01T12:00:00.0000009Z",
        "2024-05-02T01:45:00+13:45",
    ],
)
def test_spellings_of_one_moment(text: str) -> None:
    assert moment_of(text) == compared(text) == folded(text) == NOON


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-05-01",
        "2024-05-01T12:00:00",
        "2024-05-01T12Z",
        "20240501T120000Z",
        "2024-W18-3T12:00:00Z",
        "2024-05-01T12:00:00 Z",
        " 2024-05-01T12:00:00Z",
        "2024-05-01T12:00:00Z\n",
        "2024-02-30T12:00:00Z",
        "2024-05-01T24:00:00Z",
        "2024-05-01T23:59:60Z",
        "2024-05-01T12:00:00+24:00",
        "0000-05-01T12:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "２０２４-05-01T12:00:00Z",
        "2024-05-01T12:00:00.Z",
        "2024-05-01T12:00:00+2:00",
        "2024-05-01 12:00:00 +00:00",
        "2024-05-01T12:00:00 UTC",
        "2024-05-01T14:00:00+02:00[Europe/Berlin]",
        "Wed, 01 May 2024 12:00:00 +0000",
        "1714564800",
        "01.05.2024 12:00Z",
    ],
)
def test_texts_that_name_none(text: str) -> None:
    assert moment_of(text) is None
    assert compared(text) == text
    assert folded(text) == text.casefold()


@given(
    st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)),
    st.integers(-1439, 1439),
    st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)),
)
def test_the_order_of_texts_is_that_of_time(first: datetime, minutes: int, second: datetime) -> None:
    zone = timezone(timedelta(minutes=minutes))
    one, other = first.replace(tzinfo=zone), second.replace(tzinfo=UTC)
    assert (compared(one.isoformat(timespec="microseconds")) < compared(in_utc(other))) is (one < other)
    assert compared(one.isoformat()) == in_utc(one)


@given(st.text())
def test_what_is_compared_is_compared_as_itself(text: str) -> None:
    assert compared(compared(text)) == compared(text)
