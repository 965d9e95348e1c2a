"""From a question to results: candidates by vector and by words, one order, and what is asked for after that.

Each step is a function of `vpa.retrieval`; this module fetches what they work on, deep enough that documents, versions
and `top_k` come out right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from vpa.analysis.analyser import Analyser, analyser_of
from vpa.analysis.bm25 import WordStatistics
from vpa.analysis.languages import LANGUAGES
from vpa.base.arrays import FloatMatrix, FloatVector, Scores, unit_rows
from vpa.base.errors import InvalidQueryError
from vpa.base.query import MAX_TOP_K
from vpa.base.showing import shown
from vpa.client.collection import Collection
from vpa.client.words import FUSED_DEPTH, SearchMode, check_question, only_stop_words
from vpa.embeddings.batched import BatchedEmbedder
from vpa.filters import Filter
from vpa.kit.threads import Workers
from vpa.observe.log import get_logger
from vpa.rag.asking import RetrievalOptions
from vpa.rag.chunking.splitter import Chunk
from vpa.rag.chunking.window import Window, fit
from vpa.rag.chunks import to_result
from vpa.rag.documents import SearchResult
from vpa.rag.widening import widened
from vpa.retrieval.boosts import boost_fields, boost_recent
from vpa.retrieval.candidates import Candidate, newest, ranked
from vpa.retrieval.choice import diverse, drawn_scores, limited, sampled
from vpa.retrieval.expand import BELIEVED, FEEDBACK, fed_back, merged_variants, variants
from vpa.retrieval.fusion import FusedChoice, unsqueezed
from vpa.retrieval.rerank import Facts, Reranker, reranked
from vpa.retrieval.why import Why, matched_words
from vpa.stores.answers import Candidates

# So many times deeper where some candidates are passed over; a document seldom has more of the best chunks.
_PASSED_OVER_FACTOR: Final = 4
# No tokenizer makes more tokens of a character than UTF-8 has bytes: shorter queries need no counting.
_TOKENS_PER_CHARACTER: Final = 4
# What each earlier turn of a conversation weighs beside the one after it.
_EARLIER_WEIGHT: Final = 0.3
# Vectors of the best candidates that are believed, and what they weigh (Rocchio 1971; docs/retrieval.md).
_ROCCHIO_CANDIDATES, _ROCCHIO_WEIGHT = 2, 0.2
# More candidates than any store gives, and those beyond `top_k` that older versions of documents may take.
_EVERYTHING: Final = 4 * MAX_TOP_K
_SPARE: Final = 10
_log = get_logger("vpa.rag")


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    """One way to ask: the text, its vector `(d,)` where vectors are compared, its terms where words are."""

    text: str
    vector: FloatVector | None
    terms: Mapping[str, float]


async def embed_query(embedder: BatchedEmbedder, query: str, *, workers: Workers) -> FloatMatrix:
    """`(1, d) float32`. A query beyond the model's window is embedded in parts, and their mean is searched for."""
    await embedder.open()
    limit = embedder.max_tokens
    parts = [query]
    if limit is not None and len(query) >= limit // _TOKENS_PER_CHARACTER:
        window = Window(limit, embedder.count_tokens)
        whole = Chunk(query, 0, len(query))
        fitted = await workers.run(fit, [whole], title="", window=window, overlap=0)
        parts = [chunk.text for chunk in fitted.chunks]
    vectors = await embedder.queries(parts)
    if len(parts) == 1:
        return vectors
    _log.info("query embedded in parts", parts=len(parts), tokens=limit)
    # Each part counts by its length.
    weights = np.asarray([len(part) for part in parts], dtype=np.float32)
    mean: FloatMatrix = (weights @ vectors / weights.sum())[None, :].astype(np.float32)
    return mean if not mean.any() else unit_rows(mean) * np.float32(np.linalg.norm(vectors, axis=1).mean())


class Retrieval:
    """One search of one collection."""

    def __init__(
        self,
        collection: Collection,
        embedder: BatchedEmbedder,
        *,
        node: Filter,
        options: RetrievalOptions,
        workers: Workers,
        now: float,
    ) -> None:
        """`now`: seconds since 1970."""
        self._collection = collection
        self._embedder = embedder
        self._node = node
        self._options = options
        self._workers = workers
        self._now = now
        keywords, trouble = collection.info.keywords, collection.why_no_words
        self.mode: SearchMode = options.mode or ("dense" if trouble is not None else "hybrid")
        known = keywords is not None and keywords.language in LANGUAGES
        self._analyser: Analyser = analyser_of(
            keywords.language if keywords is not None and known else options.language
        )
        self._notes: list[str] = []
        if trouble is not None and keywords is not None and options.mode is None:
            self._note(f"compared by vector alone: {trouble.message}")
        self._statistics: WordStatistics | None = None
        # How the candidates of hybrid answers were chosen; and of how many the records are read: where no later step
        # changes the order, few more than are asked for.
        self._choices: list[FusedChoice] = []
        self._keep = _EVERYTHING if options.is_reordered else options.top_k + _SPARE
        # Whether it went as asked; another time it may go otherwise.
        self.went_as_asked = True

    async def run(self, query: str) -> list[SearchResult]:
        """At most `top_k` candidates, best first."""
        options = self._options
        if options.score_threshold is not None and self.mode == "keyword":
            raise InvalidQueryError(
                "score_threshold is on the similarity of vectors, and mode='keyword' compares none; use "
                "mode='hybrid', with semantic_weight=0 if only words are to count"
            )
        asked = [await self._question(text) for text in await variants(query, options.expand, self._analyser)]
        passing = bool(options.limits or options.diversity or options.temperature)
        depth = min(MAX_TOP_K, max(options.top_k * (_PASSED_OVER_FACTOR if passing else 1), self._least_depth))
        while True:
            self._choices.clear()
            answers = [await self._answer(question, depth) for question in asked]
            candidates = merged_variants([newest(answer) for answer in answers])
            is_cut = any(choice.is_cut for choice in self._choices)
            sizes = [choice.pool for choice in self._choices] or [len(answer) for answer in answers]
            is_whole = not is_cut and (depth == MAX_TOP_K or all(size < depth for size in sizes))
            # Looked at first: what cannot suffice is not worth a reranker's time.
            if is_whole or len(limited(candidates, options.limits)) >= options.top_k:
                chosen = await self._chosen(query, candidates, asked[0])
                if is_whole or len(chosen) >= options.top_k:
                    results = [self._result(candidate, asked[0]) for candidate in chosen[: options.top_k]]
                    return await widened(self._collection, results, widen=options.widen, scope=options.scope)
            if is_cut:
                self._keep = _EVERYTHING
            else:
                depth = min(MAX_TOP_K, depth * 2)

    @property
    def _least_depth(self) -> int:
        wanted = FUSED_DEPTH if self.mode == "hybrid" else 1
        return max(wanted, self._options.rerank_depth if self._options.rerank is not None else 1)

    # The question

    async def _question(self, text: str) -> _Question:
        check_question(text)  # A rewriting gives any string.
        vector = None if self.mode == "keyword" else (await self._embedded(text))
        return _Question(text, vector, await self._terms(text))

    async def _embedded(self, text: str) -> FloatVector:
        vector: FloatVector = (await embed_query(self._embedder, text, workers=self._workers))[0]
        earlier = self._options.history
        if not earlier:
            return vector
        turns = [(await embed_query(self._embedder, turn, workers=self._workers))[0] for turn in earlier]
        weights = [_EARLIER_WEIGHT ** (len(turns) - place) for place in range(len(turns))]
        return self._moved(vector, turns, weights)

    def _moved(self, vector: FloatVector, others: Sequence[FloatVector], weights: Sequence[float]) -> FloatVector:
        """Towards the others, and as long as before."""
        moved = vector + sum(np.float32(weight) * other for weight, other in zip(weights, others, strict=True))
        if not moved.any():
            return vector
        result: FloatVector = (moved * (np.linalg.norm(vector) / np.linalg.norm(moved))).astype(np.float32)
        return result

    async def _terms(self, text: str) -> Mapping[str, float]:
        if self.mode == "dense":
            return Counter(self._analyser.terms(text))
        terms: Counter[str] = await self._collection.query_terms(text)
        earlier = self._options.history
        for place, turn in enumerate(earlier):
            weight = _EARLIER_WEIGHT ** (len(earlier) - place)
            for term, count in Counter(self._analyser.terms(turn)).items():
                terms[term] += weight * count  # type: ignore[assignment]
        if not terms:
            if self.mode == "keyword":
                raise only_stop_words(text, self._collection.info)
            self._note(f"{shown(text)} holds stop words only: it was compared by vector alone")
        return terms

    def _note(self, note: str) -> None:
        if note not in self._notes:
            self._notes.append(note)

    # Candidates

    async def _answer(self, question: _Question, depth: int) -> list[Candidate]:
        candidates = await self._fused(question, depth)
        if self._options.expand != FEEDBACK or not candidates:
            return candidates
        believed = newest(candidates)[:BELIEVED]
        terms = fed_back(question.terms, believed, self._analyser) if self.mode != "dense" else question.terms
        vector = question.vector
        nearest = [one.match.vector for one in believed[:_ROCCHIO_CANDIDATES] if one.match.vector is not None]
        if vector is not None and nearest:
            share = _ROCCHIO_WEIGHT / len(nearest)
            vector = self._moved(vector, nearest, [share * float(np.linalg.norm(vector))] * len(nearest))
        return await self._fused(_Question(question.text, vector, terms), depth)

    @property
    def _wants_vectors(self) -> bool:
        rerank = self._options.rerank
        reads = rerank is not None and rerank.reads_vectors
        return reads or self._options.diversity > 0 or self._options.expand == FEEDBACK

    async def _fused(self, question: _Question, depth: int) -> list[Candidate]:
        """Candidates in the order of their scores, or of fusion."""
        if self.mode == "dense":
            return await self._nearest(question, depth)
        choice = FusedChoice(self._options.fusion, keep=self._keep, threshold=self._options.score_threshold)
        hybrid = self.mode == "hybrid"
        answer = await self._collection.candidates(
            question.vector,
            terms=question.terms,
            depth=depth,
            select=choice if hybrid else None,
            exact=self._options.exact,
            include_vectors=self._wants_vectors,
            filter=self._node,
            scope=self._options.scope,
        )
        known = {} if self._statistics is None else self._statistics.frequencies
        # One way to ask may know terms that another does not.
        self._statistics = replace(answer.statistics, frequencies={**known, **answer.statistics.frequencies})
        if not hybrid:
            return _by_words(answer)
        self._choices.append(choice)
        return _by_both(answer, choice)

    async def _nearest(self, question: _Question, depth: int) -> list[Candidate]:
        matches = await self._collection.search(
            vector=question.vector,
            top_k=depth,
            score_threshold=self._options.score_threshold,
            exact=self._options.exact,
            include_vectors=self._wants_vectors,
            filter=self._node,
            scope=self._options.scope,
        )
        candidates = ranked(Candidate(match, match.score, similarity=match.score) for match in matches)
        for candidate in candidates:
            candidate.dense_rank = candidate.rank
        return candidates

    # The order, and the choice

    async def _chosen(self, query: str, candidates: list[Candidate], question: _Question) -> list[Candidate]:
        options = self._options
        if options.boosts or options.recency is not None:
            boost_fields(candidates, options.boosts, terms=question.terms, analyser=self._analyser)
            if options.recency is not None:
                boost_recent(candidates, options.recency, now=self._now)
            candidates = ranked(candidates)
        if options.rerank is not None:
            candidates = await self._reranked(query, candidates, options.rerank)
        candidates = limited(candidates, options.limits)
        return self._picked(candidates)

    async def _reranked(self, query: str, candidates: list[Candidate], reranker: Reranker) -> list[Candidate]:
        options = self._options
        outcome = await reranked(
            query,
            candidates,
            reranker,
            depth=options.rerank_depth,
            weight=options.rerank_weight,
            seconds=options.rerank_seconds,
            facts=await self._facts(candidates, reranker),
        )
        for note in outcome.notes:
            self.went_as_asked = False
            self._note(note)
        return outcome.candidates

    async def _facts(self, candidates: Sequence[Candidate], reranker: Reranker) -> Facts:
        records = None
        if reranker.reads_vectors:
            counted = self._statistics
            scope = self._options.scope
            records = await self._collection.count(scope=scope) if counted is None else counted.records
        is_fused = all(candidate.score == candidate.fused for candidate in candidates)
        squeezes = is_fused and self._options.fusion.method == "zscore"
        return Facts(
            statistics=self._statistics,
            analyser=self._analyser,
            records=records,
            linear=unsqueezed if squeezes else _as_it_is,
        )

    def _picked(self, candidates: list[Candidate]) -> list[Candidate]:
        options = self._options
        if options.diversity:
            drawn = None
            if options.temperature:
                drawn = drawn_scores(candidates, temperature=options.temperature, seed=options.seed)
            return diverse(candidates, count=options.top_k, diversity=options.diversity, scores=drawn)
        if options.temperature:
            return sampled(candidates, count=options.top_k, temperature=options.temperature, seed=options.seed)
        return candidates

    def _result(self, candidate: Candidate, question: _Question) -> SearchResult:
        result = to_result(candidate.match)
        words = tuple(matched_words(result.content, question.terms.keys(), self._analyser))
        why = Why(
            mode=self.mode,
            dense_rank=candidate.dense_rank,
            keyword_rank=candidate.keyword_rank,
            keyword_score=candidate.words,
            fused=candidate.fused,
            boosts=candidate.boosts,
            reranked=candidate.reranked,
            parts=candidate.parts,
            rank_before=candidate.rank if candidate.reranked is not None else None,
            words=words,
            notes=tuple(self._notes),
        )
        return replace(result, score=candidate.score, similarity=candidate.similarity, why=why)


def _as_it_is(scores: Scores) -> Scores:
    return scores


def _by_words(answer: Candidates) -> list[Candidate]:
    candidates = ranked(
        Candidate(match, score, words=score) for match, score in zip(answer.matches, answer.words.tolist(), strict=True)
    )
    for candidate in candidates:
        candidate.keyword_rank = candidate.rank
    return candidates


def _by_both(answer: Candidates, choice: FusedChoice) -> list[Candidate]:
    columns = (choice.scores, answer.words, choice.dense_ranks, choice.keyword_ranks)
    return ranked(
        Candidate(
            match,
            score,
            similarity=match.score,
            words=words,
            fused=score,
            dense_rank=int(dense),
            # A rank among words is that of a record with some of them.
            keyword_rank=int(keyword) if words else None,
        )
        for match, score, words, dense, keyword in zip(answer.matches, *(c.tolist() for c in columns), strict=True)
    )
