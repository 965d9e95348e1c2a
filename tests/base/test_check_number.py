"""Numbers among the options of a search."""

from __future__ import annotations

from typing import Any

import pytest

from vpa.base.errors import InvalidQueryError
from vpa.base.query import check_number


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), "1", True, None, 10**400])
def test_what_no_number_of_a_span_can_be_is_refused(value: Any) -> None:
    with pytest.raises(InvalidQueryError, match="temperature must be a number from 0 up, not"):
        check_number("temperature", value)
    with pytest.raises(InvalidQueryError, match="diversity must be a number from 0 to 1, not"):
        check_number("diversity", value, most=1)
    with pytest.raises(InvalidQueryError, match="rerank_seconds must be a number above 0, not"):
        check_number("rerank_seconds", value, above=True)


def test_the_ends_of_a_span_belong_to_it_unless_it_is_above() -> None:
    assert (check_number("x", 0), check_number("x", 1, most=1), check_number("x", 1e6, least=1, most=1e6)) == (
        0,
        1,
        1e6,
    )
    for value, options in ((1.01, {"most": 1}), (0.99, {"least": 1}), (0, {"above": True})):
        with pytest.raises(InvalidQueryError):
            check_number("x", value, **options)  # type: ignore[arg-type]
