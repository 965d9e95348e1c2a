"""Filters under Hypothesis: two notations, one meaning; rewriting and splitting keep it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vpa.filters import as_filter, canonical_text, matches, normalize, split, to_json
from vpa.filters.ast import And, Constant, Filter, Not, Or, children
from vpa.testing import strategies


@given(strategies.filters, strategies.metadata)
def test_both_notations_mean_the_same(pair: strategies.Pair, metadata: dict[str, Any]) -> None:
    assert matches(as_filter(pair.json), metadata) == matches(as_filter(pair.python), metadata)
    assert canonical_text(normalize(as_filter(pair.json))) == canonical_text(normalize(pair.python))


@given(strategies.filters, strategies.metadata)
def test_normalizing_keeps_the_meaning(pair: strategies.Pair, metadata: dict[str, Any]) -> None:
    node = as_filter(pair.json)
    assert matches(normalize(node), metadata) == matches(node, metadata)


@given(strategies.filters)
def test_normal_form_is_normal(pair: strategies.Pair) -> None:
    normal = normalize(as_filter(pair.json))
    assert canonical_text(normalize(normal)) == canonical_text(normal)
    assert isinstance(normal, Constant) or _is_normal(normal)


def _is_normal(node: Filter) -> bool:
    if isinstance(node, Constant):
        return False
    if isinstance(node, Not):
        return not children(node.part) and not isinstance(node.part, Constant)
    if isinstance(node, And | Or):
        inner = [part for part in node.parts if isinstance(part, type(node))]
        return len(node.parts) > 1 and not inner and all(_is_normal(part) for part in node.parts)
    return True


@given(strategies.filters, strategies.metadata)
def test_written_and_read_back_it_is_the_same_filter(pair: strategies.Pair, metadata: dict[str, Any]) -> None:
    node = normalize(pair.python)
    again = as_filter(to_json(node))
    assert canonical_text(normalize(again)) == canonical_text(node)
    assert matches(again, metadata) == matches(node, metadata)


@given(strategies.filters, strategies.metadata, st.integers())
def test_a_split_is_the_whole_filter_whatever_a_store_supports(
    pair: strategies.Pair, metadata: dict[str, Any], seed: int
) -> None:
    node = as_filter(pair.json)
    parts = split(node, lambda leaf: hash((canonical_text(leaf), seed)) % 2 == 0)
    assert (matches(parts.native, metadata) and matches(parts.residual, metadata)) == matches(node, metadata)


@given(strategies.filters, strategies.metadata)
def test_not_is_the_plain_complement(pair: strategies.Pair, metadata: dict[str, Any]) -> None:
    assert matches(~pair.python, metadata) is not matches(pair.python, metadata)
