"""What a mean over a few hundred queries is worth: bootstrap intervals, and a paired test of two settings.

Sources: Sakai, "Evaluating Evaluation Metrics based on the Bootstrap" (SIGIR 2006); Smucker, Allan and Carterette, "A
Comparison of Statistical Significance Tests for Information Retrieval Evaluation" (CIKM 2007), which recommends the
randomisation test and the bootstrap, and advises against the sign test and Wilcoxon's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vpa.base.errors import InvalidQueryError

CONFIDENCE: Final = 0.95
RESAMPLES: Final = 10_000
# Random sign flips of the test. Where all of them are fewer, each is tried once and the p-value is exact.
FLIPS: Final = 100_000
# Numbers drawn at once: bounds the memory, whatever the number of queries.
_DRAWN: Final = 1 << 21
# Two values of a measure, or two means, that are nearer than this differ by rounding only.
_ROUNDING: Final = 1e-12

Values: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % confidence interval of a mean."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Two settings on the same queries. `difference` is the mean of first minus second, `interval` its own.

    `p_value` is the probability of a difference at least as large, in either direction, if the settings were
    interchangeable. `better`, `worse` and `equal` count queries, seen from the first setting.
    """

    queries: int
    difference: float
    interval: Interval
    p_value: float
    better: int
    worse: int
    equal: int


def mean_interval(values: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """The percentile bootstrap of the mean of `values` `(n,)`: queries are drawn with replacement, `n` at a time.

    The same seed gives the same interval. Raises InvalidQueryError without values.
    """
    checked = _values(values)
    random = np.random.default_rng(seed)
    means = np.empty(resamples)
    step = max(1, _DRAWN // len(checked))
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        drawn = random.integers(0, len(checked), size=(count, len(checked)))
        means[start : start + count] = checked[drawn].mean(axis=1)
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    return Interval(float(low), float(high))


def paired_test(first: ArrayLike, second: ArrayLike, *, seed: int = 0) -> PairedTest:
    """Compare two settings by their values `(n,)` for the same queries in the same order.

    Raises InvalidQueryError where the lengths differ, or are 0.
    """
    ours, theirs = _values(first), _values(second)
    if len(ours) != len(theirs):
        raise InvalidQueryError(f"a paired test needs the same queries twice, not {len(ours)} and {len(theirs)} values")
    differences = ours - theirs
    differences[np.abs(differences) < _ROUNDING] = 0.0
    return PairedTest(
        queries=len(differences),
        difference=float(differences.mean()),
        interval=mean_interval(differences, seed=seed),
        p_value=randomisation_p_value(differences, seed=seed),
        better=int((differences > 0).sum()),
        worse=int((differences < 0).sum()),
        equal=int((differences == 0).sum()),
    )


def randomisation_p_value(differences: ArrayLike, *, flips: int = FLIPS, seed: int = 0) -> float:
    """Two-sided: how often random signs give the differences `(n,)` a sum at least as far from 0 as theirs is.

    Exact where there are at most `flips` ways to choose the signs; else `flips` of them are drawn, and the observed
    one is counted among them, so that the p-value is never 0.
    """
    checked = _values(differences)
    # The sign of 0 changes no sum.
    moving = np.abs(checked[checked != 0])
    observed = abs(float(checked.sum())) - _ROUNDING * max(1, len(moving))
    count = 2.0 ** len(moving)
    if count <= flips:
        return _at_least(_every_sign(len(moving)), moving, observed) / count
    random = np.random.default_rng(seed)
    step = max(1, _DRAWN // len(moving))
    extreme = 0
    for start in range(0, flips, step):
        size = (min(step, flips - start), len(moving))
        extreme += _at_least(random.integers(0, 2, size=size, dtype=np.int8), moving, observed)
    return (extreme + 1) / (flips + 1)


def _at_least(flipped: NDArray[np.integer], moving: Values, observed: float) -> int:
    """How many rows of `flipped` `(m, n)`, 0 or 1 each, give `moving` a sum that is `observed` or more from 0."""
    sums = 2 * (flipped @ moving) - moving.sum()
    return int((np.abs(sums) >= observed).sum())


def _every_sign(count: int) -> NDArray[np.integer]:
    """All rows of `count` zeros and ones, `(2 ** count, count)`."""
    return (np.arange(2**count)[:, None] >> np.arange(count)) & 1


def _values(values: ArrayLike) -> Values:
    checked: Values = np.array(values, dtype=np.float64)
    if checked.ndim != 1 or not len(checked) or not np.isfinite(checked).all():
        raise InvalidQueryError(f"a test needs one finite number for each of some queries, not shape {checked.shape}")
    return checked
