"""What each posting adds to the score of its row, for a term of weight one: worked out once, used by many searches."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from vpa.analysis.bm25 import K1, B
from vpa.base.arrays import FloatVector, IntColumn
from vpa.engine.lexical.postings import Postings

# The mean length may have moved by this share since; scores are off by no more, and those that count are worked out
# anew.
_DRIFT: Final = 0.02
# Postings that are worked out together, so that what is made on the way stays small.
_STEP: Final = 1 << 20


class Impacts(NamedTuple):
    """`values` belong to the rows of the postings, `peaks` to their terms: the greatest. `mean`: of lengths then."""

    mean: float
    values: FloatVector
    peaks: FloatVector

    def error(self, mean: float) -> float:
        """By which share a value may differ from that for another mean length, but for rounding."""
        return abs(mean / self.mean - 1)

    @classmethod
    def of(cls, postings: Postings, lengths: IntColumn, mean: float) -> Impacts:
        """`lengths` has those of the rows."""
        values = np.empty(len(postings.rows), dtype=np.float32)
        factor, offset = np.float32(K1 * B / mean), np.float32(K1 * (1 - B))
        for start in range(0, len(values), _STEP):
            part = slice(start, start + _STEP)
            tf = postings.counts[part].astype(np.float32)
            norm = lengths[postings.rows[part]] * factor
            norm += offset
            norm += tf
            tf *= np.float32(K1 + 1)
            np.divide(tf, norm, out=values[part])
        peaks = np.maximum.reduceat(values, postings.starts[:-1]) if len(postings.codes) else values
        return cls(mean, values, peaks)


class PostingBlock:
    """Postings of a range of rows, and their impacts once a search asks for them."""

    __slots__ = ("_impacts", "postings")

    def __init__(self, postings: Postings) -> None:
        self.postings = postings
        self._impacts: Impacts | None = None

    def impacts(self, lengths: IntColumn, mean: float) -> Impacts:
        """Those for about this mean length."""
        known = self._impacts
        if known is None or known.error(mean) > _DRIFT:
            self._impacts = known = Impacts.of(self.postings, lengths, mean)
        return known
