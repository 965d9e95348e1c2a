"""A Haystack document store over a vpa collection, and its retrievers: `pip install "vpa[haystack]"`.

Also published as `haystack_integrations.document_stores.vpa` and `haystack_integrations.components.retrievers.vpa`.
"""

from __future__ import annotations

from vpa.integrations.haystack_retriever import VPABM25Retriever, VPAEmbeddingRetriever, VPAHybridRetriever
from vpa.integrations.haystack_store import VPADocumentStore

__all__ = ["VPABM25Retriever", "VPADocumentStore", "VPAEmbeddingRetriever", "VPAHybridRetriever"]
