"""A second look at the best candidates, by something slower and better: a model, a service, the caller's own
function."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from vpa.base.arrays import Scores
from vpa.base.errors import InvalidQueryError, RerankerError, VectorDatabaseError
from vpa.base.showing import shown
from vpa.kit.crossing import original_of
from vpa.retrieval.calling import called
from vpa.retrieval.candidates import Candidate
from vpa.retrieval.identity import Identity

RerankFunction: TypeAlias = "Callable[[str, Sequence[str]], Sequence[float] | Awaitable[Sequence[float]]]"
# How many candidates are looked at, what the reranker counts beside the order that it found, and for how long it is
# waited.
DEPTH: Final = 50
WEIGHT: Final = 0.3
SECONDS: Final = 2.0


class Reranker(ABC):
    """Gives each candidate a score for a question; the scale is its own, greater is better."""

    name: str = "reranker"

    @abstractmethod
    async def scores(self, question: str, candidates: Sequence[Candidate]) -> Sequence[float]:
        """One finite number a candidate. Raises RerankerError."""


class FunctionReranker(Reranker):
    """The caller's own: `function(question, texts)` gives a number a text; a coroutine function may be given too."""

    def __init__(self, function: RerankFunction) -> None:
        self._function = function
        self._identity = Identity(function)
        original = original_of(function)
        self.name = getattr(original, "__name__", type(original).__name__)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FunctionReranker) and other._identity == self._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    async def scores(self, question: str, candidates: Sequence[Candidate]) -> Sequence[float]:
        """A plain function runs in a thread, so that the event loop goes on."""
        texts = [candidate.text for candidate in candidates]
        scores: Sequence[float] = await called(self._function, question, texts)
        return scores


def as_reranker(rerank: Any) -> Reranker | None:
    """A reranker as it is, a function as one; raises InvalidQueryError for anything else."""
    if rerank is None or isinstance(rerank, Reranker):
        return rerank
    if not callable(rerank):
        raise InvalidQueryError(
            f"rerank is a function (question, texts) -> numbers, or a Reranker, not {shown(rerank)}"
        )
    return FunctionReranker(rerank)


class Reranked(NamedTuple):
    """Candidates in their new order, or as they were, with a note that says why."""

    candidates: list[Candidate]
    note: str | None = None


async def reranked(
    question: str, candidates: Sequence[Candidate], reranker: Reranker, *, depth: int, weight: float, seconds: float
) -> Reranked:
    """The best `depth` candidates in a new order: (1 - weight) of the score so far, weight of the reranker's, each
    scaled to [0, 1].

    One that takes longer than `seconds` is not waited for, and the order stays. Raises RerankerError.
    """
    if len(candidates) < 2:
        return Reranked(list(candidates))
    best = list(candidates[:depth])
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            answer = await reranker.scores(question, best)
    except VectorDatabaseError:
        raise
    except Exception as error:
        # One that gave up by itself raises a TimeoutError too.
        if limit.expired():
            note = f"the reranker {reranker.name!r} took longer than {seconds:g} s: the order is as it was"
            return Reranked(list(candidates), note)
        raise RerankerError(
            f"the reranker {reranker.name!r} failed with {type(error).__name__}: {error}; search without rerank, or "
            "mend it"
        ) from error
    judged = _checked(answer, len(best), reranker.name)
    _combine(candidates, judged, weight=weight)
    # Equal scores, as of all that were not looked at where weight is 1, stay in the order so far.
    return Reranked(sorted(candidates, key=lambda candidate: -candidate.score))


def _checked(answer: Any, count: int, name: str) -> Scores:
    scores = _numbers(answer)
    if scores is None:
        raise RerankerError(f"the reranker {name!r} gave {shown(answer)}; it gives one number a text")
    if scores.shape != (count,):
        raise RerankerError(
            f"the reranker {name!r} gave scores of shape {scores.shape} for {count} texts; it gives one number a text"
        )
    if not np.isfinite(scores).all():
        place = int(np.argmin(np.isfinite(scores)))
        raise RerankerError(
            f"the reranker {name!r} gave {scores[place]} for text {place + 1} of {count}; scores are finite numbers"
        )
    return scores


def _numbers(answer: Any) -> Scores | None:
    """None for what holds no real numbers. NumPy would read them from texts, too."""
    try:
        if np.asarray(answer).dtype.kind in "USc":
            return None
        return np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return None


def _combine(candidates: Sequence[Candidate], judged: Scores, *, weight: float) -> None:
    before = _scaled(np.asarray([candidate.score for candidate in candidates]))
    added = np.zeros(len(candidates))
    added[: len(judged)] = _scaled(judged)
    for candidate, score in zip(candidates, ((1 - weight) * before + weight * added).tolist(), strict=True):
        candidate.score = score
    for candidate, value in zip(candidates, judged.tolist(), strict=False):
        candidate.reranked = value


def _scaled(values: Scores) -> Scores:
    halves = values / 2  # Whose difference does not overflow.
    spread = halves.max() - halves.min()
    return (halves - halves.min()) / spread if spread else np.zeros(len(values))
