"""Sparse vectors that callers bring, such as SPLADE's: the numbers of dimensions, each with its weight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from vpa.base.errors import InvalidRecordError
from vpa.base.showing import shown

# The largest number of a dimension: the two above are refused by stores, or stand there for no vector at all.
MAX_DIMENSION: Final = 2**32 - 3
MAX_ENTRIES: Final = 10_000
# Where they are held, for messages.
HOLDERS: Final = "Qdrant, Milvus and Pinecone"


def canonical_sparse(sparse: object) -> dict[int, float] | None:
    """Dimensions ascending, weights rounded to float32 and none of them 0; None where nothing is left.

    Numbers as text, as JSON has them, are read. Raises InvalidRecordError.
    """
    if sparse is None:
        return None
    if not isinstance(sparse, Mapping):
        raise InvalidRecordError(f"sparse maps numbers of dimensions to weights, {{17: 0.5}}, not {shown(sparse)}")
    numbers = list(map(_number, sparse))
    if len(set(numbers)) < len(numbers):
        raise InvalidRecordError("sparse names a dimension twice, as a number and as text")
    for weight in sparse.values():
        if isinstance(weight, bool) or not isinstance(weight, int | float | np.integer | np.floating):
            raise InvalidRecordError(f"the weights of sparse are numbers, not {shown(weight)}")
    with np.errstate(over="ignore"):
        weights = np.asarray([_wide(weight) for weight in sparse.values()], dtype=np.float64).astype(np.float32)
    if not np.isfinite(weights).all():
        raise InvalidRecordError("sparse has a weight that is not finite as float32")
    entries = sorted((number, weight) for number, weight in zip(numbers, weights.tolist(), strict=True) if weight)
    if len(entries) > MAX_ENTRIES:
        raise InvalidRecordError(f"sparse has {len(entries)} weights that are not 0, at most {MAX_ENTRIES} are taken")
    return dict(entries) or None


def _number(key: Any) -> int:
    if isinstance(key, str) and key.isascii() and key.isdigit() and len(key) <= len(str(MAX_DIMENSION)):
        key = int(key)
    is_number = isinstance(key, int | np.integer) and not isinstance(key, bool)
    if not is_number or not 0 <= key <= MAX_DIMENSION:
        raise InvalidRecordError(f"a dimension of sparse is an integer from 0 to {MAX_DIMENSION}, not {shown(key)}")
    return int(key)


def _wide(weight: Any) -> float:
    try:
        return float(weight)
    except OverflowError:
        return float("inf")


def sparse_to_json(sparse: Mapping[int, float] | None) -> dict[str, float] | None:
    """As JSON has it, with numbers as text; None where there is none."""
    return {str(number): float(weight) for number, weight in sparse.items()} if sparse else None


def sparse_from_json(sparse: Mapping[str, float] | None) -> dict[int, float] | None:
    """The inverse."""
    return {int(number): weight for number, weight in sparse.items()} if sparse else None


def dot(left: Mapping[int, float], right: Mapping[int, float]) -> float | None:
    """The product, in float64; None where the two have no dimension in common."""
    common = sorted(left.keys() & right.keys())
    return sum(left[number] * right[number] for number in common) if common else None
