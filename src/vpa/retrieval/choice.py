"""Which of the ranked passages are shown: not too many of one source, not all the same, and by chance if so asked."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from vpa.base.arrays import FloatMatrix
from vpa.base.errors import InvalidQueryError
from vpa.base.showing import shown
from vpa.retrieval.passages import Passage, ordered, values_at

DOCUMENT: Final = "document"


def check_at_most(at_most: Mapping[str, int] | None) -> tuple[tuple[str, int], ...]:
    """Limits as pairs, or InvalidQueryError: whole numbers from 1 up, by "document" or a metadata field."""
    if at_most is None:
        return ()
    if not isinstance(at_most, Mapping):
        raise InvalidQueryError(
            f"at_most is a mapping of 'document', or a metadata field, to a number, {{'document': 2}}, not "
            f"{shown(at_most)}"
        )
    for name, most in at_most.items():
        if not isinstance(name, str) or not name or isinstance(most, bool) or not isinstance(most, int) or most < 1:
            raise InvalidQueryError(f"at_most[{name!r}] must be a whole number from 1 up, not {shown(most)}")
    return tuple(at_most.items())


def check_share(name: str, value: object) -> float:
    """Return a number from 0 to 1, or raise InvalidQueryError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InvalidQueryError(f"{name} must be a number from 0 to 1, not {shown(value)}")
    return float(value)


def check_temperature(value: object) -> float:
    """Return a temperature, or raise InvalidQueryError: a number from 0 up."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise InvalidQueryError(f"temperature must be a number from 0 up, not {shown(value)}")
    return float(value)


def limited(passages: Sequence[Passage], at_most: Sequence[tuple[str, int]]) -> list[Passage]:
    """The passages in their order, but no more of one document or value of a field than `at_most` says.

    Passages without the field are not limited by it.
    """
    seen: Counter[tuple[str, object]] = Counter()
    result = []
    for passage in passages:
        keys = [(name, most, value) for name, most in at_most for value in _values(passage, name)]
        if all(seen[name, value] < most for name, most, value in keys):
            seen.update((name, value) for name, _, value in keys)
            result.append(passage)
    return result


def _values(passage: Passage, name: str) -> list[object]:
    if name == DOCUMENT:
        return [passage.document]
    return [(type(value).__name__, value) for value in values_at(passage.match.metadata, name)]


def diverse(passages: Sequence[Passage], *, count: int, diversity: float) -> list[Passage]:
    """Maximal marginal relevance: the next one is that with the greatest (1 - diversity) · relevance - diversity ·
    greatest cosine to those chosen before. Relevance is the score, scaled to [0, 1] over all passages.

    Carbonell and Goldstein, "The Use of MMR" (1998). Passages need their vectors.
    """
    if not passages or count >= len(passages) == 1:
        return list(passages)
    vectors = _unit_rows(np.asarray([passage.match.vector for passage in passages], dtype=np.float32))
    scores = np.asarray([passage.score for passage in passages])
    spread = scores.max() - scores.min()
    relevance = (scores - scores.min()) / spread if spread else np.ones(len(scores))
    nearest = np.full(len(passages), -1.0, dtype=np.float32)
    left = np.ones(len(passages), dtype=np.bool_)
    chosen: list[Passage] = []
    while left.any() and len(chosen) < count:
        gain = (1 - diversity) * relevance - (diversity * nearest if chosen else 0)
        best = int(np.where(left, gain, -np.inf).argmax())
        left[best] = False
        chosen.append(passages[best])
        np.maximum(nearest, vectors @ vectors[best], out=nearest)
    return chosen


def _unit_rows(matrix: FloatMatrix) -> FloatMatrix:
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    unit: FloatMatrix = matrix / np.where(norms > 0, norms, 1)
    return unit


def sampled(passages: Sequence[Passage], *, count: int, temperature: float, seed: int | None) -> list[Passage]:
    """`count` passages by chance, best first: one is the likelier the better its score, the more so the lower the
    temperature; at 0 the best. The same seed draws the same.

    Without replacement from the softmax of score / temperature, by Gumbel noise (Kool, van Hoof and Welling 2019).
    """
    if not temperature:
        return list(passages[:count])
    scores = np.asarray([passage.score for passage in passages])
    spread = scores.max() - scores.min() if len(scores) else 0.0
    scaled = (scores - scores.min()) / spread if spread else np.zeros(len(scores))
    noise = np.random.default_rng(seed).gumbel(size=len(scores))
    drawn = np.argsort(-(scaled / temperature + noise), kind="stable")[:count]
    return ordered(passages[place] for place in drawn.tolist())
