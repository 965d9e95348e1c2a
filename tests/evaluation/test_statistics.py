"""Intervals cover what they promise, and the paired test is the permutation test."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpa.errors import InvalidQueryError
from vpa.evaluation.statistics import mean_interval, paired_test, randomisation_p_value

differences = st.lists(st.sampled_from([-0.5, -0.25, -0.1, 0.0, 0.1, 0.3, 1.0]), min_size=1, max_size=8)


def permutation_p_value(values: list[float]) -> float:
    """Every way to choose the signs, one by one."""
    sums = [
        abs(sum(sign * value for sign, value in zip(signs, values, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(values))
    ]
    return sum(one >= abs(sum(values)) - 1e-9 for one in sums) / len(sums)


@given(differences)
def test_with_few_queries_the_p_value_is_that_of_every_permutation(values: list[float]) -> None:
    assert randomisation_p_value(values) == pytest.approx(permutation_p_value(values), abs=1e-12)


@given(differences)
def test_drawn_signs_come_near_the_exact_p_value(values: list[float]) -> None:
    if sum(value != 0 for value in values) > 6:
        drawn = randomisation_p_value(values, flips=100)
        assert drawn == pytest.approx(permutation_p_value(values), abs=0.25)
        assert drawn > 0


def test_a_large_difference_is_never_impossible() -> None:
    assert randomisation_p_value(np.ones(200), flips=1000) == pytest.approx(1 / 1001)


def test_with_no_difference_between_settings_the_p_value_is_small_as_often_as_it_says() -> None:
    random = np.random.default_rng(5)
    p_values = [randomisation_p_value(random.normal(size=40), flips=400, seed=trial) for trial in range(400)]
    assert 0.03 <= np.mean(np.array(p_values) <= 0.1) <= 0.17


def test_intervals_cover_the_true_mean_about_as_often_as_they_promise() -> None:
    random = np.random.default_rng(3)
    covered = 0
    for trial in range(300):
        interval = mean_interval(random.beta(2, 3, size=60), resamples=1000, seed=trial)
        covered += interval.low <= 2 / 5 <= interval.high
    assert 0.90 <= covered / 300 <= 0.98


def test_an_interval_is_the_same_for_the_same_seed_and_narrower_for_more_queries() -> None:
    values = np.random.default_rng(1).uniform(size=400)
    few, many = mean_interval(values[:40]), mean_interval(values)
    assert few == mean_interval(values[:40])
    assert few != mean_interval(values[:40], seed=1)
    assert few.low < values[:40].mean() < few.high
    assert many.high - many.low < few.high - few.low


def test_an_interval_is_near_the_one_of_the_normal_distribution() -> None:
    values = np.random.default_rng(2).normal(0.5, 0.2, size=500)
    interval = mean_interval(values)
    error = 1.96 * values.std() / np.sqrt(500)
    assert (interval.low, interval.high) == pytest.approx((values.mean() - error, values.mean() + error), abs=0.002)


def test_a_paired_test_counts_queries_and_turns_with_its_sides() -> None:
    first, second = [0.5, 0.7, 0.2, 0.1 + 0.2], [0.4, 0.8, 0.1, 0.3]
    test, turned = paired_test(first, second), paired_test(second, first)
    assert (test.queries, test.better, test.worse, test.equal) == (4, 2, 1, 1)
    assert (turned.better, turned.worse) == (1, 2)
    assert test.difference == pytest.approx(0.025) == -turned.difference
    assert test.p_value == turned.p_value == 1.0
    assert test.interval.low <= test.difference <= test.interval.high
    same = paired_test(first, first)
    assert (same.difference, same.p_value, same.equal) == (0.0, 1.0, 4)


def test_values_are_not_written_to() -> None:
    values = np.array([1e-15, 0.5])
    paired_test(values, [0.0, 0.0])
    assert values[0] == 1e-15


@pytest.mark.parametrize(
    ("first", "second"), [([], []), ([1.0], [1.0, 2.0]), ([float("nan")], [1.0]), ([[1.0]], [[1.0]])]
)
def test_what_cannot_be_compared_is_refused(first: list[float], second: list[float]) -> None:
    with pytest.raises(InvalidQueryError):
        paired_test(first, second)
