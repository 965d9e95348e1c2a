"""A second look at the best candidates, by something slower and better: a model, a service, the caller's own
function."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import numpy as np

from vpa.analysis.analyser import Analyser
from vpa.analysis.bm25 import WordStatistics
from vpa.base.arrays import Scores
from vpa.base.errors import InvalidQueryError, RerankerError, VectorDatabaseError
from vpa.base.query import check_number
from vpa.base.showing import shown
from vpa.kit.crossing import original_of
from vpa.retrieval.calling import called
from vpa.retrieval.candidates import Candidate
from vpa.retrieval.identity import Identity

RerankName: TypeAlias = Literal["none", "light"]
RerankFunction: TypeAlias = "Callable[[str, Sequence[str]], Sequence[float] | Awaitable[Sequence[float]]]"
# How many candidates are looked at, what the reranker counts beside the order that it found, and for how long it is
# waited.
DEPTH: Final = 50
WEIGHT: Final = 0.3
SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a search knows that a reranker may use: how often words occur, and how many `records` were searched; None
    where it does not know. `linear` undoes what fusion did to scores so that they lie between 0 and 1.
    """

    statistics: WordStatistics | None = None
    analyser: Analyser | None = None
    records: int | None = None
    linear: Callable[[Scores], Scores] = lambda scores: scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a reranker says of candidates: `scores`, one finite number each, unless it `abstains`: then the order stays.
    `parts`: what these were made of, by name, NaN where there is none; `notes`: what did not go as asked.
    """

    scores: Any = ()
    abstains: bool = False
    parts: Mapping[str, Scores] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Reranker(ABC):
    """Gives each candidate a score for a question; the scale is its own, greater is better.

    `weight` is what it counts where the caller does not say. One that `reads_vectors` is given candidates with theirs.
    """

    name: str = "reranker"
    weight: float = WEIGHT
    reads_vectors: bool = False

    @abstractmethod
    async def scores(self, question: str, candidates: Sequence[Candidate]) -> Sequence[float]:
        """One finite number a candidate. Raises RerankerError."""

    async def judge(self, question: str, candidates: Sequence[Candidate], facts: Facts) -> Judgement:
        """As `scores`, for one that knows more, or has more to say."""
        del facts
        return Judgement(scores=await self.scores(question, candidates))

    def combined(self, candidates: Sequence[Candidate], judged: Scores, *, weight: float, facts: Facts) -> Scores:
        """The new score of every candidate, of which the first were judged: (1 - weight) of the score so far, weight of
        the reranker's, each scaled to [0, 1].
        """
        del facts
        added = np.zeros(len(candidates))
        added[: len(judged)] = scaled(judged)
        before = scaled(np.asarray([candidate.score for candidate in candidates]))
        return (1 - weight) * before + weight * added


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


def as_reranker(rerank: Any, named: Mapping[str, Callable[[], Reranker | None]] | None = None) -> Reranker | None:
    """A reranker as it is, a function as one, a name as what `named` makes for it; raises InvalidQueryError for
    anything else.
    """
    if rerank is None or isinstance(rerank, Reranker):
        return rerank
    if isinstance(rerank, str) and rerank in (named or {}):
        return (named or {})[rerank]()
    if not callable(rerank):
        names = "".join(f"{name!r}, " for name in named or {})
        raise InvalidQueryError(
            f"rerank is {names}a function (question, texts) -> numbers, or a Reranker, not {shown(rerank)}"
        )
    return FunctionReranker(rerank)


def check_weight(weight: float | None) -> float | None:
    """Return it, or raise InvalidQueryError for what is no number from 0 to 1; None: what the reranker has."""
    return None if weight is None else check_number("rerank_weight", weight, most=1)


class Reranked(NamedTuple):
    """Candidates in their new order, or as they were, with notes that say why."""

    candidates: list[Candidate]
    notes: tuple[str, ...] = ()


async def reranked(
    question: str,
    candidates: Sequence[Candidate],
    reranker: Reranker,
    *,
    depth: int,
    seconds: float,
    weight: float | None = None,
    facts: Facts = Facts(),
) -> Reranked:
    """The best `depth` candidates in the order that the reranker makes of the one so far and its own scores.

    One that takes longer than `seconds` is not waited for, and the order stays. Raises RerankerError.
    """
    if len(candidates) < 2:
        return Reranked(list(candidates))
    best = list(candidates[:depth])
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            judgement = await reranker.judge(question, best, facts)
    except VectorDatabaseError:
        raise
    except Exception as error:
        # One that gave up by itself raises a TimeoutError too.
        if limit.expired():
            note = f"the reranker {reranker.name!r} took longer than {seconds:g} s: the order is as it was"
            return Reranked(list(candidates), (note,))
        raise RerankerError(
            f"the reranker {reranker.name!r} failed with {type(error).__name__}: {error}; search without rerank, or "
            "mend it"
        ) from error
    if judgement.abstains:
        return Reranked(list(candidates), judgement.notes)
    judged = _checked(judgement.scores, len(best), reranker.name)
    weight = reranker.weight if weight is None else weight
    _note(candidates, judged, judgement.parts)
    combined = reranker.combined(candidates, judged, weight=weight, facts=facts)
    for candidate, score in zip(candidates, combined.tolist(), strict=True):
        candidate.score = score
    # Equal scores, as of all that were not looked at where weight is 1, stay in the order so far.
    return Reranked(sorted(candidates, key=lambda candidate: -candidate.score), judgement.notes)


def _note(candidates: Sequence[Candidate], judged: Scores, parts: Mapping[str, Scores]) -> None:
    for number, (candidate, value) in enumerate(zip(candidates, judged.tolist(), strict=False)):
        candidate.reranked = value
        candidate.parts = {name: part for name, values in parts.items() if not isnan(part := float(values[number]))}


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


def scaled(values: Scores) -> Scores:
    """From 0, the least, to 1; all 0 where all are equal."""
    with np.errstate(over="ignore"):
        spread = values.max() - values.min()
    if not np.isfinite(spread):
        # The difference of halves does not overflow.
        values = values / 2
        spread = values.max() - values.min()
    return (values - values.min()) / spread if spread else np.zeros(len(values))
