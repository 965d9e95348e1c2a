"""Keyword search over a store that ranks by something like the formula: its candidates are scored here, by the formula
itself, from their texts.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, cast

import numpy as np

from vpa.analysis.analyser import analyser_of
from vpa.analysis.bm25 import WordStatistics, score
from vpa.analysis.statistics import statistics_of
from vpa.analysis.wording import worded
from vpa.base import distances
from vpa.base.arrays import FloatVector
from vpa.base.errors import ConfigurationError, ProviderError
from vpa.base.records import CollectionInfo, Match, Matches, Metric, Record, Usage
from vpa.stores.answers import Candidates
from vpa.stores.layout.driver import LayoutDriver, StoredRow, Where
from vpa.stores.layout.reader import Reader
from vpa.stores.layout.words import WordQuery
from vpa.stores.requests import Search, SearchWords

# What float32 may have added to a product of stored impacts.
_ROUNDING: Final = 1 + 1e-5
# Of texts that are scored before the event loop gets a turn.
_CHARACTERS: Final = 20_000
# An exact search that has to look at more candidates than this says that it is not.
_MOST: Final = 20_000
# Beyond so many candidates equal scores at the cut are given up, and scores that differ by less are equal.
_MOST_TIES: Final = 1_000
_EQUAL: Final = 1e-9


class WordTerms:
    """What scores texts for one question, under the statistics that are kept with a collection."""

    def __init__(self, info: CollectionInfo, request: SearchWords) -> None:
        """Raises ConfigurationError where the collection has no keyword index, or no statistics yet."""
        if info.keywords is None or info.words is None:
            raise ConfigurationError(f"collection {info.name!r} has no keyword index", collection=info.name)
        self.statistics = statistics_of(info.words)
        self.query = WordQuery(self.statistics.weights(request.terms), self.statistics)
        self._analyser = analyser_of(info.keywords.language)
        self._terms = request.terms

    def score(self, record: Record | Match) -> float:
        """The keyword score of a record."""
        terms = self._analyser.terms(worded(record.text, record.system))
        return score(terms, self._terms, self.statistics)

    @property
    def asked(self) -> WordStatistics:
        """The statistics, of the question's terms alone."""
        known = {term: self.statistics.frequency(term) for term in self._terms}
        return replace(self.statistics, frequencies=known, rest=0)


class WordRanking(NamedTuple):
    """The best by words, best first, as matches with that score, and what it took. `exact`: none can be missing."""

    matches: list[Match]
    exact: bool
    candidates: int
    requests: int


@dataclass(frozen=True, slots=True)
class WordSearch:
    """One question to one collection through a driver."""

    reader: Reader
    info: CollectionInfo
    request: SearchWords
    where: Where
    terms: WordTerms

    async def ranked(self) -> WordRanking:
        """Reads as many candidates as the driver's rank is trusted with; for an exact search, deeper until it is sure
        that none of the rest is better.
        """
        if not self.terms.query.weights:
            return WordRanking([], exact=True, candidates=0, requests=0)
        driver, top_k = self.reader.driver, self.request.top_k
        if self.request.exact and not driver.ranks_all_words:
            return await self._scanned()
        times, least = driver.limits.word_candidates
        deepest = driver.capabilities.max_top_k or max(_MOST, top_k)
        depth, requests = min(deepest, max(least, math.ceil(times * top_k))), 0
        while True:
            rows, requests = await self._candidates(driver, depth), requests + 1
            matches = await self._matches(rows)
            exact = driver.ranks_all_words and (len(rows) < depth or self._is_sure(driver, rows, matches))
            wants_more = self.request.exact or (depth < _MOST_TIES and self._divides_ties(matches))
            if exact or not wants_more or depth == deepest:
                return WordRanking(matches[:top_k], exact=exact, candidates=len(rows), requests=requests)
            depth = min(deepest, 2 * depth)

    @property
    def _wants_vectors(self) -> bool:
        return self.request.include_vectors or self.request.vector is not None

    async def _scanned(self) -> WordRanking:
        """Of every record that matches, read page by page."""
        best: list[Match] = []
        candidates = requests = 0
        async for page in self.reader.records(self.info, self.where, include_vectors=self._wants_vectors):
            candidates, requests = candidates + len(page), requests + 1
            scored = [self._match_of(row.record) for row in page]
            # Those without any of the terms are no matches.
            holding = [match for match in scored if match.score > 0]
            best = sorted([*best, *holding], key=_rank)[: self.request.top_k]
        return WordRanking(best, exact=True, candidates=candidates, requests=requests)

    async def _candidates(self, driver: LayoutDriver, depth: int) -> list[StoredRow]:
        rows = await driver.rank_words(
            self.info, self.terms.query, self.where, limit=depth, include_vectors=self._wants_vectors
        )
        if len(rows) > depth or len({row.key for row in rows}) < len(rows):
            raise ProviderError(
                f"{driver.provider} returned {len(rows)} matches where at most {depth} different ones were asked for"
            )
        return rows

    async def _matches(self, rows: Sequence[StoredRow]) -> list[Match]:
        """Best first; the event loop gets a turn between long texts."""
        matches, length = [], 0
        for row in rows:
            matches.append(self._match(row))
            length += len(matches[-1].text or "")
            if length >= _CHARACTERS:
                length = 0
                await asyncio.sleep(0)
        return sorted(matches, key=_rank)

    def _match(self, row: StoredRow) -> Match:
        assert self.where.scope is not None
        return self._match_of(self.reader.read_own(self.info, row, self.where.scope))

    def _match_of(self, record: Record) -> Match:
        points, vector = self.terms.score(record), cast("FloatVector | None", record.vector)
        return Match(record.id, points, -points, record.text, dict(record.metadata), vector, record.system)

    def _divides_ties(self, matches: Sequence[Match]) -> bool:
        """Whether all that was looked at behind the last of the best is as good as that: so may be more."""
        top_k = self.request.top_k
        return len(matches) > top_k and matches[-1].score >= matches[top_k - 1].score - _EQUAL

    def _is_sure(self, driver: LayoutDriver, rows: Sequence[StoredRow], matches: Sequence[Match]) -> bool:
        """Whether no row that was not looked at can be among the best."""
        if len(matches) < self.request.top_k:
            return False
        last = min(row.raw for row in rows)
        bound = driver.words_at_most(last, self.terms.statistics) * _ROUNDING
        return matches[self.request.top_k - 1].score > bound


def _rank(match: Match) -> tuple[float, str]:
    return -match.score, match.id


def by_words(request: SearchWords, ranking: WordRanking, terms: WordTerms) -> Candidates:
    """The answer to a question by words alone."""
    least = -math.inf if request.score_threshold is None else request.score_threshold
    best = [match for match in ranking.matches if match.score >= least and match.score > 0]
    if not request.include_vectors:
        best = [replace(match, vector=None) for match in best]
    usage = Usage(candidates=ranking.candidates, requests=ranking.requests)
    words = np.fromiter((match.score for match in best), dtype=np.float64, count=len(best))
    return Candidates(Matches(tuple(best), ranking.exact, usage), words, terms.asked)


def by_both(
    info: CollectionInfo, request: SearchWords, ranking: WordRanking, terms: WordTerms, *, near: Matches
) -> Candidates:
    """Both scores of all that are among the best by either; of these, what `request.select` chooses."""
    words = {match.id: match.score for match in ranking.matches}
    scored = {match.id: match for match in near}
    scored |= _with_similarity(info, request, [match for match in ranking.matches if match.id not in scored])
    matches = sorted(scored.values(), key=lambda match: match.id)
    points = np.asarray([words[match.id] if match.id in words else terms.score(match) for match in matches], np.float64)
    if request.select is not None:
        similarity = np.asarray([match.score for match in matches], dtype=np.float64)
        places = request.select(similarity, points)
        matches, points = [matches[place] for place in places.tolist()], points[places]
    usage = Usage(
        candidates=ranking.candidates + near.usage.candidates, requests=ranking.requests + near.usage.requests
    )
    return Candidates(Matches(tuple(matches), near.exact and ranking.exact, usage), points, terms.asked)


def _with_similarity(info: CollectionInfo, request: SearchWords, matches: Sequence[Match]) -> dict[str, Match]:
    """These, which were found by their words, with the score and the distance of their vectors."""
    if not matches:
        return {}
    query = np.asarray(request.vector)
    vectors = np.asarray([match.vector for match in matches], dtype=np.float32)
    scores = distances.scores(info.metric, vectors, query).tolist()
    lengths = [distances.distance_of(info.metric, similarity) for similarity in scores]
    if info.metric is Metric.EUCLIDEAN:
        lengths = distances.l2(vectors, query).tolist()
    scored = {}
    for match, similarity, distance in zip(matches, scores, lengths, strict=True):
        vector = match.vector if request.include_vectors else None
        scored[match.id] = replace(match, score=similarity, distance=distance, vector=vector)
    return scored


def nearness(request: SearchWords) -> Search:
    """The search by vector that is asked for beside the words."""
    return Search(
        vectors=np.asarray(request.vector)[None, :],
        top_k=request.top_k,
        include_vectors=request.include_vectors,
        exact=request.exact,
        scope=request.scope,
        filter=request.filter,
    )
