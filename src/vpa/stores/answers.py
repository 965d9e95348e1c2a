"""What a store answers where that is more than matches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vpa.analysis.bm25 import WordStatistics
from vpa.base.arrays import Scores
from vpa.base.records import Matches


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Matches of one question, the keyword score of each `(n,) float64` (that by a sparse vector, where one was asked
    for), and the statistics that it was made with.

    By words alone they stand best first, with that score. Where a vector was asked for as well they have the scores
    that it gives them, in no order, and all that are among the best by either are there.
    """

    matches: Matches
    words: Scores
    statistics: WordStatistics

    @property
    def similarity(self) -> Scores:
        """The score of each by its vector `(n,) float64`, where one was asked for."""
        return np.fromiter((match.score for match in self.matches), dtype=np.float64, count=len(self.matches))
