"""Two scores made one: bounds, the order of either side, and what may not change it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpa import errors
from vpa.base.arrays import Scores
from vpa.retrieval.fusion import Fusion, FusionName, fuse, ranks

METHODS: tuple[FusionName, ...] = ("minmax", "zscore", "max", "rrf", "confidence")
BY_SCALE: tuple[FusionName, ...] = ("minmax", "zscore")
# Scores on a grid, so that ties and zeros are frequent and arithmetic with them is nearly exact.
SCORE = st.integers(-64, 64).map(lambda number: number / 64)
WORDS = st.one_of(st.just(0.0), st.integers(1, 640).map(lambda number: number / 64))
PAIRS = st.lists(st.tuples(SCORE, WORDS), min_size=1, max_size=40)
WEIGHT = st.floats(0.0, 10.0)
NOISE = 1e-9


def sides(pairs: list[tuple[float, float]]) -> tuple[Scores, Scores]:
    similarity, words = np.asarray(pairs, dtype=np.float64).T
    return similarity, words


def fusion(method: FusionName, semantic: float = 0.5, keyword: float = 0.5) -> Fusion:
    return Fusion(method=method, semantic_weight=semantic, keyword_weight=keyword)


def assert_same_order(scores: Scores, side: Scores) -> None:
    """What is better by one side is not worse by the score, and what is equal is equal."""
    for place in range(len(side)):
        better = side > side[place]
        assert (scores[better] > scores[place] - NOISE).all()
        assert scores[side == side[place]] == pytest.approx(scores[place])


@pytest.mark.parametrize("method", METHODS)
@given(pairs=PAIRS, semantic=WEIGHT, keyword=WEIGHT)
def test_a_score_lies_between_0_and_1(
    method: FusionName, pairs: list[tuple[float, float]], semantic: float, keyword: float
) -> None:
    scores = fuse(*sides(pairs), fusion(method, semantic, keyword or 1.0))
    assert scores.shape == (len(pairs),)
    assert ((scores >= -NOISE) & (scores <= 1 + NOISE)).all()


@pytest.mark.parametrize("method", METHODS)
@given(pairs=PAIRS, semantic=WEIGHT, keyword=WEIGHT)
def test_a_candidate_that_is_better_by_both_is_not_worse(
    method: FusionName, pairs: list[tuple[float, float]], semantic: float, keyword: float
) -> None:
    similarity, words = sides(pairs)
    scores = fuse(similarity, words, fusion(method, semantic, keyword or 1.0))
    for place in range(len(pairs)):
        dominated = (similarity <= similarity[place]) & (words <= words[place])
        assert (scores[dominated] <= scores[place] + NOISE).all()


@pytest.mark.parametrize("method", METHODS)
@given(pairs=PAIRS)
def test_a_weight_of_0_leaves_the_order_of_the_other_side(method: FusionName, pairs: list[tuple[float, float]]) -> None:
    similarity, words = sides(pairs)
    by_words = fuse(similarity, words, fusion(method, 0, 1))
    assert_same_order(by_words, words)
    by_vector = fuse(similarity, words, fusion(method, 1, 0))
    # "max" counts scores below 0 as 0.
    assert_same_order(by_vector, np.maximum(similarity, 0) if method == "max" else similarity)


@pytest.mark.parametrize("method", METHODS)
@given(pairs=PAIRS, semantic=st.floats(0.01, 10), keyword=st.floats(0.01, 10), factor=st.floats(1e-3, 1e3))
def test_weights_are_relative(
    method: FusionName, pairs: list[tuple[float, float]], semantic: float, keyword: float, factor: float
) -> None:
    scores = fuse(*sides(pairs), fusion(method, semantic, keyword))
    again = fuse(*sides(pairs), fusion(method, semantic * factor, keyword * factor))
    assert again == pytest.approx(scores, abs=NOISE)


def test_weights_may_be_as_great_or_small_as_numbers_are() -> None:
    similarity, words = np.asarray([0.2, 0.6, 0.4]), np.asarray([2.0, 0.0, 1.0])
    expected = fuse(similarity, words, fusion("minmax", 1, 1))
    for weight in (1e308, 5e-324):
        assert fuse(similarity, words, fusion("minmax", weight, weight)) == pytest.approx(expected)


@pytest.mark.parametrize("method", BY_SCALE)
@given(pairs=PAIRS, factor=st.floats(1e-3, 1e3), offset=st.floats(-1e3, 1e3))
def test_the_scale_of_a_side_does_not_matter(
    method: FusionName, pairs: list[tuple[float, float]], factor: float, offset: float
) -> None:
    similarity, words = sides(pairs)
    scores = fuse(similarity, words, fusion(method))
    moved = similarity * factor + offset
    if len(set(moved)) == len(set(similarity)):
        assert fuse(moved, words, fusion(method)) == pytest.approx(scores, abs=1e-5)
    assert fuse(similarity, words * factor, fusion(method)) == pytest.approx(scores, abs=1e-5)


@given(pairs=PAIRS)
def test_rrf_looks_at_ranks_only(pairs: list[tuple[float, float]]) -> None:
    similarity, words = sides(pairs)
    scores = fuse(similarity, words, fusion("rrf"))
    # Any function that keeps the order, and that words of 0 are none.
    assert fuse(np.exp(similarity), words**3, fusion("rrf")) == pytest.approx(scores)


def test_rrf_ranks_a_similarity_of_0_as_any_other() -> None:
    scores = fuse(np.asarray([0.0, -0.5]), np.asarray([1.0, 1.0]), fusion("rrf"))
    assert scores[0] == pytest.approx(1.0)
    assert scores[1] == pytest.approx((1 + 61 / 62) / 2)


def test_rrf_has_no_rank_for_what_holds_no_word() -> None:
    scores = fuse(np.asarray([0.3, 0.2]), np.asarray([0.0, 0.0]), fusion("rrf"))
    assert scores.tolist() == pytest.approx([0.5, 0.5 * 61 / 62])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [0.1, 0.7, 1 / 3, 0.0, 1e-200])
@pytest.mark.parametrize("count", [1, 2, 3, 7, 100])
def test_where_one_side_is_constant_the_other_decides(method: FusionName, value: float, count: int) -> None:
    constant, rising = np.full(count, value), np.linspace(0.1, 0.9, count)
    for scores in (fuse(constant, rising, fusion(method)), fuse(rising, constant, fusion(method))):
        assert (np.diff(scores) > 0).all()
    alike = fuse(constant, constant, fusion(method))
    assert np.ptp(alike) == 0


@pytest.mark.parametrize("method", METHODS)
def test_no_candidate_has_no_score(method: FusionName) -> None:
    assert fuse(np.empty(0), np.empty(0), fusion(method)).shape == (0,)


def test_zscore_gives_a_middling_candidate_one_half() -> None:
    scores = fuse(np.asarray([0.1, 0.5, 0.9]), np.asarray([1.0, 2.0, 3.0]), Fusion())
    assert scores[1] == pytest.approx(0.5)
    assert scores[0] + scores[2] == pytest.approx(1.0)


def test_confidence_weighs_the_side_whose_best_stands_out() -> None:
    outstanding, even = np.asarray([0.9, 0.1, 0.1, 0.1]), np.asarray([1.0, 2.0, 3.0, 4.0])
    scores = fuse(outstanding, even, fusion("confidence"))
    assert scores.argmax() == 0
    assert fuse(even, outstanding, fusion("confidence")) == pytest.approx(scores)


@given(st.lists(SCORE, max_size=30))
def test_the_rank_is_how_many_are_better_and_one(values: list[float]) -> None:
    scores = np.asarray(values, dtype=np.float64)
    assert ranks(scores).tolist() == [1 + sum(other > value for other in values) for value in values]


@given(pairs=PAIRS)
def test_the_arguments_stay_as_they_were(pairs: list[tuple[float, float]]) -> None:
    for method in METHODS:
        similarity, words = sides(pairs)
        fuse(similarity, words, fusion(method))
        assert [*zip(similarity.tolist(), words.tolist(), strict=True)] == pairs


@pytest.mark.parametrize(
    "options, message",
    [
        ({"method": "best"}, "minmax, zscore, max, rrf, confidence, not 'best'"),
        ({"method": ["rrf"]}, "fusion is one of"),
        ({"semantic_weight": -1}, "semantic_weight must be a number from 0 up, not -1"),
        ({"keyword_weight": float("nan")}, "keyword_weight must be a number from 0 up, not nan"),
        ({"keyword_weight": float("inf")}, "not inf"),
        ({"semantic_weight": 10**400}, "semantic_weight must be a number"),
        ({"semantic_weight": "1"}, "not '1'"),
        ({"semantic_weight": True}, "not True"),
        ({"semantic_weight": 0, "keyword_weight": 0.0}, "both 0; at least one must be above"),
    ],
)
def test_what_no_fusion_can_be_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.InvalidQueryError, match=message):
        Fusion(**options)


def test_zscore_tells_the_best_of_thousands_apart() -> None:
    side = np.zeros(5000)
    side[:2] = 1.0, 0.9
    scores = fuse(side, side, Fusion())
    assert scores[0] > scores[1]
