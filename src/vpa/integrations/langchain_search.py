"""The searches of a LangChain VectorStore: by text, by vector, and for diversity."""

# mypy: disable-error-code="override"
# LangChain's signatures take any keyword and ignore what they do not know; these refuse it.

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from vpa.base.arguments import explains
from vpa.base.errors import InvalidQueryError
from vpa.base.records import Match
from vpa.base.scope import Scope
from vpa.client.collection import Collection
from vpa.client.words import SearchMode, check_mode
from vpa.filters import FilterLike
from vpa.integrations.langchain_documents import diverse, document_of
from vpa.integrations.modes import DENSE, Comparison, in_unit_range
from vpa.integrations.owned import OwnedCollection
from vpa.retrieval.fusion import Fusion, FusionName


@explains
class VectorSearches(VectorStore):
    """Searches that compare vectors, whatever mode the store was made with."""

    _owned: OwnedCollection
    _embedding: Embeddings
    _scope: Scope

    def _filter_of(self, condition: FilterLike) -> FilterLike:
        """What is asked of the collection; a store whose callers have a notation of their own translates it here."""
        return condition

    def _searching(
        self,
        vector: Sequence[float] | None,
        k: int,
        condition: FilterLike,
        *,
        comparison: Comparison = DENSE,
        text: str | None = None,
        threshold: float | None = None,
        vectors: bool = False,
    ) -> Callable[[Collection], Any]:
        chosen = self._filter_of(condition)
        return lambda collection: comparison.search(
            collection,
            vector=vector,
            text=text,
            top_k=k,
            filter=chosen,
            score_threshold=threshold,
            include_vectors=vectors,
            scope=self._scope,
        )

    def similarity_search_with_score_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        filter: FilterLike = None,
        *,
        score_threshold: float | None = None,
    ) -> list[tuple[Document, float]]:
        """The k nearest to a vector with their scores, best first: higher is better, on every store."""
        work = self._searching(embedding, k, filter, threshold=score_threshold)
        return _pairs(self._owned.run(work, default=[]))

    async def asimilarity_search_with_score_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        filter: FilterLike = None,
        *,
        score_threshold: float | None = None,
    ) -> list[tuple[Document, float]]:
        work = self._searching(embedding, k, filter, threshold=score_threshold)
        return _pairs(await self._owned.arun(work, default=[]))

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, filter: FilterLike = None
    ) -> list[Document]:
        """As similarity_search, for a vector."""
        return [document for document, _ in self.similarity_search_with_score_by_vector(embedding, k, filter)]

    async def asimilarity_search_by_vector(
        self, embedding: list[float], k: int = 4, filter: FilterLike = None
    ) -> list[Document]:
        pairs = await self.asimilarity_search_with_score_by_vector(embedding, k, filter)
        return [document for document, _ in pairs]

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: FilterLike = None,
        *,
        mode: Literal["dense"] | None = None,
    ) -> list[Document]:
        """k of the fetch_k nearest that satisfy the filter, near to the query and unlike each other.

        It compares vectors, also in a store that was made with another mode; InvalidQueryError for one named here.
        """
        self._owned.check_open()
        _check_dense(mode)
        vector = self._embedding.embed_query(query)
        return self.max_marginal_relevance_search_by_vector(vector, k, fetch_k, lambda_mult, filter)

    async def amax_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: FilterLike = None,
        *,
        mode: Literal["dense"] | None = None,
    ) -> list[Document]:
        self._owned.check_open()
        _check_dense(mode)
        vector = await self._embedding.aembed_query(query)
        return await self.amax_marginal_relevance_search_by_vector(vector, k, fetch_k, lambda_mult, filter)

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: FilterLike = None,
    ) -> list[Document]:
        """As max_marginal_relevance_search, for a vector."""
        work = self._searching(embedding, max(k, fetch_k), filter, vectors=True)
        near: list[Match] = self._owned.run(work, default=[])
        return diverse(embedding, near, top_k=k, share=lambda_mult)

    async def amax_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: FilterLike = None,
    ) -> list[Document]:
        work = self._searching(embedding, max(k, fetch_k), filter, vectors=True)
        near: list[Match] = await self._owned.arun(work, default=[])
        return diverse(embedding, near, top_k=k, share=lambda_mult)


@explains
class TextSearches(VectorSearches):
    """Searches by text, which compare what their `mode` says, or else what the store was made with."""

    _comparison: Comparison

    def similarity_search(
        self,
        query: str,
        k: int = 4,
        filter: FilterLike = None,
        *,
        mode: SearchMode | None = None,
        fusion: Fusion | FusionName | None = None,
        score_threshold: float | None = None,
    ) -> list[Document]:
        """The k best, best first. Arguments as in similarity_search_with_score."""
        pairs = self.similarity_search_with_score(
            query, k, filter, mode=mode, fusion=fusion, score_threshold=score_threshold
        )
        return [document for document, _ in pairs]

    async def asimilarity_search(
        self,
        query: str,
        k: int = 4,
        filter: FilterLike = None,
        *,
        mode: SearchMode | None = None,
        fusion: Fusion | FusionName | None = None,
        score_threshold: float | None = None,
    ) -> list[Document]:
        pairs = await self.asimilarity_search_with_score(
            query, k, filter, mode=mode, fusion=fusion, score_threshold=score_threshold
        )
        return [document for document, _ in pairs]

    def similarity_search_with_score(
        self,
        query: str,
        k: int = 4,
        filter: FilterLike = None,
        *,
        mode: SearchMode | None = None,
        fusion: Fusion | FusionName | None = None,
        score_threshold: float | None = None,
    ) -> list[tuple[Document, float]]:
        """The k best with their scores: higher is better, in every mode and on every store.

        `mode`: "dense" compares vectors; "keyword" compares words without embedding the query, and scores are those of
        BM25; "hybrid" compares both, as `fusion` says, and scores are from 0 to 1. `score_threshold` is on them.
        Raises InvalidQueryError, and ConfigurationError where the mode needs a keyword index and there is none.
        """
        comparison = self._compared(mode, fusion)
        vector = self._embedding.embed_query(query) if comparison.needs_vector else None
        work = self._searching(vector, k, filter, comparison=comparison, text=query, threshold=score_threshold)
        return _pairs(self._owned.run(work, default=[]))

    async def asimilarity_search_with_score(
        self,
        query: str,
        k: int = 4,
        filter: FilterLike = None,
        *,
        mode: SearchMode | None = None,
        fusion: Fusion | FusionName | None = None,
        score_threshold: float | None = None,
    ) -> list[tuple[Document, float]]:
        comparison = self._compared(mode, fusion)
        vector = await self._embedding.aembed_query(query) if comparison.needs_vector else None
        work = self._searching(vector, k, filter, comparison=comparison, text=query, threshold=score_threshold)
        return _pairs(await self._owned.arun(work, default=[]))

    def _compared(self, mode: SearchMode | None, fusion: Fusion | FusionName | None) -> Comparison:
        self._owned.check_open()
        return self._comparison.with_options(mode, fusion)

    # LangChain asks for scores from 0 to 1 here, and applies `score_threshold` to them itself.

    def _similarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **options: Any
    ) -> list[tuple[Document, float]]:
        return self._in_range(self.similarity_search_with_score(query, k, **options), options.get("mode"))

    async def _asimilarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **options: Any
    ) -> list[tuple[Document, float]]:
        return self._in_range(await self.asimilarity_search_with_score(query, k, **options), options.get("mode"))

    def _in_range(
        self, pairs: Sequence[tuple[Document, float]], mode: SearchMode | None
    ) -> list[tuple[Document, float]]:
        chosen = mode or self._comparison.mode
        return [(document, in_unit_range(score, mode=chosen)) for document, score in pairs]

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        mode = self._comparison.mode
        return lambda score: in_unit_range(score, mode=mode)


def _check_dense(mode: SearchMode | None) -> None:
    if check_mode(mode) not in (None, "dense"):
        raise InvalidQueryError(
            f"diversity (MMR) compares vectors, with mode='dense'; mode={mode!r} is for search_type='similarity'"
        )


def _pairs(matches: Sequence[Match]) -> list[tuple[Document, float]]:
    return [(document_of(match), match.score) for match in matches]
