"""Where Haystack looks for the retriever; no file stands in the folders above, which other integrations share."""

from vpa.integrations.haystack_retriever import VPAEmbeddingRetriever

__all__ = ["VPAEmbeddingRetriever"]
