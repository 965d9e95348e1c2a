"""Promised import path; everything is defined elsewhere."""

from vpa.compose import create_enhanced_rag_system
from vpa.rag.documents import Document, DocumentSummary, IngestReport, NewDocument, SearchResult
from vpa.rag.system import EnhancedRAGSystem

VPAEnhancedRAGSystem = EnhancedRAGSystem

__all__ = [
    "Document",
    "DocumentSummary",
    "EnhancedRAGSystem",
    "IngestReport",
    "NewDocument",
    "SearchResult",
    "VPAEnhancedRAGSystem",
    "create_enhanced_rag_system",
]
