"""A caller's own sparse vector as a record's payload holds it: two lists, of numbers and of weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import numpy as np

# Numbers of dimensions, ascending, and the weight of each.
SparseVector: TypeAlias = tuple[list[int], list[float]]
# In the payload; no field of a user's begins so.
FIELD: Final = "_vpa_sparse"
# What float32 may have added to a product.
ROUNDING: Final = 1 + 1e-5


def written(sparse: Mapping[int, float]) -> SparseVector:
    """Of each weight no more digits than float32 needs."""
    weights = np.fromiter(sparse.values(), dtype=np.float32, count=len(sparse))
    short = weights.astype("U").astype(np.float64)
    exact = np.where(short.astype(np.float32) == weights, short, weights.astype(np.float64))
    return list(sparse), exact.tolist()


def read(lists: Any) -> dict[int, float] | None:
    """The inverse; raises TypeError or ValueError for what `written` did not make."""
    if lists is None:
        return None
    numbers, weights = lists
    wide = np.asarray(weights, dtype=np.float32).astype(np.float64).tolist()
    return dict(zip(map(int, numbers), wide, strict=True))


def product_at_most(raw: float) -> float:
    """What a product that a store computed in float32 can be; infinite where terms of either sign may have cancelled
    one another.
    """
    return raw * ROUNDING if raw > 0 else math.inf
