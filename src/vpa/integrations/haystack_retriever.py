"""The components of a pipeline that ask a VPADocumentStore: by embedding, by words, or by both."""

# Haystack reads the annotations of `run`: they are not postponed.

from typing import Any, Final, Self

from haystack import Document, component, default_from_dict, default_to_dict
from haystack.document_stores.types import FilterPolicy, apply_filter_policy

from vpa.integrations.haystack_store import VPADocumentStore
from vpa.integrations.modes import DENSE
from vpa.retrieval.fusion import FusionName

_MODULE: Final = "haystack_integrations.components.retrievers.vpa"


class _Retriever:
    """What the retrievers share. Raises TypeError for another document store, ValueError for a `top_k` below 1.

    `component` makes each of them anew, so that `super()` without arguments would mean another class.
    """

    def __init__(
        self,
        document_store: VPADocumentStore,
        *,
        filters: dict[str, Any] | None,
        top_k: int,
        return_embedding: bool,
        filter_policy: str | FilterPolicy,
    ) -> None:
        if not isinstance(document_store, VPADocumentStore):
            raise TypeError(f"document_store must be a VPADocumentStore, not {type(document_store).__name__}")
        if top_k < 1:
            raise ValueError(f"top_k must be at least 1, not {top_k}")
        self.document_store = document_store
        self.filters = filters
        self.top_k = top_k
        self.return_embedding = return_embedding
        self.filter_policy = FilterPolicy.from_str(filter_policy) if isinstance(filter_policy, str) else filter_policy

    def _more_arguments(self) -> dict[str, Any]:
        """The constructor's arguments that other retrievers do not have."""
        return {}

    def to_dict(self) -> dict[str, Any]:
        """The constructor's arguments, with the store's own."""
        data: dict[str, Any] = default_to_dict(
            self,
            document_store=self.document_store.to_dict(),
            filters=self.filters,
            top_k=self.top_k,
            return_embedding=self.return_embedding,
            filter_policy=self.filter_policy.value,
            **self._more_arguments(),
        )
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The component that `to_dict` described."""
        options = dict(data.get("init_parameters", {}))
        if isinstance(options.get("document_store"), dict):
            options["document_store"] = VPADocumentStore.from_dict(options["document_store"])
        retriever: Self = default_from_dict(cls, {**data, "init_parameters": options})
        return retriever

    def close(self) -> None:
        """Close the store; a pipeline that is closed calls it."""
        self.document_store.close()

    async def close_async(self) -> None:
        """As `close`."""
        await self.document_store.close_async()

    def _options(
        self, filters: dict[str, Any] | None, top_k: int | None, return_embedding: bool | None
    ) -> dict[str, Any]:
        return {
            "filters": apply_filter_policy(self.filter_policy, self.filters, filters),
            "top_k": self.top_k if top_k is None else top_k,
            "return_embedding": self.return_embedding if return_embedding is None else return_embedding,
        }


@component
class VPAEmbeddingRetriever(_Retriever):
    """`VPAEmbeddingRetriever(store, top_k=5)`: the documents nearest to `query_embedding`, best first.

    `filter_policy` REPLACE takes the filters of a run instead of the component's, MERGE both. `score_threshold` leaves
    out documents with a lower score; a score is vpa's, higher for better documents whatever the metric.
    Raises TypeError for another document store, ValueError for a `top_k` below 1.
    """

    __module__ = _MODULE

    def __init__(
        self,
        document_store: VPADocumentStore,
        *,
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        score_threshold: float | None = None,
        return_embedding: bool = False,
        filter_policy: str | FilterPolicy = FilterPolicy.REPLACE,
    ) -> None:
        _Retriever.__init__(
            self,
            document_store,
            filters=filters,
            top_k=top_k,
            return_embedding=return_embedding,
            filter_policy=filter_policy,
        )
        self.score_threshold = score_threshold

    def _more_arguments(self) -> dict[str, Any]:
        return {"score_threshold": self.score_threshold}

    @component.output_types(documents=list[Document])  # type: ignore[untyped-decorator]
    def run(
        self,
        query_embedding: list[float],
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        score_threshold: float | None = None,
        return_embedding: bool | None = None,
    ) -> dict[str, list[Document]]:
        """`{"documents": […]}`; what is left out is as the component was made."""
        options = self._options(filters, top_k, return_embedding)
        threshold = self.score_threshold if score_threshold is None else score_threshold
        return {
            "documents": self.document_store.embedding_retrieval(query_embedding, score_threshold=threshold, **options)
        }

    @component.output_types(documents=list[Document])  # type: ignore[untyped-decorator]
    async def run_async(
        self,
        query_embedding: list[float],
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        score_threshold: float | None = None,
        return_embedding: bool | None = None,
    ) -> dict[str, list[Document]]:
        """As `run`."""
        options = self._options(filters, top_k, return_embedding)
        threshold = self.score_threshold if score_threshold is None else score_threshold
        documents = await self.document_store.embedding_retrieval_async(
            query_embedding, score_threshold=threshold, **options
        )
        return {"documents": documents}


@component
class VPABM25Retriever(_Retriever):
    """`VPABM25Retriever(store, top_k=5)`: the documents whose content holds the words of `query`, best first (BM25).

    The store needs a keyword index: `VPADocumentStore(keywords="en")`. Documents need no embedding. The other arguments
    and errors are those of VPAEmbeddingRetriever.
    """

    __module__ = _MODULE

    def __init__(
        self,
        document_store: VPADocumentStore,
        *,
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        return_embedding: bool = False,
        filter_policy: str | FilterPolicy = FilterPolicy.REPLACE,
    ) -> None:
        _Retriever.__init__(
            self,
            document_store,
            filters=filters,
            top_k=top_k,
            return_embedding=return_embedding,
            filter_policy=filter_policy,
        )

    @component.output_types(documents=list[Document])  # type: ignore[untyped-decorator]
    def run(
        self,
        query: str,
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        return_embedding: bool | None = None,
    ) -> dict[str, list[Document]]:
        """`{"documents": […]}`; what is left out is as the component was made."""
        return {
            "documents": self.document_store.bm25_retrieval(query, **self._options(filters, top_k, return_embedding))
        }

    @component.output_types(documents=list[Document])  # type: ignore[untyped-decorator]
    async def run_async(
        self,
        query: str,
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        return_embedding: bool | None = None,
    ) -> dict[str, list[Document]]:
        """As `run`."""
        options = self._options(filters, top_k, return_embedding)
        return {"documents": await self.document_store.bm25_retrieval_async(query, **options)}


@component
class VPAHybridRetriever(_Retriever):
    """`VPAHybridRetriever(store, top_k=5)`: the best documents by the words of `query` and by `query_embedding`.

    `alpha`, from 0 to 1, is the weight of embeddings beside words; `fusion` says how the two scores become one. Scores
    are from 0 to 1. The store needs a keyword index: `VPADocumentStore(keywords="en")`. The other arguments and errors
    are those of VPAEmbeddingRetriever; InvalidQueryError for a fusion that there is not.
    """

    __module__ = _MODULE

    def __init__(
        self,
        document_store: VPADocumentStore,
        *,
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        fusion: FusionName = "zscore",
        alpha: float = 0.5,
        return_embedding: bool = False,
        filter_policy: str | FilterPolicy = FilterPolicy.REPLACE,
    ) -> None:
        _Retriever.__init__(
            self,
            document_store,
            filters=filters,
            top_k=top_k,
            return_embedding=return_embedding,
            filter_policy=filter_policy,
        )
        DENSE.with_options("hybrid", fusion, alpha=alpha)  # Raises for what cannot be used.
        self.fusion = fusion
        self.alpha = alpha

    def _more_arguments(self) -> dict[str, Any]:
        return {"fusion": self.fusion, "alpha": self.alpha}

    @component.output_types(documents=list[Document])  # type: ignore[untyped-decorator]
    def run(
        self,
        query: str,
        query_embedding: list[float],
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        alpha: float | None = None,
        return_embedding: bool | None = None,
    ) -> dict[str, list[Document]]:
        """`{"documents": […]}`; what is left out is as the component was made."""
        options = self._options(filters, top_k, return_embedding) | self._fused(alpha)
        return {"documents": self.document_store.hybrid_retrieval(query, query_embedding, **options)}

    @component.output_types(documents=list[Document])  # type: ignore[untyped-decorator]
    async def run_async(
        self,
        query: str,
        query_embedding: list[float],
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        alpha: float | None = None,
        return_embedding: bool | None = None,
    ) -> dict[str, list[Document]]:
        """As `run`."""
        options = self._options(filters, top_k, return_embedding) | self._fused(alpha)
        return {"documents": await self.document_store.hybrid_retrieval_async(query, query_embedding, **options)}

    def _fused(self, alpha: float | None) -> dict[str, Any]:
        return {"fusion": self.fusion, "alpha": self.alpha if alpha is None else alpha}
