"""Vectors and scores: fast kernels against slow obvious twins, bounds against float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vpa.base.arrays import (
    UNIT_TOLERANCE,
    VectorFormatError,
    as_float32,
    first_row_not_finite,
    first_zero_row,
    unit_rows,
)
from vpa.base.distances import distance_of, half_squares, key_error, l2, scores
from vpa.base.records import Metric

FINITE = st.floats(-(2.0**50), 2.0**50, width=32, allow_subnormal=False)
SMALL = st.floats(-100, 100, width=32)


def matrices(elements: st.SearchStrategy[float] = FINITE) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 9)), elements=elements)


@given(matrices(), st.integers(0, 5))
def test_scores_are_the_formula_row_by_row(rows: np.ndarray, number: int) -> None:
    query = rows[number % len(rows)]
    wide = [[float(x) for x in row] for row in rows]
    target = [float(x) for x in query]
    dot = [math.fsum(x * y for x, y in zip(row, target, strict=True)) for row in wide]
    distance = [math.dist(row, target) for row in wide]
    size = float(np.abs(rows).max()) ** 2 * rows.shape[1] * 1e-15 + 1e-300
    assert scores(Metric.DOT, rows, query) == pytest.approx(dot, rel=1e-12, abs=size)
    assert l2(rows, query) == pytest.approx(distance, rel=1e-12)
    assert scores(Metric.EUCLIDEAN, rows, query) == pytest.approx([1 / (1 + d) for d in distance], rel=1e-12)
    assert scores(Metric.COSINE, rows, query) == pytest.approx(np.clip(dot, -1, 1), rel=1e-12, abs=size)
    assert half_squares(rows) == pytest.approx([math.fsum(x * x for x in row) / 2 for row in wide], rel=1e-12)


@given(matrices(SMALL))
def test_the_float32_key_is_within_its_bound(rows: np.ndarray) -> None:
    query, dimension = rows[0], rows.shape[1]
    norms = np.linalg.norm(rows.astype(np.float64), axis=1)
    bound = key_error(Metric.DOT, query_norm=float(norms[0]), largest_norm=float(norms.max()), dimension=dimension)
    assert bound is not None
    exact = rows.astype(np.float64) @ query.astype(np.float64)
    assert (np.abs((rows @ query).astype(np.float64) - exact) <= bound).all()


def test_where_float32_could_overflow_there_is_no_bound() -> None:
    assert key_error(Metric.DOT, query_norm=1e20, largest_norm=1e18, dimension=3) is None
    assert key_error(Metric.EUCLIDEAN, query_norm=1.0, largest_norm=1e19, dimension=3) is None
    assert key_error(Metric.COSINE, query_norm=1.0, largest_norm=1.0, dimension=3) is not None


@given(st.floats(0.001, 1))
def test_a_distance_belongs_to_a_score(score: float) -> None:
    assert distance_of(Metric.COSINE, score) == 1 - score
    assert distance_of(Metric.DOT, score) == -score
    assert 1 / (1 + distance_of(Metric.EUCLIDEAN, score)) == pytest.approx(score)


@given(
    matrices(st.floats(-(2.0**126), 2.0**126, width=32, allow_subnormal=False)).filter(
        lambda rows: rows.any(axis=1).all()
    )
)
def test_unit_rows_have_length_one_and_stay_so_to_the_bit(rows: np.ndarray) -> None:
    before = rows.copy()
    unit = unit_rows(rows)
    lengths = np.linalg.norm(unit.astype(np.float64), axis=1)
    assert (np.abs(lengths - 1) <= UNIT_TOLERANCE).all()
    assert np.array_equal(unit_rows(unit), unit)
    assert np.array_equal(rows, before)


@given(st.integers(1, 20_000), st.data())
def test_the_first_bad_row_is_named_across_blocks(count: int, data: st.DataObject) -> None:
    rows = np.ones((count, 2), dtype=np.float32)
    assert (first_row_not_finite(rows), first_zero_row(rows)) == (None, None)
    bad = sorted(data.draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=3)))
    rows[bad] = 0
    assert first_zero_row(rows) == bad[0]
    rows[bad] = [1, np.nan]
    assert first_row_not_finite(rows) == bad[0]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ([[1, 2], [3]], "rectangular"),
        (["a"], "real numbers"),
        ([True], "real numbers"),
        ([1j], "real numbers"),
        ([None], "NoneType"),
        ([[1.0]], "1 dimension"),
        (5, "1 dimension"),
    ],
)
def test_what_is_no_vector_says_why(values: object, problem: str) -> None:
    with pytest.raises(VectorFormatError, match=problem):
        as_float32(values, dimensions=1)  # type: ignore[arg-type]


def test_what_is_a_vector_is_read_without_a_copy_where_it_can_be() -> None:
    row = np.ones(3, dtype=np.float32)
    assert as_float32(row, dimensions=1) is row
    assert as_float32([1, 2.5], dimensions=1).dtype == np.float32
    assert as_float32([], dimensions=1).shape == (0,)
    assert np.isinf(as_float32([1e300], dimensions=1)).all()
