"""The verbs that compare vectors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from vpa.base.arrays import FloatMatrix, FloatVector
from vpa.base.errors import InvalidQueryError
from vpa.base.metadata import ValueRuleError, check_text
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
from vpa.filters import FilterLike
from vpa.stores.requests import Search, SearchBatch


class SearchingVerbs(Located):
    """The records nearest to vectors, or to texts where the collection has an embedder."""

    @located
    async def search(
        self,
        vector: ArrayLike | None = None,
        *,
        text: str | None = None,
        top_k: int = 10,
        filter: FilterLike = None,
        score_threshold: float | None = None,
        include_vectors: bool = False,
        exact: bool = False,
        scope: Scope | None = None,
    ) -> Matches:
        """The records nearest to `vector` `(d,)`, or to `text`, best first; equal scores stand in id order.

        `text` needs an embedder: see `db.collection(name, embedder=…)`. Raises InvalidQueryError, InvalidFilterError,
        UnsupportedFilterError; with a text ConfigurationError and EmbedderError.
        """
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
            raise InvalidQueryError("search takes exactly one of vector= and text=")
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
            if not isinstance(text, str) or not text.strip():
                raise InvalidQueryError(f"a text to search for is a non-empty string, not {shown(text)}")
            try:
                check_text(text)
            except ValueRuleError as error:
                raise InvalidQueryError(f"the text to search for {error}") from None
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
