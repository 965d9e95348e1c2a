"""Which of the ranked candidates are shown: not too many of one source, not all the same, and by chance if so asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpa.base.arrays import FloatMatrix, Scores
from vpa.base.errors import InvalidQueryError
from vpa.base.showing import shown
from vpa.retrieval.candidates import Candidate, ordered, values_at

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


def check_seed(seed: object) -> int | None:
    """Return a seed, or raise InvalidQueryError: a whole number from 0 up, or None for another draw each time."""
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int) or seed < 0):
        raise InvalidQueryError(f"seed is a whole number from 0 up, or None, not {shown(seed)}")
    return seed


def limited(candidates: Sequence[Candidate], at_most: Sequence[tuple[str, int]]) -> list[Candidate]:
    """The candidates in their order, but no more of one document or value of a field than `at_most` says.

    Candidates without the field are not limited by it.
    """
    seen: Counter[tuple[str, object]] = Counter()
    result = []
    for candidate in candidates:
        keys = [(name, most, value) for name, most in at_most for value in _values(candidate, name)]
        if all(seen[name, value] < most for name, most, value in keys):
            seen.update((name, value) for name, _, value in keys)
            result.append(candidate)
    return result


def _values(candidate: Candidate, name: str) -> list[object]:
    if name == DOCUMENT:
        return [candidate.document]
    return [(type(value).__name__, value) for value in values_at(candidate.match.metadata, name)]


def diverse(
    candidates: Sequence[Candidate], *, count: int, diversity: float, scores: Scores | None = None
) -> list[Candidate]:
    """Maximal marginal relevance: the next one is that with the greatest (1 - diversity) · relevance - diversity ·
    greatest cosine to those chosen before. Relevance is the score, or that in `scores`, scaled to [0, 1] over all
    candidates.

    Carbonell and Goldstein, "The Use of MMR" (1998). Candidates need their vectors.
    """
    if not candidates or count >= len(candidates) == 1:
        return list(candidates)
    vectors = _unit_rows(np.asarray([candidate.match.vector for candidate in candidates], dtype=np.float32))
    scaled = _scaled(np.asarray([candidate.score for candidate in candidates]) if scores is None else scores)
    nearest: NDArray[np.float32] = np.full(len(candidates), -1, dtype=np.float32)
    left = np.ones(len(candidates), dtype=np.bool_)
    chosen: list[Candidate] = []
    while left.any() and len(chosen) < count:
        gain = (1 - diversity) * scaled - (diversity * nearest if chosen else 0)
        best = int(np.where(left, gain, -np.inf).argmax())
        left[best] = False
        chosen.append(candidates[best])
        nearest = np.maximum(nearest, vectors @ vectors[best]).astype(np.float32)
    return chosen


def _unit_rows(matrix: FloatMatrix) -> FloatMatrix:
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    unit: FloatMatrix = (matrix / np.where(norms > 0, norms, 1)).astype(np.float32)
    return unit


def sampled(candidates: Sequence[Candidate], *, count: int, temperature: float, seed: int | None) -> list[Candidate]:
    """`count` candidates by chance, best first: one is the likelier the better its score, the more so the lower the
    temperature; at 0 the best. The same seed draws the same.

    Without replacement from the softmax of score / temperature, by Gumbel noise (Kool, van Hoof and Welling 2019).
    """
    if not temperature:
        return list(candidates[:count])
    drawn = np.argsort(-drawn_scores(candidates, temperature=temperature, seed=seed), kind="stable")[:count]
    return ordered(candidates[place] for place in drawn.tolist())


def drawn_scores(candidates: Sequence[Candidate], *, temperature: float, seed: int | None) -> Scores:
    """The scores `(n,) float64`, scaled to [0, 1], with noise: their order is the one that chance makes."""
    scaled = _scaled(np.asarray([candidate.score for candidate in candidates], dtype=np.float64))
    noise = np.random.default_rng(seed).gumbel(size=len(scaled))
    # The same order as score / temperature + noise, and no division by what is nearly 0.
    return scaled + temperature * noise if temperature <= 1 else scaled / temperature + noise


def _scaled(scores: Scores) -> Scores:
    spread = scores.max() - scores.min() if len(scores) else 0.0
    return (scores - scores.min()) / spread if spread else np.zeros(len(scores))
