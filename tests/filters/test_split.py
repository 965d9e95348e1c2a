"""How a filter is divided between a store and vpa: at the top-level `and`s, by what the store evaluates exactly."""

from __future__ import annotations

import pytest

from vpa.base.errors import InvalidFilterError
from vpa.filters import F, Filter, canonical_text, matches, normal, split, to_json
from vpa.filters.ast import ALWAYS, NEVER, Eq, Not, StartsWith

A, B, C = F("a") == 1, F("b") == 2, F("c") > 3


def equalities(node: Filter) -> bool:
    return isinstance(node, Eq)


def text(node: Filter) -> str:
    return canonical_text(normal(node))


@pytest.mark.parametrize(
    ("node", "native", "residual"),
    [
        (A & B, A & B, ALWAYS),
        (A & C, A, C),
        (C, ALWAYS, C),
        (A | C, ALWAYS, A | C),
        (A & (B | C), A, B | C),
        (A & ~B, A, ~B),
        (normal(None), ALWAYS, ALWAYS),
    ],
)
def test_each_part_goes_to_whom_can_do_it_whole(node: Filter, native: Filter, residual: Filter) -> None:
    parts = split(normal(node), equalities)
    assert text(parts.native) == text(native)
    assert text(parts.residual) == text(residual)
    assert parts.is_complete is (residual is ALWAYS)


def test_a_negation_is_asked_about_as_a_whole() -> None:
    asked: list[Filter] = []
    split(normal(~A & B), lambda node: bool(asked.append(node)) or True)
    assert any(isinstance(node, Not) for node in asked)
    assert not any(isinstance(node, Eq) and text(node) == text(A) for node in asked)


def test_what_never_holds_is_never_left_to_us() -> None:
    parts = split(normal(A & F("b").is_in([])), lambda node: False)
    assert text(parts.native) == text(NEVER)
    assert parts.is_complete


def test_a_system_field_is_written_but_cannot_be_named_from_outside() -> None:
    shown = to_json(F.system("version") == 3)
    assert shown == {"$system": {"version": {"$eq": 3}}}
    with pytest.raises(InvalidFilterError):
        normal(shown)


@pytest.mark.parametrize(
    "prefix", ["ber", "", "\U0010ffff", "2024-05-01T10:00Y", "2024-05-01T10:00", "2024-05-01T10:00Z"]
)
def test_what_a_store_is_asked_for_a_prefix_holds_wherever_the_prefix_does(prefix: str) -> None:
    node = normal(F("at").starts_with(prefix))
    native = split(node, lambda leaf: not isinstance(leaf, StartsWith)).native
    for text in ("", "x", " and more", "ankee", "Z", "\U0010ffff"):
        for value in (prefix + text, [prefix + text, "2020", "zzz"]):
            metadata = {"at": value}
            assert not matches(node, metadata) or matches(native, metadata)
