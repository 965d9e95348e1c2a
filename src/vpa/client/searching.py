"""The verbs that compare vectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from numpy.typing import ArrayLike

from vpa.base.arrays import FloatVector
from vpa.base.errors import InvalidQueryError
from vpa.base.query import check_threshold, check_top_k
from vpa.base.records import Matches, Usage
from vpa.base.scope import Scope
from vpa.base.showing import shown
from vpa.base.validation import check_query_vectors
from vpa.client import residual
from vpa.client.located import located
from vpa.client.unknown import foresee, tell_empty
from vpa.client.validating import checked_filter, checked_queries
from vpa.client.wording import WordVerbs
from vpa.client.words import SearchMode, check_mode, checked_query
from vpa.filters import FilterLike
from vpa.retrieval.fusion import Fusion, FusionName
from vpa.stores.requests import Search, SearchBatch, SearchWords

# Of a term: beyond what any question repeats, and far from where scores overflow.
_GREATEST_WEIGHT: Final = 1e6


class SearchingVerbs(WordVerbs):
    """The records nearest to vectors, or to texts where the collection has an embedder."""

    @located
    async def search(
        self,
        vector: ArrayLike | None = None,
        *,
        text: str | None = None,
        sparse: Mapping[int, float] | None = None,
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
        vectors, and `score_threshold` is on the score by vector. `sparse` `{dimension: weight}` stands in the place of
        words, on collections made with `sparse=True`: by itself the score is the product with a record's own sparse
        vector, with a vector the search is hybrid.
        Raises InvalidQueryError, InvalidFilterError, UnsupportedFilterError; with a text ConfigurationError and
        EmbedderError.
        """
        place, threshold = self._single_scope(scope), check_threshold(score_threshold)
        if sparse is not None or self._means_words(vector, text, check_mode(mode)):
            template = SearchWords(
                terms={},
                top_k=check_top_k(top_k),
                score_threshold=threshold,
                include_vectors=include_vectors,
                exact=exact,
                scope=place,
                filter=await checked_filter(filter),
            )
            if sparse is not None:
                template = replace(template, sparse=checked_query(sparse, text=text, mode=mode, vector=vector))
            return await self._by_words(vector, text, mode=mode, fusion=fusion, template=template)
        if fusion is not None:
            raise InvalidQueryError("fusion is for mode='hybrid', which needs a text and a keyword index")
        query = await self._query(vector, text)
        request = Search(
            vectors=check_query_vectors(query, info=self._bound().info, dimensions=1),
            top_k=check_top_k(top_k),
            score_threshold=threshold,
            include_vectors=include_vectors,
            exact=exact,
            scope=place,
            filter=await checked_filter(filter),
        )
        [matches] = await self._search(request)
        return matches

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
