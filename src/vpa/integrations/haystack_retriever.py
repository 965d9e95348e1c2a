"""`VPAEmbeddingRetriever`: the component of a pipeline that asks a VPADocumentStore."""

# Haystack reads the annotations of `run`: they are not postponed.

from typing import Any

from haystack import Document, component, default_from_dict, default_to_dict
from haystack.document_stores.types import FilterPolicy, apply_filter_policy

from vpa.integrations.haystack_store import VPADocumentStore


@component
class VPAEmbeddingRetriever:
    """`VPAEmbeddingRetriever(store, top_k=5)`: the documents nearest to `query_embedding`, best first.

    `filter_policy` REPLACE takes the filters of a run instead of the component's, MERGE both. `score_threshold` leaves
    out documents with a lower score; a score is vpa's, higher for better documents whatever the metric.
    Raises TypeError for another document store, ValueError for a `top_k` below 1.
    """

    __module__ = "haystack_integrations.components.retrievers.vpa"

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
        if not isinstance(document_store, VPADocumentStore):
            raise TypeError(f"document_store must be a VPADocumentStore, not {type(document_store).__name__}")
        if top_k < 1:
            raise ValueError(f"top_k must be at least 1, not {top_k}")
        self.document_store = document_store
        self.filters = filters
        self.top_k = top_k
        self.score_threshold = score_threshold
        self.return_embedding = return_embedding
        self.filter_policy = FilterPolicy.from_str(filter_policy) if isinstance(filter_policy, str) else filter_policy

    def to_dict(self) -> dict[str, Any]:
        """The constructor's arguments, with the store's own."""
        data: dict[str, Any] = default_to_dict(
            self,
            document_store=self.document_store.to_dict(),
            filters=self.filters,
            top_k=self.top_k,
            score_threshold=self.score_threshold,
            return_embedding=self.return_embedding,
            filter_policy=self.filter_policy.value,
        )
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "VPAEmbeddingRetriever":
        """The component that `to_dict` described."""
        options = dict(data.get("init_parameters", {}))
        if isinstance(options.get("document_store"), dict):
            options["document_store"] = VPADocumentStore.from_dict(options["document_store"])
        retriever: VPAEmbeddingRetriever = default_from_dict(cls, {**data, "init_parameters": options})
        return retriever

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
        options = self._options(
            filters=filters, top_k=top_k, score_threshold=score_threshold, return_embedding=return_embedding
        )
        return {"documents": self.document_store.embedding_retrieval(query_embedding, **options)}

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
        options = self._options(
            filters=filters, top_k=top_k, score_threshold=score_threshold, return_embedding=return_embedding
        )
        return {"documents": await self.document_store.embedding_retrieval_async(query_embedding, **options)}

    def close(self) -> None:
        """Close the store; a pipeline that is closed calls it."""
        self.document_store.close()

    async def close_async(self) -> None:
        """As `close`."""
        await self.document_store.close_async()

    def _options(
        self,
        *,
        filters: dict[str, Any] | None,
        top_k: int | None,
        score_threshold: float | None,
        return_embedding: bool | None,
    ) -> dict[str, Any]:
        return {
            "filters": apply_filter_policy(self.filter_policy, self.filters, filters),
            "top_k": self.top_k if top_k is None else top_k,
            "score_threshold": self.score_threshold if score_threshold is None else score_threshold,
            "return_embedding": self.return_embedding if return_embedding is None else return_embedding,
        }
