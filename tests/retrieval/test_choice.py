"""Which candidates are shown: limits, diversity, chance."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.making import candidate, names, row
from vpa import errors
from vpa.retrieval.candidates import Candidate, ranked
from vpa.retrieval.choice import (
    check_at_most,
    check_seed,
    diverse,
    drawn_scores,
    limited,
    sampled,
)

SCORES = st.lists(st.integers(-20, 20).map(lambda number: number / 20), max_size=25)
DIRECTIONS = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.6, 0.8))
POINTS = st.lists(st.tuples(st.sampled_from(DIRECTIONS), st.floats(0, 1)), min_size=1, max_size=15)


def placed(points: list[tuple[tuple[float, float], float]]) -> list[Candidate]:
    return ranked(candidate(f"c{number:02}", score, vector=at) for number, (at, score) in enumerate(points))


# Limits


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y", None])), max_size=30), st.integers(1, 4))
def test_limits_hold_the_order_stays_and_nothing_is_left_out_in_vain(
    rows: list[tuple[str, str | None]], most: int
) -> None:
    candidates = [
        candidate(f"c{number:02}", metadata={"by": author}, document_id=document)
        for number, (document, author) in enumerate(rows)
    ]
    kept = limited(candidates, check_at_most({"document": most, "by": 2}))
    assert names(kept) == [name for name in names(candidates) if name in set(names(kept))]
    documents = Counter(one.document for one in kept)
    authors = Counter(one.match.metadata["by"] for one in kept)
    assert max(documents.values(), default=0) <= most
    assert max(authors["x"], authors["y"]) <= 2
    for one in candidates:
        author = one.match.metadata["by"]
        assert one in kept or documents[one.document] == most or (author and authors[author] == 2)


def test_a_list_counts_with_each_of_its_values_and_values_of_other_types_are_others() -> None:
    rows: list[Any] = [["x", "y"], "y", "x", 1, True, 1.5, "1", ["x", "x"]]
    candidates = [candidate(f"c{number}", metadata={"tags": value}) for number, value in enumerate(rows)]
    assert names(limited(candidates, [("tags", 1)])) == ["c0", "c3", "c4", "c5", "c6"]


def test_a_record_without_a_document_is_one() -> None:
    assert len(limited([candidate("a"), candidate("b")], [("document", 1)])) == 2


def test_without_limits_all_stay() -> None:
    candidates = row([0.5, 0.4])
    assert limited(candidates, check_at_most(None)) == candidates
    assert limited([], [("document", 1)]) == []


@pytest.mark.parametrize("at_most", [3, ["document"], {"document": 0}, {"": 1}, {"a": True}, {"a": 1.0}, {"a": "1"}])
def test_what_no_limit_can_be_is_refused(at_most: Any) -> None:
    with pytest.raises(errors.InvalidQueryError, match=r"\{'document': 2\}|must be a whole number from 1 up, not"):
        check_at_most(at_most)


# Diversity


@given(POINTS, st.integers(1, 20))
def test_diversity_0_is_the_order_by_score(points: list[tuple[tuple[float, float], float]], count: int) -> None:
    candidates = placed(points)
    assert names(diverse(candidates, count=count, diversity=0.0)) == names(candidates[:count])


@given(POINTS)
def test_diversity_1_takes_no_vector_twice_before_every_other(
    points: list[tuple[tuple[float, float], float]],
) -> None:
    candidates = placed(points)
    chosen = diverse(candidates, count=len(candidates), diversity=1.0)
    assert chosen[0] is candidates[0]
    vectors = [tuple(one.match.vector.tolist()) for one in chosen if one.match.vector is not None]
    different = len(set(vectors))
    assert len(set(vectors[:different])) == different


@given(POINTS, st.integers(1, 20), st.floats(0, 1))
def test_what_is_chosen_is_distinct_and_as_many_as_asked_for(
    points: list[tuple[tuple[float, float], float]], count: int, diversity: float
) -> None:
    candidates = placed(points)
    chosen = names(diverse(candidates, count=count, diversity=diversity))
    assert len(set(chosen)) == len(chosen) == min(count, len(candidates))


@given(POINTS, st.floats(0, 1))
def test_mmr_is_that_of_the_paper(points: list[tuple[tuple[float, float], float]], diversity: float) -> None:
    candidates = placed(points)
    chosen = diverse(candidates, count=len(candidates), diversity=diversity)
    scores = np.asarray([one.score for one in candidates])
    spread = float(np.ptp(scores))
    relevance = {one.match.id: (one.score - scores.min()) / spread if spread else 0.0 for one in candidates}

    def gain(one: Candidate, before: list[Candidate]) -> float:
        assert one.match.vector is not None
        nearest = max((float(one.match.vector @ other.match.vector) for other in before), default=0.0)
        return (1 - diversity) * relevance[one.match.id] - diversity * nearest

    for place, picked in enumerate(chosen):
        assert all(gain(picked, chosen[:place]) >= gain(other, chosen[:place]) - 1e-5 for other in chosen[place:])


def test_a_vector_of_zeros_is_like_no_other() -> None:
    candidates = placed([((1.0, 0.0), 0.9), ((1.0, 0.0), 0.8), ((0.0, 0.0), 0.7)])
    assert names(diverse(candidates, count=2, diversity=0.5)) == ["c00", "c02"]
    assert diverse([], count=3, diversity=0.5) == []


# Chance


@given(SCORES, st.integers(1, 30), st.floats(0, 1e300), st.integers(0, 2**70))
def test_a_draw_is_distinct_best_first_and_the_same_for_the_same_seed(
    scores: list[float], count: int, temperature: float, seed: int
) -> None:
    candidates = row(scores)
    drawn = sampled(candidates, count=count, temperature=temperature, seed=seed)
    assert len({one.match.id for one in drawn}) == len(drawn) == min(count, len(scores))
    assert drawn == ranked(drawn)
    assert sampled(candidates, count=count, temperature=temperature, seed=seed) == drawn


@given(SCORES, st.integers(1, 30), st.sampled_from([0.0, 5e-324, 1e-300, 1e-9]), st.integers(0, 100))
def test_a_temperature_near_0_draws_the_best(scores: list[float], count: int, temperature: float, seed: int) -> None:
    candidates = row(sorted(set(scores), reverse=True))
    assert sampled(candidates, count=count, temperature=temperature, seed=seed) == candidates[:count]


def test_chance_takes_the_better_ones_more_often_and_follows_the_softmax() -> None:
    candidates, rounds = row([1.0, 0.5, 0.0]), 4000
    for temperature in (0.5, 2.0):
        drawn = Counter(
            sampled(candidates, count=1, temperature=temperature, seed=seed)[0].match.id for seed in range(rounds)
        )
        weights = np.exp(np.asarray([1.0, 0.5, 0.0]) / temperature)
        for name, share in zip(("c000", "c001", "c002"), weights / weights.sum(), strict=True):
            assert drawn[name] / rounds == pytest.approx(share, abs=0.03)


def test_without_a_seed_draws_differ() -> None:
    candidates = row([0.5] * 20)
    draws = {tuple(names(sampled(candidates, count=5, temperature=1.0, seed=None))) for _ in range(10)}
    assert len(draws) > 1


def test_chance_and_diversity_together_pass_over_what_says_the_same() -> None:
    candidates = placed([((1.0, 0.0), 0.9), ((1.0, 0.0), 0.8), ((0.0, 1.0), 0.1)])
    drawn = drawn_scores(candidates, temperature=1e-9, seed=1)
    assert names(diverse(candidates, count=2, diversity=0.7, scores=drawn)) == ["c00", "c02"]


@pytest.mark.parametrize("seed", [-1, 1.5, "x", True, [1]])
def test_what_no_seed_can_be_is_refused(seed: Any) -> None:
    with pytest.raises(errors.InvalidQueryError, match="seed is a whole number from 0 up, or None, not"):
        check_seed(seed)
    assert (check_seed(None), check_seed(0)) == (None, 0)
