"""A value has one of the tokens beyond a literal if, and only if, it compares so."""

from __future__ import annotations

import operator

from hypothesis import given
from hypothesis import strategies as st

from vpa.filters.ast import Comparison
from vpa.stores.layout.prefixes import ORDERED_BYTES, beyond, prefixes, present

COMPARE = {
    Comparison.GT: operator.gt,
    Comparison.GTE: operator.ge,
    Comparison.LT: operator.lt,
    Comparison.LTE: operator.le,
}
NUMBERS = st.floats(allow_nan=False).map(lambda number: number + 0.0) | st.sampled_from([0.0, 1.0, -1.0, 1e308])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.text("ab", max_size=4)


@given(NUMBERS, NUMBERS)
def test_numbers(value: float, literal: float) -> None:
    for comparison, compares in COMPARE.items():
        tokens = beyond("field", comparison, literal)
        assert len(tokens) <= 241
        assert bool({*prefixes("field", value)} & {*tokens}) is compares(value, literal)


@given(TEXTS, TEXTS, st.sampled_from([0, ORDERED_BYTES - 40, ORDERED_BYTES + 10]))
def test_texts(value: str, literal: str, before: int) -> None:
    # What stands beyond the first bytes of a value does not matter to a literal that is shorter.
    value, literal = "x" * before + value, "x" * min(before, ORDERED_BYTES - 40) + literal
    for comparison, compares in COMPARE.items():
        tokens = {*beyond("field", comparison, literal)}
        assert bool({*prefixes("field", value)} & tokens) is compares(value.encode(), literal.encode())


def test_kinds_and_fields_have_tokens_of_their_own() -> None:
    values: list[tuple[str, float | str]] = [("f", 1.0), ("f", "?"), ("g", 1.0), ("g", "?")]
    for one in values:
        for other in values:
            mine, theirs = ({present(*which), *prefixes(*which)} for which in (one, other))
            assert one == other or not mine & theirs
