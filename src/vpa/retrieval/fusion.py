"""One score out of two: how near a record is by its vector, and how well its words fit.

The default, z-scores over all candidates with both scores known for each, and equal weights, is the one that gained
most over the collections it was measured on (docs/retrieval.md). That convex combinations are better than ranks: Bruch,
Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval" (2023). Reciprocal rank fusion: Cormack, Clarke
and Büttcher (2009).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, get_args

import numpy as np

from vpa.base.arrays import RowNumbers, Scores
from vpa.base.errors import InvalidQueryError
from vpa.base.query import check_number
from vpa.base.showing import shown

FusionName: TypeAlias = Literal["minmax", "zscore", "max", "rrf", "confidence"]
# The constant of reciprocal rank fusion in the paper.
_RRF_K: Final = 60
_ALMOST: Final = 1 - 1e-12


@dataclass(frozen=True, slots=True)
class Fusion:
    """How two scores become one. Weights are relative: 1 and 3 are .25 and .75.

    `method`: "zscore" scales each score by mean and deviation over the candidates, and the sum to (0, 1), so that .5 is
    a middling candidate; "minmax" scales each to [0, 1]; "max" by the greatest; "rrf" looks at ranks only; "confidence"
    is min-max, with each side weighed by how far its best candidate stands out from the mean. Raises InvalidQueryError.
    """

    method: FusionName = "zscore"
    semantic_weight: float = field(default=0.5, kw_only=True)
    keyword_weight: float = field(default=0.5, kw_only=True)

    def __post_init__(self) -> None:
        if self.method not in get_args(FusionName):
            raise InvalidQueryError(f"fusion is one of {', '.join(get_args(FusionName))}, not {shown(self.method)}")
        for name in ("semantic_weight", "keyword_weight"):
            check_number(name, getattr(self, name))
        if not self.semantic_weight + self.keyword_weight:
            raise InvalidQueryError("semantic_weight and keyword_weight are both 0; at least one must be above")


def fuse(similarity: Scores, words: Scores, fusion: Fusion) -> Scores:
    """The score of each candidate `(n,) float64` in [0, 1], from its score by vector and its score by words."""
    if not len(similarity):
        return np.empty(0)
    weights = np.asarray([fusion.semantic_weight, fusion.keyword_weight], dtype=np.float64)
    sides = (similarity, words)
    if fusion.method == "confidence":
        trust = np.asarray([_confidence(side) for side in sides])
        weights = weights * trust if (weights * trust).sum() else weights
    # By the greater one first: the sum of two great numbers overflows.
    weights /= weights.max()
    weights /= weights.sum()
    scaled = _SCALES[fusion.method]
    by_words = scaled(words)
    if fusion.method == "rrf":
        # A record that holds none of the words has no rank among words.
        by_words = by_words * (words != 0)
    fused: Scores = weights[0] * scaled(similarity) + weights[1] * by_words
    return _squeezed(fused) if fusion.method == "zscore" else fused


def parse_fusion(fusion: object, *, semantic_weight: float = 0.5, keyword_weight: float = 0.5) -> Fusion:
    """A `Fusion` as it is, a method by its name with these weights; raises InvalidQueryError."""
    if isinstance(fusion, Fusion):
        return fusion
    return Fusion(
        method=fusion,  # type: ignore[arg-type]
        semantic_weight=semantic_weight,
        keyword_weight=keyword_weight,
    )


class FusedChoice:
    """Chooses the best candidates by both scores, so that a store reads no more records than are kept.

    Once called it knows, for each candidate kept: `scores`, and the ranks by either score; `pool`: of how many these
    are, and whether any was left out for want of room (`is_cut`).
    """

    def __init__(self, fusion: Fusion, *, keep: int, threshold: float | None = None) -> None:
        """`threshold`: candidates below this score by vector are left out."""
        self._fusion, self._keep, self._threshold = fusion, keep, threshold
        self.pool = 0
        self.is_cut = False
        self.scores = self.dense_ranks = self.keyword_ranks = np.empty(0)

    def __call__(self, similarity: Scores, words: Scores) -> RowNumbers:
        """Places of the candidates to keep, in no order; all that have the score of the last one among them."""
        scores = fuse(similarity, words, self._fusion)
        places = np.arange(len(scores)) if self._threshold is None else np.flatnonzero(similarity >= self._threshold)
        # With fewer than were asked for above the threshold, all that are above it were seen.
        self.pool = len(places)
        self.is_cut = len(places) > self._keep
        if self.is_cut:
            chosen = scores[places]
            least = np.partition(chosen, len(chosen) - self._keep)[len(chosen) - self._keep]
            places = places[chosen >= least]
        self.scores = scores[places]
        self.dense_ranks, self.keyword_ranks = ranks(similarity)[places], ranks(words)[places]
        return places


def ranks(scores: Scores) -> Scores:
    """The rank of each, from 1; equal scores share the better rank."""
    falling = np.sort(scores)[::-1]
    places: Scores = np.searchsorted(-falling, -scores, side="left").astype(np.float64)
    return places + 1


def _minmax(scores: Scores) -> Scores:
    low, high = scores.min(), scores.max()
    return np.zeros(len(scores)) if high == low else (scores - low) / (high - low)


def _zscore(scores: Scores) -> Scores:
    # Of scores from 0 to 1: the deviation of equal scores is not always 0, as their mean is rounded.
    scaled = _minmax(scores)
    deviation = scaled.std()
    return scaled if not deviation else (scaled - scaled.mean()) / deviation


def _squeezed(values: Scores) -> Scores:
    """In the same order, within (0, 1): v / (1 + |v|), moved to there. A logistic function would reach 1 too soon."""
    squeezed: Scores = 0.5 + 0.5 * values / (1 + np.abs(values))
    return squeezed


def unsqueezed(values: Scores) -> Scores:
    """The inverse of what `fuse` does to sums of z-scores, for values between 0 and 1, so that equal differences are
    equal again.
    """
    moved = np.clip(2 * values - 1, -_ALMOST, _ALMOST)
    sums: Scores = moved / (1 - np.abs(moved))
    return sums


def _by_max(scores: Scores) -> Scores:
    """Divided by the greatest; scores below 0 count as 0."""
    positive = np.maximum(scores, 0)
    greatest = positive.max()
    return positive if not greatest else positive / greatest


def _reciprocal(scores: Scores) -> Scores:
    """(k + 1) / (k + rank), so that the first has 1."""
    by_rank: Scores = (_RRF_K + 1) / (_RRF_K + ranks(scores))
    return by_rank


def _confidence(scores: Scores) -> float:
    """From 0 to 1: how much of the way from the least to the greatest lies above the mean."""
    low, high = float(scores.min()), float(scores.max())
    return 0.0 if high == low else (high - float(scores.mean())) / (high - low)


_SCALES: Final[dict[str, Callable[[Scores], Scores]]] = {
    "minmax": _minmax,
    "zscore": _zscore,
    "max": _by_max,
    "rrf": _reciprocal,
    "confidence": _minmax,
}
