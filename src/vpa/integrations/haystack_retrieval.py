"""What the retrievers ask a document store: the best documents by embedding, by words, or by both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
from haystack import Document

from vpa.base.distances import distance_of, scores
from vpa.base.query import MAX_TOP_K
from vpa.base.records import Match
from vpa.base.scope import Scope
from vpa.base.validation import check_query_vectors
from vpa.client.collection import Collection
from vpa.filters import F, Filter
from vpa.integrations.haystack_documents import NO_EMBEDDING, as_document, has_embedding
from vpa.integrations.haystack_filters import Condition, as_condition
from vpa.integrations.haystack_verbs import Work, matching
from vpa.integrations.modes import DENSE, Comparison
from vpa.retrieval.fusion import FusionName

T = TypeVar("T")
_EMBEDDED: Final = F.system(NO_EMBEDDING) != True  # noqa: E712 (a filter expression)
_WORDS: Final = DENSE.with_options("keyword")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieval:
    """One search. Where embeddings are compared, documents without one are never found."""

    condition: Condition
    top_k: int
    with_embeddings: bool
    scope: Scope
    embedding: Sequence[float] | None = None
    text: str | None = None
    comparison: Comparison = DENSE
    score_threshold: float | None = None

    async def documents(self, collection: Collection) -> list[Document]:
        """The best documents that match, best first, with vpa's scores."""
        if self.top_k == 0:
            return []
        matches = await (self._native(collection) if self.condition.is_native else self._divided(collection))
        return [as_document(match) for match in matches]

    async def _native(self, collection: Collection) -> Sequence[Match]:
        if self.comparison.needs_words:
            return await self._search(collection, self.top_k)
        # Most collections hold no document without an embedding: they are not slowed down by a filter.
        near = await self._search(collection, self.top_k, with_placeholders=True)
        if all(map(has_embedding, near)):
            return near
        return await self._search(collection, self.top_k)

    async def _search(self, collection: Collection, top_k: int, *, with_placeholders: bool = False) -> Sequence[Match]:
        return await self.comparison.search(
            collection,
            vector=self.embedding,
            text=self.text,
            top_k=top_k,
            filter=self._filter(with_placeholders=with_placeholders or not self.comparison.needs_vector),
            score_threshold=self.score_threshold,
            include_vectors=self.with_embeddings,
            scope=self.scope,
        )

    def _filter(self, *, with_placeholders: bool) -> Filter:
        native = self.condition.native
        return native if with_placeholders else native & _EMBEDDED

    async def _divided(self, collection: Collection) -> Sequence[Match]:
        """Searches deeper until enough of what is found satisfies the local part of the filter, too."""
        depth = self.top_k
        while self.comparison.needs_words or self.condition.ids is None:
            near = await self._search(collection, depth)
            holding = [match for match in near if self.condition.holds(match)]
            if len(holding) >= self.top_k or len(near) < depth:
                return holding[: self.top_k]
            if depth == MAX_TOP_K:
                if self.comparison.needs_words:
                    return holding
                break
            depth = min(4 * depth, MAX_TOP_K)
        return await self._ranked(collection)

    async def _ranked(self, collection: Collection) -> list[Match]:
        """Reads all that match and scores them here."""
        records = [
            record
            async for record in matching(collection, self.condition, include_vectors=True, scope=self.scope)
            if has_embedding(record)
        ]
        vector: Any = self.embedding
        [query] = check_query_vectors(vector, info=collection.info, dimensions=1)
        if not records:
            return []
        metric = collection.info.metric
        rows = np.asarray([record.vector for record in records], dtype=np.float32)
        ranked = sorted(zip(-scores(metric, rows, query), records, strict=True), key=lambda pair: (pair[0], pair[1].id))
        return [
            Match(
                record.id,
                score=-float(negative),
                distance=distance_of(metric, -float(negative)),
                text=record.text,
                metadata=dict(record.metadata),
                vector=np.asarray(record.vector) if self.with_embeddings else None,
                system=record.system,
            )
            for negative, record in ranked[: self.top_k]
            if self.score_threshold is None or -negative >= self.score_threshold
        ]


class Retrieving:
    """The retrieval methods of a document store, each with its asynchronous twin."""

    _scope: Scope

    def _run(self, work: Work[T], default: T) -> T:
        raise NotImplementedError

    async def _arun(self, work: Work[T], default: T) -> T:
        raise NotImplementedError

    def embedding_retrieval(
        self,
        query_embedding: list[float],
        *,
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        score_threshold: float | None = None,
        return_embedding: bool = False,
    ) -> list[Document]:
        """The nearest documents that match, best first; `score` is vpa's: higher is better for every metric.

        `score_threshold` leaves out those with a lower score.
        """
        retrieval = Retrieval(
            embedding=query_embedding,
            condition=as_condition(filters),
            top_k=top_k,
            score_threshold=score_threshold,
            with_embeddings=return_embedding,
            scope=self._scope,
        )
        return self._run(retrieval.documents, [])

    async def embedding_retrieval_async(
        self,
        query_embedding: list[float],
        *,
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        score_threshold: float | None = None,
        return_embedding: bool = False,
    ) -> list[Document]:
        retrieval = Retrieval(
            embedding=query_embedding,
            condition=as_condition(filters),
            top_k=top_k,
            score_threshold=score_threshold,
            with_embeddings=return_embedding,
            scope=self._scope,
        )
        return await self._arun(retrieval.documents, [])

    def bm25_retrieval(
        self,
        query: str,
        *,
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        return_embedding: bool = False,
    ) -> list[Document]:
        """The documents whose content holds the query's words, best first, embedded or not; `score` is that of BM25.

        Raises ConfigurationError where the collection has no keyword index, InvalidQueryError for a query of stop
        words only.
        """
        return self._run(self._by_words(query, filters, top_k=top_k, with_embeddings=return_embedding), [])

    async def bm25_retrieval_async(
        self,
        query: str,
        *,
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        return_embedding: bool = False,
    ) -> list[Document]:
        return await self._arun(self._by_words(query, filters, top_k=top_k, with_embeddings=return_embedding), [])

    def _by_words(
        self, query: str, filters: dict[str, Any] | None, *, top_k: int, with_embeddings: bool
    ) -> Work[list[Document]]:
        retrieval = Retrieval(
            text=query,
            comparison=_WORDS,
            condition=as_condition(filters),
            top_k=top_k,
            with_embeddings=with_embeddings,
            scope=self._scope,
        )
        return retrieval.documents

    def hybrid_retrieval(
        self,
        query: str,
        query_embedding: list[float],
        *,
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        fusion: FusionName = "zscore",
        alpha: float = 0.5,
        return_embedding: bool = False,
    ) -> list[Document]:
        """The best documents that match by words and by embedding, best first; `score` is from 0 to 1.

        `fusion` says how the two scores become one; `alpha` is the weight of that by embedding, the rest that of the
        words. Raises ConfigurationError where the collection has no keyword index, InvalidQueryError.
        """
        comparison = DENSE.with_options("hybrid", fusion, alpha=alpha)
        work = self._by_both(
            query, query_embedding, comparison, filters=filters, top_k=top_k, with_embeddings=return_embedding
        )
        return self._run(work, [])

    async def hybrid_retrieval_async(
        self,
        query: str,
        query_embedding: list[float],
        *,
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        fusion: FusionName = "zscore",
        alpha: float = 0.5,
        return_embedding: bool = False,
    ) -> list[Document]:
        comparison = DENSE.with_options("hybrid", fusion, alpha=alpha)
        work = self._by_both(
            query, query_embedding, comparison, filters=filters, top_k=top_k, with_embeddings=return_embedding
        )
        return await self._arun(work, [])

    def _by_both(
        self,
        query: str,
        query_embedding: list[float],
        comparison: Comparison,
        *,
        filters: dict[str, Any] | None,
        top_k: int,
        with_embeddings: bool,
    ) -> Work[list[Document]]:
        retrieval = Retrieval(
            text=query,
            embedding=query_embedding,
            comparison=comparison,
            condition=as_condition(filters),
            top_k=top_k,
            with_embeddings=with_embeddings,
            scope=self._scope,
        )
        return retrieval.documents
