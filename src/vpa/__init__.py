"""vpa: one async API over many vector stores with one meaning on all of them, an embedded engine, and a RAG layer.

Names load when they are first used; `import vpa` itself loads nothing heavy.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ != "vpa" and importlib.util.find_spec("vpa") is None:
    # Imported as src.vpa from a checkout where vpa is not installed: the modules below refer to each other as vpa.…
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if TYPE_CHECKING:
    import vpa.sync as sync
    from vpa import errors
    from vpa.base.errors import (
        ArgumentError,
        AuthenticationError,
        CircuitOpenError,
        ClosedError,
        CollectionExistsError,
        CollectionNotFoundError,
        ConfigurationError,
        ConnectionFailedError,
        DimensionMismatchError,
        DocumentNotFoundError,
        EmbedderError,
        EmbedderUnavailableError,
        EmbeddingMismatchError,
        InvalidFilterError,
        InvalidQueryError,
        InvalidRecordError,
        OperationTimeoutError,
        PartialWriteError,
        PermissionDeniedError,
        ProviderError,
        ProviderNotInstalledError,
        RateLimitedError,
        ReadOnlyError,
        RecordExistsError,
        RecordNotFoundError,
        RerankerError,
        ServiceUnavailableError,
        StorageCorruptedError,
        StorageError,
        StorageFullError,
        StorageLockedError,
        UnsupportedFilterError,
        VectorDatabaseError,
        VerificationError,
    )
    from vpa.base.index_options import IndexOptions
    from vpa.base.records import (
        CollectionInfo,
        EmbeddingIdentity,
        Match,
        Matches,
        Metric,
        Record,
        RecordBatch,
        Usage,
        Written,
    )
    from vpa.base.scope import ALL_SCOPES, Scope
    from vpa.client.collection import Collection
    from vpa.client.connect import connect
    from vpa.client.manager import VectorDatabaseManager
    from vpa.compose import create_enhanced_rag_system, create_vector_database_manager
    from vpa.embeddings.adapt import as_embedder
    from vpa.embeddings.contract import Embedder
    from vpa.filters import F, Filter
    from vpa.rag.context import Citation, Context, build_context
    from vpa.rag.documents import IngestReport, SearchResult
    from vpa.rag.intake.report import FilesReport, ForgetReport
    from vpa.rag.system import EnhancedRAGSystem
    from vpa.retrieval.boosts import Recency
    from vpa.retrieval.fusion import Fusion
    from vpa.retrieval.rerank import Reranker
    from vpa.retrieval.why import MatchedWord, Why
    from vpa.stores.config import VectorDatabaseConfig, VectorDatabaseProvider
    from vpa.stores.options import (
        ChromaOptions,
        MilvusOptions,
        PgvectorOptions,
        PineconeOptions,
        QdrantOptions,
        WeaviateOptions,
    )
    from vpa.transfer.migrate import migrate
    from vpa.transfer.parquet import export_parquet, import_parquet
    from vpa.transfer.verify import verify
    from vpa.trust.audit import audit, repair
    from vpa.trust.backup import backup
    from vpa.trust.check import check
    from vpa.trust.recall import check_recall

__version__ = "0.1.0"

_HOME = {
    "ALL_SCOPES": "vpa.base.scope",
    "ChromaOptions": "vpa.stores.options",
    "Citation": "vpa.rag.context",
    "Collection": "vpa.client.collection",
    "CollectionInfo": "vpa.base.records",
    "Context": "vpa.rag.context",
    "Embedder": "vpa.embeddings.contract",
    "EmbeddingIdentity": "vpa.base.records",
    "EnhancedRAGSystem": "vpa.rag.system",
    "F": "vpa.filters",
    "FilesReport": "vpa.rag.intake.report",
    "Filter": "vpa.filters",
    "ForgetReport": "vpa.rag.intake.report",
    "Fusion": "vpa.retrieval.fusion",
    "IndexOptions": "vpa.base.index_options",
    "IngestReport": "vpa.rag.documents",
    "Match": "vpa.base.records",
    "MatchedWord": "vpa.retrieval.why",
    "Matches": "vpa.base.records",
    "Metric": "vpa.base.records",
    "MilvusOptions": "vpa.stores.options",
    "PgvectorOptions": "vpa.stores.options",
    "PineconeOptions": "vpa.stores.options",
    "QdrantOptions": "vpa.stores.options",
    "Recency": "vpa.retrieval.boosts",
    "Record": "vpa.base.records",
    "RecordBatch": "vpa.base.records",
    "Reranker": "vpa.retrieval.rerank",
    "Scope": "vpa.base.scope",
    "SearchResult": "vpa.rag.documents",
    "Usage": "vpa.base.records",
    "VectorDatabaseConfig": "vpa.stores.config",
    "VectorDatabaseManager": "vpa.client.manager",
    "VectorDatabaseProvider": "vpa.stores.config",
    "WeaviateOptions": "vpa.stores.options",
    "Why": "vpa.retrieval.why",
    "Written": "vpa.base.records",
    "as_embedder": "vpa.embeddings.adapt",
    "audit": "vpa.trust.audit",
    "backup": "vpa.trust.backup",
    "build_context": "vpa.rag.context",
    "check": "vpa.trust.check",
    "check_recall": "vpa.trust.recall",
    "connect": "vpa.client.connect",
    "create_enhanced_rag_system": "vpa.compose",
    "create_vector_database_manager": "vpa.compose",
    "export_parquet": "vpa.transfer.parquet",
    "import_parquet": "vpa.transfer.parquet",
    "migrate": "vpa.transfer.migrate",
    "repair": "vpa.trust.audit",
    "verify": "vpa.transfer.verify",
}

__all__ = [
    "ALL_SCOPES",
    "ArgumentError",
    "AuthenticationError",
    "ChromaOptions",
    "CircuitOpenError",
    "Citation",
    "ClosedError",
    "Collection",
    "CollectionExistsError",
    "CollectionInfo",
    "CollectionNotFoundError",
    "ConfigurationError",
    "ConnectionFailedError",
    "Context",
    "DimensionMismatchError",
    "DocumentNotFoundError",
    "Embedder",
    "EmbedderError",
    "EmbedderUnavailableError",
    "EmbeddingIdentity",
    "EmbeddingMismatchError",
    "EnhancedRAGSystem",
    "F",
    "FilesReport",
    "Filter",
    "ForgetReport",
    "Fusion",
    "IndexOptions",
    "IngestReport",
    "InvalidFilterError",
    "InvalidQueryError",
    "InvalidRecordError",
    "Match",
    "MatchedWord",
    "Matches",
    "Metric",
    "MilvusOptions",
    "OperationTimeoutError",
    "PartialWriteError",
    "PermissionDeniedError",
    "PgvectorOptions",
    "PineconeOptions",
    "ProviderError",
    "ProviderNotInstalledError",
    "QdrantOptions",
    "RateLimitedError",
    "ReadOnlyError",
    "Recency",
    "Record",
    "RecordBatch",
    "RecordExistsError",
    "RecordNotFoundError",
    "Reranker",
    "RerankerError",
    "Scope",
    "SearchResult",
    "ServiceUnavailableError",
    "StorageCorruptedError",
    "StorageError",
    "StorageFullError",
    "StorageLockedError",
    "UnsupportedFilterError",
    "Usage",
    "VectorDatabaseConfig",
    "VectorDatabaseError",
    "VectorDatabaseManager",
    "VectorDatabaseProvider",
    "VerificationError",
    "WeaviateOptions",
    "Why",
    "Written",
    "__version__",
    "as_embedder",
    "audit",
    "backup",
    "build_context",
    "check",
    "check_recall",
    "connect",
    "create_enhanced_rag_system",
    "create_vector_database_manager",
    "errors",
    "export_parquet",
    "import_parquet",
    "migrate",
    "repair",
    "sync",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name == "sync":
        return importlib.import_module("vpa.sync")
    if name == "errors":
        return importlib.import_module("vpa.errors")
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name.endswith("Error") and name in __all__:
        return getattr(importlib.import_module("vpa.base.errors"), name)
    if name.startswith("_"):
        raise AttributeError(f"module 'vpa' has no attribute {name!r}")
    from vpa.base.guessed import unknown_name

    raise unknown_name(name, module="vpa", known=__all__)


def __dir__() -> list[str]:
    return __all__
