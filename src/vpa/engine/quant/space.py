"""How rows and queries enter an inner-product space, in which the first pass looks for the greatest products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from vpa.base.arrays import FloatMatrix, FloatVector
from vpa.base.records import Metric

# Beyond these lengths squares leave float32; codes are not made then.
LONGEST: Final = 1e15


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """cosine and dot: rows `y = x - centre`, which adds the same to each product of a query. euclidean: rows
    `(y, -|y|²/2s)`, queries `(q - centre, s)`.

    The product of those two is `(|q - centre|² - |x - q|²) / 2`, so the greatest product is the nearest row. The
    estimate's error grows with the product of both lengths, which `s² = mean |y|²/2` makes least.
    """

    metric: Metric
    centre: FloatVector | None
    scale: float
    dimension: int

    @classmethod
    def of(cls, metric: Metric, sample: FloatMatrix, *, shifted: bool) -> Space:
        """The space for rows of which `sample` is a random draw; `shifted` False leaves them where they are if it
        can.
        """
        width = sample.shape[1]
        if metric is not Metric.EUCLIDEAN and not shifted:
            return cls(metric, None, 1.0, width)
        centre = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
        if metric is not Metric.EUCLIDEAN:
            return cls(metric, centre, 1.0, width)
        apart = (sample - centre).astype(np.float64)
        half = float(np.einsum("ij,ij->i", apart, apart).mean()) / 2
        return cls(metric, centre, half**0.5 or 1.0, width + 1)

    @classmethod
    def restored(cls, metric: Metric, width: int, *, centre: FloatVector | None, scale: float) -> Space:
        """A space as it was: `width` is that of the vectors. Raises ValueError for a centre of another width."""
        if (centre is None and metric is Metric.EUCLIDEAN) or (centre is not None and centre.shape != (width,)):
            raise ValueError("this is not the centre of a space of this metric and dimension")
        return cls(metric, centre, scale, width + (metric is Metric.EUCLIDEAN))

    def rows(self, matrix: FloatMatrix) -> FloatMatrix:
        """`(n, dimension)`; the argument itself where nothing changes."""
        if self.centre is None:
            return matrix
        apart = matrix - self.centre
        if self.metric is not Metric.EUCLIDEAN:
            return apart
        halves = np.einsum("ij,ij->i", apart, apart) / np.float32(2 * self.scale)
        return np.concatenate([apart, -halves[:, None]], axis=1)

    def queries(self, matrix: FloatMatrix) -> FloatMatrix:
        """`(m, dimension)`; the argument itself where nothing changes."""
        if self.metric is not Metric.EUCLIDEAN or self.centre is None:
            return matrix
        last = np.full((len(matrix), 1), self.scale, dtype=np.float32)
        return np.concatenate([matrix - self.centre, last], axis=1)
