"""`rerank="light"`: no second model. What it counts was measured over six collections (docs/retrieval.md)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import numpy as np

from vpa.base.arrays import Scores
from vpa.base.tokens import TokenVectors
from vpa.retrieval.candidates import Candidate
from vpa.retrieval.light.codes import TokenCodes, decode
from vpa.retrieval.light.scoring import AskedTokens, Parts, judge, neighbour_weights
from vpa.retrieval.rerank import Facts, Judgement, Reranker, scaled

T = TypeVar("T")
# .3 of MaxSim beside the order so far, then .2 of the nearest window beside both.
MAXSIM: Final = 0.3 * 0.8
WINDOW: Final = 0.2
# Then .2 of the scores of each candidate's nearest others, by the fourth power of the cosine; in a small collection
# they would be a large part of it.
NEIGHBOURS: Final = 0.2
NEAREST: Final = 20
POWER: Final = 4
LEAST_RECORDS: Final = 500


class Values(NamedTuple):
    """Coded token vectors for each candidate, None where there are none, and what is to be said of it."""

    values: Sequence[bytes | None]
    notes: tuple[str, ...] = ()


class TokenSource(Protocol):
    """Where token vectors come from."""

    async def question(self, text: str) -> TokenVectors:
        """Those of the question."""
        ...

    async def values(self, candidates: Sequence[Candidate]) -> Values:
        """Those of the candidates, as `codes.encode` wrote them."""
        ...


class LightReranker(Reranker):
    """Compares token vectors of the question and of candidates, which the embedding model made when it embedded them.

    Candidates without token vectors get the mean score of the others, so that the order among them stays.
    """

    name = "light"
    weight = MAXSIM + WINDOW
    reads_vectors = True

    def __init__(self, source: TokenSource, *, run: Callable[..., Awaitable[Any]]) -> None:
        """`run(function, *args)` runs what takes milliseconds off the event loop."""
        self._source = source
        self._run = run

    async def scores(self, question: str, candidates: Sequence[Candidate]) -> Sequence[float]:
        """Without what a search knows beside: every token counts the same."""
        judgement = await self.judge(question, candidates, Facts())
        scores: Sequence[float] = [0.0] * len(candidates) if judgement.abstains else judgement.scores
        return scores

    async def judge(self, question: str, candidates: Sequence[Candidate], facts: Facts) -> Judgement:
        """Scores from 0 to 1, and the two parts that they are made of."""
        values, notes = await self._source.values(candidates)
        if not any(values):
            return Judgement(abstains=True, notes=notes)
        asked = await self._source.question(question)
        answer: _Answer = await self._run(_judged, asked, values, facts)
        if answer.damaged:
            many = f"{answer.damaged} of {len(candidates)} candidates"
            notes = (*notes, f"the token vectors of {many} are damaged, and do not count")
        if answer.scores is None:
            return Judgement(abstains=True, notes=notes)
        return Judgement(scores=answer.scores, parts=answer.parts._asdict(), notes=notes)

    def combined(self, candidates: Sequence[Candidate], judged: Scores, *, weight: float, facts: Facts) -> Scores:
        """Scaled among those that were judged, then drawn a little to the scores of their neighbours; all others come
        after them, in their order.
        """
        before = facts.linear(np.asarray([candidate.score for candidate in candidates]))
        best, rest = before[: len(judged)], before[len(judged) :]
        scores = (1 - weight) * scaled(best) + weight * judged
        if weight:
            scores = _smoothed(candidates[: len(judged)], scores, facts)
        if not len(rest):
            return scores
        # From the least of the judged downward, over a range of 1.
        below = scores.min() - 1 + scaled(np.append(rest, best.min()))[:-1]
        return np.concatenate([scores, below])


class _Answer(NamedTuple):
    """NaN stands for candidates without token vectors; `damaged` of these had some."""

    scores: Scores | None
    parts: Parts
    damaged: int


def _judged(asked: TokenVectors, values: Sequence[bytes | None], facts: Facts) -> _Answer:
    """Runs in a thread."""
    codes = [None if value is None else decode(value) for value in values]
    damaged = sum(value is not None and code is None for value, code in zip(values, codes, strict=True))
    places = [place for place, code in enumerate(codes) if code is not None]
    parts = Parts(*(np.full(len(values), np.nan) for _ in Parts._fields))
    if not places or not len(asked.rows):
        return _Answer(None, parts, damaged)
    question = AskedTokens(asked.rows, token_weights(asked, facts), asked.stretches.sum(axis=0))
    texts: list[TokenCodes] = [code for code in codes if code is not None]
    for part, known in zip(parts, judge(question, texts), strict=True):
        part[places] = known
    scores = np.full(len(values), np.nan)
    counted = MAXSIM * scaled(parts.maxsim[places]) + WINDOW * scaled(parts.window[places])
    scores[places] = counted / (MAXSIM + WINDOW)
    scores[np.isnan(scores)] = scores[places].mean()
    return _Answer(scores, parts, damaged)


def token_weights(asked: TokenVectors, facts: Facts) -> Scores:
    """How much each token of the question tells: the idf of the term that it is a part of, 0 for stop words; where no
    words were searched for, or none tells anything, all count the same.
    """
    weights = np.zeros(len(asked.rows))
    if facts.statistics is not None and facts.analyser is not None:
        terms = list(facts.analyser.occurrences(asked.text))
        for place, (start, end) in enumerate(asked.spans):
            within = [term.term for term in terms if term.start <= start and end <= term.end]
            weights[place] = max((facts.statistics.idf(term) for term in within), default=0.0)
    return weights if weights.any() else np.ones(len(weights))


def _smoothed(candidates: Sequence[Candidate], scores: Scores, facts: Facts) -> Scores:
    """Similar texts answer the same questions (the cluster hypothesis; Diaz, "Regularizing Ad Hoc Retrieval Scores",
    2005): each score moves a little to those of its neighbours.
    """
    vectors = [candidate.match.vector for candidate in candidates]
    if facts.records is None or facts.records < LEAST_RECORDS or any(vector is None for vector in vectors):
        return scores
    weights = neighbour_weights(np.asarray(vectors, dtype=np.float32), count=NEAREST, power=POWER)
    # Means lie closer together than what they are means of: both are scaled, so that the share is what it says.
    base = scaled(scores)
    drawn = NEIGHBOURS * (scaled(weights @ scores) - base)
    for candidate, change in zip(candidates, drawn.tolist(), strict=True):
        candidate.parts["neighbours"] = change
    smoothed: Scores = base + drawn
    return smoothed
