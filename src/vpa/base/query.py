"""A search as one value, checked: what the manager hands to a store."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, TypeAlias

import numpy as np

from vpa.base.arrays import FloatMatrix, FloatVector, RowNumbers, Scores
from vpa.base.errors import InvalidQueryError
from vpa.base.scope import Scope
from vpa.base.showing import shown

# Half of the smallest limit among the stores (10,000: Pinecone, Weaviate), so that a residual filter can read deeper.
MAX_TOP_K: Final = 5000

ConflictName: TypeAlias = Literal["replace", "skip", "error"]


class OnConflict(StrEnum):
    """What upsert does with ids that exist."""

    REPLACE = "replace"
    SKIP = "skip"
    ERROR = "error"

    @classmethod
    def parse(cls, value: str | OnConflict) -> OnConflict:
        """The choice of that name; raises InvalidQueryError naming the three."""
        try:
            return cls(value if isinstance(value, str) else "")
        except ValueError:
            raise InvalidQueryError(f"on_conflict {shown(value)} is unknown: use one of {', '.join(cls)}") from None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SearchRequest:
    """Queries `(m, d) float32` (unit rows for cosine) and the options that hold for all of them."""

    vectors: FloatMatrix
    top_k: int = 10
    score_threshold: float | None = None
    include_vectors: bool = False
    exact: bool = False
    scope: Scope = Scope()

    def like(self) -> tuple[object, ...]:
        """Equal for requests that differ in nothing but their vectors."""
        return (self.top_k, self.score_threshold, self.include_vectors, self.exact, self.scope)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WordRequest:
    """The `terms` of one question, with how often each stands in it (or what it weighs), and the options of the search.
    In their place it may be a `sparse` vector, which records are compared with by its product with theirs.

    With a `vector` `(d,) float32` too: both scores are asked for, of the best `top_k` by either. `select` is then
    called with the scores by vector and by words of these candidates; only those whose places it returns are read.
    """

    terms: Mapping[str, float]
    sparse: Mapping[int, float] | None = None
    vector: FloatVector | None = None
    top_k: int = 10
    score_threshold: float | None = None
    include_vectors: bool = False
    exact: bool = False
    scope: Scope = Scope()
    select: Callable[[Scores, Scores], RowNumbers] | None = None


def check_top_k(top_k: object, *, name: str = "top_k") -> int:
    """Return `top_k`, or raise InvalidQueryError: an integer from 1 to 5,000."""
    if isinstance(top_k, bool) or not isinstance(top_k, int | np.integer) or not 1 <= top_k <= MAX_TOP_K:
        raise InvalidQueryError(f"{name} must be an integer from 1 to {MAX_TOP_K}, not {shown(top_k)}")
    return int(top_k)


def check_number(
    name: str, value: object, *, least: float = 0.0, most: float = sys.float_info.max, above: bool = False
) -> float:
    """Return a number from `least` to `most`, or raise InvalidQueryError; `above`: greater than `least`."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not least <= value <= most or (above and value == least):  # type: ignore[operator]
        span = f"above {least:g}" if above else f"from {least:g} up"
        if most < sys.float_info.max:
            span = f"from {least:g} to {most:,.0f}"
        raise InvalidQueryError(f"{name} must be a number {span}, not {shown(value)}")
    return float(value)  # type: ignore[arg-type]


def check_threshold(threshold: object) -> float | None:
    """Return `score_threshold`, or raise InvalidQueryError: a number or None."""
    if threshold is None:
        return None
    is_real = isinstance(threshold, int | float | np.integer | np.floating) and not isinstance(threshold, bool)
    number = math.nan
    with contextlib.suppress(OverflowError):
        number = float(threshold) if is_real else math.nan  # type: ignore[arg-type]
    if math.isnan(number):
        raise InvalidQueryError(f"score_threshold must be a number, not {shown(threshold)}")
    return number
