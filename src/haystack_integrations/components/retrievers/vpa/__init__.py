"""Where Haystack looks for the retrievers; no file stands in the folders above, which other integrations share."""

from vpa.integrations.haystack_retriever import VPABM25Retriever, VPAEmbeddingRetriever, VPAHybridRetriever

__all__ = ["VPABM25Retriever", "VPAEmbeddingRetriever", "VPAHybridRetriever"]
