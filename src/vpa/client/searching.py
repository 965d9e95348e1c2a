"""The verbs that compare vectors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from vpa.analysis.analyser import analyser_of
from vpa.analysis.languages import parse_language
from vpa.base.arrays import FloatMatrix, FloatVector
from vpa.base.errors import InvalidQueryError
from vpa.base.query import check_threshold, check_top_k
from vpa.base.records import Matches, Usage
from vpa.base.scope import Scope
from vpa.base.showing import shown
from vpa.base.validation import check_query_vectors
from vpa.client import residual
from vpa.client.embedding import embedder_of
from vpa.client.located import Located, located
from vpa.client.unknown import foresee, tell_empty
from vpa.client.validating import checked_filter, checked_queries
from vpa.client.words import (
    FUSED_DEPTH,
    SearchMode,
    check_mode,
    check_question,
    no_keywords,
    only_stop_words,
    terms_of,
)
from vpa.filters import FilterLike, NormalFilter
from vpa.retrieval.fusion import FusedChoice, Fusion, FusionName, parse_fusion
from vpa.stores.answers import Candidates
from vpa.stores.requests import Search, SearchBatch, SearchWords, SetKeywords

# Of a term: beyond what any question repeats, and far from where scores overflow.
_GREATEST_WEIGHT: Final = 1e6


class SearchingVerbs(Located):
    """The records nearest to vectors, or to texts where the collection has an embedder."""

    @located
    async def search(
        self,
        vector: ArrayLike | None = None,
        *,
        text: str | None = None,
        mode: SearchMode | None = None,
        fusion: Fusion | FusionName | None = None,
        top_k: int = 10,
        filter: FilterLike = None,
        score_threshold: float | None = None,
        include_vectors: bool = False,
        exact: bool = False,
        scope: Scope | None = None,
    ) -> Matches:
        """The records nearest to `vector` `(d,)`, or to `text`, best first; equal scores stand in id order.

        `mode`: "dense" compares vectors, that of a `text` is made by the embedder (see `db.collection(name,
        embedder=…)`); "keyword" compares words (BM25), "hybrid" both, as `fusion` says: these two need a keyword index,
        see `create_keyword_index`. Where no mode is named, a vector with a text means hybrid, a text alone dense, or
        keyword where there is no embedder. In hybrid answers `score` is what fusion made, `distance` that of the
        vectors, and `score_threshold` is on the score by vector.
        Raises InvalidQueryError, InvalidFilterError, UnsupportedFilterError; with a text ConfigurationError and
        EmbedderError.
        """
        mode = check_mode(mode)
        if mode in ("keyword", "hybrid") or (text is not None and self._means_words(vector, mode)):
            return await self._by_words(
                vector,
                text,
                mode=mode,
                fusion=None if fusion is None else parse_fusion(fusion),
                top_k=check_top_k(top_k),
                filter=await checked_filter(filter),
                score_threshold=check_threshold(score_threshold),
                include_vectors=include_vectors,
                exact=exact,
                scope=self._single_scope(scope),
            )
        if fusion is not None:
            raise InvalidQueryError("fusion is for mode='hybrid', which needs a text and a keyword index")
        query = await self._query(vector, text)
        request = Search(
            vectors=check_query_vectors(query, info=self._bound().info, dimensions=1),
            top_k=check_top_k(top_k),
            score_threshold=check_threshold(score_threshold),
            include_vectors=include_vectors,
            exact=exact,
            scope=self._single_scope(scope),
            filter=await checked_filter(filter),
        )
        [matches] = await self._search(request)
        return matches

    def _means_words(self, vector: ArrayLike | None, mode: SearchMode | None) -> bool:
        """Whether a text, where no mode is named, is looked for by its words."""
        if mode is not None or isinstance(vector, str):
            return False
        return self._bound().info.keywords is not None and (vector is not None or self._model() is None)

    async def _by_words(
        self,
        vector: ArrayLike | None,
        text: str | None,
        *,
        mode: SearchMode | None,
        fusion: Fusion | None,
        top_k: int,
        filter: NormalFilter,
        score_threshold: float | None,
        include_vectors: bool,
        exact: bool,
        scope: Scope,
    ) -> Matches:
        bound = self._bound()
        if text is None or isinstance(vector, str):
            raise InvalidQueryError(f"mode={mode!r} looks for words: give them by name, text=…")
        hybrid = mode == "hybrid" or vector is not None
        if hybrid and mode == "keyword":
            raise InvalidQueryError("mode='keyword' compares words only; leave the vector out, or use mode='hybrid'")
        if fusion is not None and not hybrid:
            raise InvalidQueryError("fusion is for mode='hybrid', and this search looks for words only")
        terms = await self.query_terms(text)
        if not terms and not hybrid:
            raise only_stop_words(text, bound.info)
        query: FloatVector | None = None
        if hybrid:
            given = vector if vector is not None else (await self._embedded_queries([text]))[0]
            query = check_query_vectors(given, info=bound.info, dimensions=1)[0]
        choice = FusedChoice(fusion or Fusion(), keep=top_k, threshold=score_threshold)
        request = SearchWords(
            terms=terms,
            vector=query,
            top_k=max(FUSED_DEPTH, top_k) if hybrid else top_k,
            score_threshold=None if hybrid else score_threshold,
            include_vectors=include_vectors,
            exact=exact,
            scope=scope,
            filter=filter,
            select=choice if hybrid else None,
        )
        found = await self._candidates(request)
        if not hybrid:
            return found.matches
        fused = [
            replace(match, score=score) for match, score in zip(found.matches, choice.scores.tolist(), strict=True)
        ]
        fused.sort(key=lambda match: (-match.score, match.id))
        return replace(found.matches, items=tuple(fused[:top_k]))

    @located
    async def candidates(
        self,
        vector: ArrayLike | None = None,
        *,
        text: str | None = None,
        terms: Mapping[str, float] | None = None,
        depth: int = FUSED_DEPTH,
        select: FusedChoice | None = None,
        filter: FilterLike = None,
        include_vectors: bool = False,
        exact: bool = False,
        scope: Scope | None = None,
    ) -> Candidates:
        """Both scores of whatever is among the `depth` best by vector or by words, for a fusion of one's own.

        The matches stand in no order; `score` is that by vector, `words` has those by BM25. Without a vector the best
        by words alone, best first. In place of a text `terms` may be given, as `query_terms` makes them, with what each
        weighs. `select` leaves candidates out before their records are read. Raises as `search` does.
        """
        bound = self._bound()
        if (text is None) == (terms is None):
            raise InvalidQueryError("candidates takes exactly one of text= and terms=")
        return await self._candidates(
            SearchWords(
                terms=await self.query_terms(text) if text is not None else _checked_terms(terms),
                vector=None if vector is None else check_query_vectors(vector, info=bound.info, dimensions=1)[0],
                top_k=check_top_k(depth),
                select=None if vector is None else select,
                include_vectors=include_vectors,
                exact=exact,
                scope=self._single_scope(scope),
                filter=await checked_filter(filter),
            )
        )

    @located
    async def query_terms(self, text: str) -> Counter[str]:
        """What a keyword search of this collection looks for in a text: terms, with how often each stands in it.

        Raises InvalidQueryError, and ConfigurationError where there is no keyword index.
        """
        bound = self._bound()
        return terms_of(check_question(text), bound.info, bound.store)

    async def _candidates(self, request: SearchWords) -> Candidates:
        bound = self._bound()
        if bound.info.keywords is None:
            raise no_keywords(bound.info, bound.store)
        started = bound.clock.monotonic()
        found = await bound.run(request, lambda: bound.store.search_words(bound.info, request))
        time_s = bound.clock.monotonic() - started
        denied = await foresee(bound, request)
        unknown = denied if found.matches else await tell_empty(bound, request.filter, scope=request.scope)
        usage = replace(found.matches.usage, time_s=time_s, unknown_fields=denied if found.matches else unknown)
        return replace(found, matches=replace(found.matches, usage=usage))

    @located
    async def create_keyword_index(self, language: str = "english") -> None:
        """Take in the words of every text for `search(text=…, mode="keyword")`; anew where they are taken in already.

        `language`: a name or an ISO 639-1 code, see `vpa.analysis.languages.LANGUAGES`; "none" neither stems nor leaves
        out stop words. Raises ConfigurationError.
        """
        bound = self._bound()
        if not bound.store.capabilities.keywords:
            raise no_keywords(bound.info, bound.store)
        request = SetKeywords(bound.info.name, analyser_of(parse_language(language)).identity)
        bound.info = await bound.run(request, lambda: bound.store.set_keywords(request.name, request.keywords))

    @located
    async def search_batch(
        self,
        vectors: ArrayLike | None = None,
        *,
        texts: Sequence[str] | None = None,
        top_k: int = 10,
        filter: FilterLike = None,
        score_threshold: float | None = None,
        include_vectors: bool = False,
        exact: bool = False,
        scope: Scope | None = None,
    ) -> list[Matches]:
        """As `search`, for each row of `vectors` `(m, d)`, or each of `texts`, in one call."""
        queries = await self._queries(vectors, texts)
        request = SearchBatch(
            vectors=await checked_queries(queries, info=self._bound().info),
            top_k=check_top_k(top_k),
            score_threshold=check_threshold(score_threshold),
            include_vectors=include_vectors,
            exact=exact,
            scope=self._single_scope(scope),
            filter=await checked_filter(filter),
        )
        return await self._search(request)

    async def _query(self, vector: ArrayLike | None, text: str | None) -> ArrayLike:
        if isinstance(vector, str):
            raise InvalidQueryError(f"search takes a vector by position; a text is given by name: text={shown(vector)}")
        if vector is not None and text is None:
            return vector
        if vector is not None or text is None:
            raise InvalidQueryError(
                "search takes exactly one of vector= and text=; both, on a collection with a keyword index"
            )
        query: FloatVector = (await self._embedded_queries([text]))[0]
        return query

    async def _queries(self, vectors: ArrayLike | None, texts: Sequence[str] | None) -> ArrayLike:
        if isinstance(vectors, str) or (isinstance(vectors, list | tuple) and vectors and isinstance(vectors[0], str)):
            raise InvalidQueryError("search_batch takes vectors by position; texts are given by name: texts=[…]")
        if vectors is not None and texts is None:
            return vectors
        if vectors is not None or texts is None:
            raise InvalidQueryError("search_batch takes exactly one of vectors= and texts=")
        if isinstance(texts, str) or not isinstance(texts, Iterable):
            raise InvalidQueryError(f"texts is a list of strings, not {shown(texts)}")
        return await self._embedded_queries(list(texts))

    async def _embedded_queries(self, texts: list[str]) -> FloatMatrix:
        """`(m, d) float32`; every text is checked before any is embedded."""
        embedder = embedder_of(self._model(), self._bound().info, verb="search")
        for text in texts:
            check_question(text)
        if not texts:
            return np.empty((0, self._bound().info.dimension), dtype=np.float32)
        return await embedder.queries(texts)

    async def _search(self, request: Search) -> list[Matches]:
        bound = self._bound()
        if not len(request.vectors):
            return []
        if bound.awaits_measure:
            request = replace(request, exact=True)
        started = bound.clock.monotonic()
        answers = await bound.run(request, lambda: residual.search(bound.store, bound.info, request))
        time_s = bound.clock.monotonic() - started
        denied = await foresee(bound, request)
        unknown = denied if all(answers) else await tell_empty(bound, request.filter, scope=request.scope)
        return [
            Matches(
                answer.items,
                answer.exact,
                Usage(time_s, answer.usage.candidates, answer.usage.requests, denied if answer else unknown),
            )
            for answer in answers
        ]


def _checked_terms(terms: Mapping[str, float] | None) -> Mapping[str, float]:
    if not isinstance(terms, Mapping):
        raise InvalidQueryError(f"terms maps strings to numbers, as query_terms does, not {shown(terms)}")
    for term, weight in terms.items():
        if not isinstance(term, str) or isinstance(weight, bool) or not isinstance(weight, int | float):
            raise InvalidQueryError(f"terms maps strings to numbers, not {shown(term)} to {shown(weight)}")
        if not 0 <= weight <= _GREATEST_WEIGHT:
            raise InvalidQueryError(
                f"the weight of the term {term!r} must be a number from 0 to 1,000,000, not {shown(weight)}"
            )
    return terms
