"""The options of the RAG system. Defined lower, where settings are read."""

from vpa.config.sections.ingest import IngestOptions
from vpa.config.sections.rag import RagOptions

__all__ = ["IngestOptions", "RagOptions"]
