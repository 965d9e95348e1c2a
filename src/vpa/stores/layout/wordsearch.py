"""Search by words, or by a sparse vector, over a store that ranks by something like the score: its candidates are
scored here, from what their payloads hold.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, cast

import numpy as np

from vpa.base import distances
from vpa.base.arrays import FloatVector
from vpa.base.errors import ProviderError
from vpa.base.records import CollectionInfo, Match, Matches, Metric, Record, Usage
from vpa.stores.answers import Candidates
from vpa.stores.layout.driver import LayoutDriver, StoredRow, Where
from vpa.stores.layout.ranked import Ranked
from vpa.stores.layout.reader import Reader
from vpa.stores.requests import Search, SearchWords

# Of texts that are scored before the event loop gets a turn.
_CHARACTERS: Final = 20_000
# An exact search that has to look at more candidates than this says that it is not.
_MOST: Final = 20_000
# Beyond so many candidates equal scores at the cut are given up, and scores that differ by less are equal.
_MOST_TIES: Final = 1_000
_EQUAL: Final = 1e-9


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
    terms: Ranked

    async def ranked(self) -> WordRanking:
        """Reads as many candidates as the driver's rank is trusted with; for an exact search, deeper until it is sure
        that none of the rest is better.
        """
        if self.terms.is_empty:
            return WordRanking([], exact=True, candidates=0, requests=0)
        driver, top_k = self.reader.driver, self.request.top_k
        if self.request.exact and not driver.ranks_all_words:
            return await self._scanned()
        times, least = driver.limits.word_candidates
        deepest = driver.capabilities.max_top_k or max(_MOST, top_k)
        depth, requests = min(deepest, max(least, math.ceil(times * top_k))), 0
        while True:
            rows, requests = await self._candidates(driver, depth), requests + 1
            matches = sorted(await self._matches(self._read(row) for row in rows), key=_rank)
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
            scored = await self._matches(row.record for row in page)
            best = sorted([*best, *scored], key=_rank)[: self.request.top_k]
        return WordRanking(best, exact=True, candidates=candidates, requests=requests)

    async def _candidates(self, driver: LayoutDriver, depth: int) -> list[StoredRow]:
        rows = await self.terms.rank(driver, self.where, limit=depth, include_vectors=self._wants_vectors)
        if len(rows) > depth or len({row.key for row in rows}) < len(rows):
            raise ProviderError(
                f"{driver.provider} returned {len(rows)} matches where at most {depth} different ones were asked for"
            )
        return rows

    def _read(self, row: StoredRow) -> Record:
        assert self.where.scope is not None
        return self.reader.read_own(self.info, row, self.where.scope)

    async def _matches(self, records: Iterable[Record]) -> list[Match]:
        """Those that hold anything of what is asked for; the event loop gets a turn between long texts."""
        matches, length = [], 0
        for record in records:
            points, vector = self.terms.score(record), cast("FloatVector | None", record.vector)
            if points is not None:
                parts = record.text, dict(record.metadata), vector, record.system, record.sparse
                matches.append(Match(record.id, points, -points, *parts))
            length += len(record.text or "")
            if length >= _CHARACTERS:
                length = 0
                await asyncio.sleep(0)
        return matches

    def _divides_ties(self, matches: Sequence[Match]) -> bool:
        """Whether all that was looked at behind the last of the best is as good as that: so may be more."""
        top_k = self.request.top_k
        return len(matches) > top_k and matches[-1].score >= matches[top_k - 1].score - _EQUAL

    def _is_sure(self, driver: LayoutDriver, rows: Sequence[StoredRow], matches: Sequence[Match]) -> bool:
        """Whether no row that was not looked at can be among the best."""
        if len(matches) < self.request.top_k:
            return False
        last = min(row.raw for row in rows)
        return matches[self.request.top_k - 1].score > self.terms.at_most(driver, last)


def _rank(match: Match) -> tuple[float, str]:
    return -match.score, match.id


def by_words(request: SearchWords, ranking: WordRanking, terms: Ranked) -> Candidates:
    """The answer to a question by words, or by a sparse vector, alone."""
    least = -math.inf if request.score_threshold is None else request.score_threshold
    best = [match for match in ranking.matches if match.score >= least]
    if not request.include_vectors:
        best = [replace(match, vector=None, sparse=None) for match in best]
    usage = Usage(candidates=ranking.candidates, requests=ranking.requests)
    words = np.fromiter((match.score for match in best), dtype=np.float64, count=len(best))
    return Candidates(Matches(tuple(best), ranking.exact, usage), words, terms.asked)


def by_both(
    info: CollectionInfo, request: SearchWords, ranking: WordRanking, terms: Ranked, *, near: Matches
) -> Candidates:
    """Both scores of all that are among the best by either; of these, what `request.select` chooses."""
    words = {match.id: match.score for match in ranking.matches}
    scored = {match.id: match for match in near}
    scored |= _with_similarity(info, request, [match for match in ranking.matches if match.id not in scored])
    matches = sorted(scored.values(), key=lambda match: match.id)
    points = np.asarray([words[match.id] if match.id in words else terms.score(match) or 0.0 for match in matches])
    if request.select is not None:
        similarity = np.asarray([match.score for match in matches], dtype=np.float64)
        places = request.select(similarity, points)
        matches, points = [matches[place] for place in places.tolist()], points[places]
    if not request.include_vectors:
        matches = [replace(match, vector=None, sparse=None) for match in matches]
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
        scored[match.id] = replace(match, score=similarity, distance=distance)
    return scored


def nearness(request: SearchWords) -> Search:
    """The search by vector that is asked for beside the words."""
    return Search(
        vectors=np.asarray(request.vector)[None, :],
        top_k=request.top_k,
        # With them come the sparse vectors that the nearest are scored by.
        include_vectors=request.include_vectors or request.sparse is not None,
        exact=request.exact,
        scope=request.scope,
        filter=request.filter,
    )
