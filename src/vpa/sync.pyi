# Made by scripts/sync_stub.py from the asynchronous classes; not to be edited.

import os as os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import pandas as pd
import polars as pl
import pyarrow as pa
from numpy.typing import ArrayLike

from vpa import __version__ as __version__
from vpa import errors as errors
from vpa.base.answers import Explanation, Health, Statistics
from vpa.base.capabilities import Capabilities
from vpa.base.errors import ArgumentError as ArgumentError
from vpa.base.errors import AuthenticationError as AuthenticationError
from vpa.base.errors import CircuitOpenError as CircuitOpenError
from vpa.base.errors import ClosedError as ClosedError
from vpa.base.errors import CollectionExistsError as CollectionExistsError
from vpa.base.errors import CollectionNotFoundError as CollectionNotFoundError
from vpa.base.errors import ConfigurationError as ConfigurationError
from vpa.base.errors import ConnectionFailedError as ConnectionFailedError
from vpa.base.errors import DimensionMismatchError as DimensionMismatchError
from vpa.base.errors import DocumentNotFoundError as DocumentNotFoundError
from vpa.base.errors import EmbedderError as EmbedderError
from vpa.base.errors import EmbedderUnavailableError as EmbedderUnavailableError
from vpa.base.errors import EmbeddingMismatchError as EmbeddingMismatchError
from vpa.base.errors import InvalidFilterError as InvalidFilterError
from vpa.base.errors import InvalidQueryError as InvalidQueryError
from vpa.base.errors import InvalidRecordError as InvalidRecordError
from vpa.base.errors import OperationTimeoutError as OperationTimeoutError
from vpa.base.errors import PartialWriteError as PartialWriteError
from vpa.base.errors import PermissionDeniedError as PermissionDeniedError
from vpa.base.errors import ProviderError as ProviderError
from vpa.base.errors import ProviderNotInstalledError as ProviderNotInstalledError
from vpa.base.errors import RateLimitedError as RateLimitedError
from vpa.base.errors import ReadOnlyError as ReadOnlyError
from vpa.base.errors import RecordExistsError as RecordExistsError
from vpa.base.errors import RecordNotFoundError as RecordNotFoundError
from vpa.base.errors import RerankerError as RerankerError
from vpa.base.errors import ServiceUnavailableError as ServiceUnavailableError
from vpa.base.errors import StorageCorruptedError as StorageCorruptedError
from vpa.base.errors import StorageError as StorageError
from vpa.base.errors import StorageFullError as StorageFullError
from vpa.base.errors import StorageLockedError as StorageLockedError
from vpa.base.errors import UnsupportedFilterError as UnsupportedFilterError
from vpa.base.errors import VectorDatabaseError as VectorDatabaseError
from vpa.base.errors import VerificationError as VerificationError
from vpa.base.index_options import IndexOptions as IndexOptions
from vpa.base.metadata import Scalar
from vpa.base.query import ConflictName, OnConflict
from vpa.base.records import CollectionInfo as CollectionInfo
from vpa.base.records import EmbeddingIdentity as EmbeddingIdentity
from vpa.base.records import Match as Match
from vpa.base.records import Matches as Matches
from vpa.base.records import Metric as Metric
from vpa.base.records import MetricName
from vpa.base.records import Record as Record
from vpa.base.records import RecordBatch as RecordBatch
from vpa.base.records import Usage as Usage
from vpa.base.records import Written as Written
from vpa.base.scope import ALL_SCOPES as ALL_SCOPES
from vpa.base.scope import AllScopes
from vpa.base.scope import Scope as Scope
from vpa.client.validating import Records
from vpa.client.words import SearchMode
from vpa.config.settings import DeploymentConfig
from vpa.embeddings.contract import Embedder as Embedder
from vpa.filters import F as F
from vpa.filters import Filter as Filter
from vpa.filters import FilterLike
from vpa.rag.asking import GroupBy
from vpa.rag.context import Citation as Citation
from vpa.rag.context import Context as Context
from vpa.rag.context import CountTokens
from vpa.rag.documents import Document, DocumentSummary, FormatName
from vpa.rag.documents import IngestReport as IngestReport
from vpa.rag.documents import SearchResult as SearchResult
from vpa.rag.ingest import Progress, Source
from vpa.rag.intake.report import FilesProgress
from vpa.rag.intake.report import FilesReport as FilesReport
from vpa.rag.intake.report import ForgetReport as ForgetReport
from vpa.rag.intake.verbs import PathLike
from vpa.rag.widening import Widen
from vpa.retrieval.boosts import Recency as Recency
from vpa.retrieval.expand import Expansion
from vpa.retrieval.fusion import FusedChoice, FusionName
from vpa.retrieval.fusion import Fusion as Fusion
from vpa.retrieval.rerank import Reranker as Reranker
from vpa.retrieval.rerank import RerankFunction, RerankName
from vpa.retrieval.why import MatchedWord as MatchedWord
from vpa.retrieval.why import Why as Why
from vpa.stores.answers import Candidates
from vpa.stores.config import VectorDatabaseConfig as VectorDatabaseConfig
from vpa.stores.config import VectorDatabaseProvider as VectorDatabaseProvider
from vpa.stores.options import ChromaOptions as ChromaOptions
from vpa.stores.options import MilvusOptions as MilvusOptions
from vpa.stores.options import PgvectorOptions as PgvectorOptions
from vpa.stores.options import PineconeOptions as PineconeOptions
from vpa.stores.options import QdrantOptions as QdrantOptions
from vpa.stores.options import StoreOptions
from vpa.stores.options import WeaviateOptions as WeaviateOptions
from vpa.transfer.migrate import Migration
from vpa.transfer.migrate import Progress as _migrate_Progress
from vpa.transfer.verify import Verification
from vpa.trust.audit import Audit
from vpa.trust.audit import Source as _audit_Source
from vpa.trust.backup import Backup
from vpa.trust.check import CheckReport
from vpa.trust.check import Progress as _check_Progress
from vpa.trust.recall import RecallReport

class Collection:
    def add_texts(
        self,
        texts: Sequence[str],
        *,
        ids: Sequence[str] | None = ...,
        metadata: Mapping[str, Any] | Sequence[Mapping[str, Any] | None] | None = ...,
        on_conflict: OnConflict | ConflictName = ...,
        scope: Scope | None = ...,
    ) -> list[str]: ...
    def adopt_embedding(self, embedding: EmbeddingIdentity, *, vouched: bool = ...) -> None: ...
    def candidates(
        self,
        vector: ArrayLike | None = ...,
        *,
        text: str | None = ...,
        terms: Mapping[str, float] | None = ...,
        depth: int = ...,
        select: FusedChoice | None = ...,
        filter: FilterLike = ...,
        include_vectors: bool = ...,
        exact: bool = ...,
        scope: Scope | None = ...,
    ) -> Candidates: ...
    def check_embedding(self, embedding: EmbeddingIdentity) -> None: ...
    def count(self, filter: FilterLike = ..., *, scope: Scope | None = ...) -> int: ...
    def create_keyword_index(self, language: str = ...) -> None: ...
    def delete(
        self,
        ids: str | Iterable[str] | None = ...,
        *,
        filter: FilterLike = ...,
        allow_all: bool = ...,
        dry_run: bool = ...,
        scope: Scope | None = ...,
    ) -> int: ...
    def distinct(self, field: str, *, filter: FilterLike = ..., scope: Scope | None = ...) -> list[Scalar]: ...
    def explain(self, filter: FilterLike = ..., *, scope: Scope | None = ...) -> Explanation: ...
    def fields(self, *, filter: FilterLike = ..., scope: Scope | None = ...) -> dict[str, dict[str, int]]: ...
    @property
    def generation(self) -> tuple[int, int]: ...
    def get(
        self, ids: str | Iterable[str], *, include_vectors: bool = ..., scope: Scope | None = ...
    ) -> list[Record]: ...
    def get_one(self, id: str, *, include_vectors: bool = ..., scope: Scope | None = ...) -> Record | None: ...
    @property
    def info(self) -> CollectionInfo: ...
    def is_empty(self) -> bool: ...
    @property
    def is_over(self) -> bool: ...
    def min_max(
        self, field: str, *, filter: FilterLike = ..., scope: Scope | None = ...
    ) -> dict[str, tuple[Scalar, Scalar]]: ...
    @property
    def name(self) -> str: ...
    def note(self, name: str, value: float) -> None: ...
    def optimize(self) -> None: ...
    def query_terms(self, text: str) -> Counter[str]: ...
    def scan(
        self,
        *,
        filter: FilterLike = ...,
        limit: int | None = ...,
        batch_size: int = ...,
        include_vectors: bool = ...,
        scope: Scope | AllScopes | None = ...,
    ) -> Iterator[Record]: ...
    def scan_batches(
        self,
        *,
        filter: FilterLike = ...,
        batch_size: int = ...,
        cursor: str | None = ...,
        include_vectors: bool = ...,
        scope: Scope | AllScopes | None = ...,
    ) -> Iterator[RecordBatch]: ...
    @property
    def scope(self) -> Scope: ...
    def search(
        self,
        vector: ArrayLike | None = ...,
        *,
        text: str | None = ...,
        sparse: Mapping[int, float] | None = ...,
        mode: SearchMode | None = ...,
        fusion: Fusion | FusionName | None = ...,
        top_k: int = ...,
        filter: FilterLike = ...,
        score_threshold: float | None = ...,
        include_vectors: bool = ...,
        exact: bool = ...,
        scope: Scope | None = ...,
    ) -> Matches: ...
    def search_batch(
        self,
        vectors: ArrayLike | None = ...,
        *,
        texts: Sequence[str] | None = ...,
        top_k: int = ...,
        filter: FilterLike = ...,
        score_threshold: float | None = ...,
        include_vectors: bool = ...,
        exact: bool = ...,
        scope: Scope | None = ...,
    ) -> list[Matches]: ...
    def to_arrow(
        self,
        *,
        filter: FilterLike = ...,
        limit: int | None = ...,
        include_vectors: bool = ...,
        scope: Scope | AllScopes | None = ...,
    ) -> pa.Table: ...
    def to_pandas(
        self,
        *,
        filter: FilterLike = ...,
        limit: int | None = ...,
        include_vectors: bool = ...,
        scope: Scope | AllScopes | None = ...,
    ) -> pd.DataFrame: ...
    def to_polars(
        self,
        *,
        filter: FilterLike = ...,
        limit: int | None = ...,
        include_vectors: bool = ...,
        scope: Scope | AllScopes | None = ...,
    ) -> pl.DataFrame: ...
    def update_metadata(
        self,
        ids: str | Iterable[str] | None = ...,
        *,
        filter: FilterLike = ...,
        set: Mapping[str, Any] | None = ...,
        remove: Iterable[str] = ...,
        allow_all: bool = ...,
        dry_run: bool = ...,
        scope: Scope | None = ...,
    ) -> int: ...
    def upsert(
        self,
        records: Records,
        *,
        on_conflict: OnConflict | ConflictName = ...,
        replacing: FilterLike = ...,
        scope: Scope | None = ...,
    ) -> Written: ...
    @property
    def why_no_words(self) -> ConfigurationError | None: ...
    def within(self, scope: Scope) -> Collection: ...

class VectorDatabaseManager:
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def add_texts(
        self,
        texts: Sequence[str],
        *,
        ids: Sequence[str] | None = ...,
        metadata: Mapping[str, Any] | Sequence[Mapping[str, Any] | None] | None = ...,
        on_conflict: OnConflict | ConflictName = ...,
        scope: Scope | None = ...,
    ) -> list[str]: ...
    def candidates(
        self,
        vector: ArrayLike | None = ...,
        *,
        text: str | None = ...,
        terms: Mapping[str, float] | None = ...,
        depth: int = ...,
        select: FusedChoice | None = ...,
        filter: FilterLike = ...,
        include_vectors: bool = ...,
        exact: bool = ...,
        scope: Scope | None = ...,
    ) -> Candidates: ...
    @property
    def capabilities(self) -> Capabilities: ...
    def close(self) -> None: ...
    def collection(
        self, name: str, *, dimension: int | None = ..., metric: Metric | MetricName | None = ..., embedder: Any = ...
    ) -> Collection: ...
    def connect(self) -> Self: ...
    def count(self, filter: FilterLike = ..., *, scope: Scope | None = ...) -> int: ...
    def create_collection(
        self,
        name: str,
        *,
        dimension: int | None = ...,
        metric: Metric | MetricName | None = ...,
        embedder: Any = ...,
        embedding: EmbeddingIdentity | None = ...,
        native_fields: Sequence[str] = ...,
        keywords: str | None = ...,
        recall: float | None = ...,
        index: IndexOptions | Mapping[str, Any] | None = ...,
        store_options: StoreOptions | Mapping[str, Any] | None = ...,
        sparse: bool = ...,
        exist_ok: bool = ...,
    ) -> Collection: ...
    def create_keyword_index(self, language: str = ...) -> None: ...
    def delete(
        self,
        ids: str | Iterable[str] | None = ...,
        *,
        filter: FilterLike = ...,
        allow_all: bool = ...,
        dry_run: bool = ...,
        scope: Scope | None = ...,
    ) -> int: ...
    def disconnect(self) -> None: ...
    def distinct(self, field: str, *, filter: FilterLike = ..., scope: Scope | None = ...) -> list[Scalar]: ...
    def drop_collection(self, name: str) -> None: ...
    def explain(self, filter: FilterLike = ..., *, scope: Scope | None = ...) -> Explanation: ...
    def fields(self, *, filter: FilterLike = ..., scope: Scope | None = ...) -> dict[str, dict[str, int]]: ...
    def get(
        self, ids: str | Iterable[str], *, include_vectors: bool = ..., scope: Scope | None = ...
    ) -> list[Record]: ...
    def get_one(self, id: str, *, include_vectors: bool = ..., scope: Scope | None = ...) -> Record | None: ...
    def get_statistics(self) -> Statistics: ...
    def health(self) -> Health: ...
    @property
    def holds_sparse(self) -> bool: ...
    @property
    def is_connected(self) -> bool: ...
    @property
    def keeps_keywords(self) -> bool: ...
    def list_collections(self) -> list[str]: ...
    def min_max(
        self, field: str, *, filter: FilterLike = ..., scope: Scope | None = ...
    ) -> dict[str, tuple[Scalar, Scalar]]: ...
    def open_collection(
        self,
        name: str,
        *,
        dimension: int | None = ...,
        metric: Metric | MetricName | None = ...,
        embedder: Any = ...,
        native_fields: Sequence[str] = ...,
        keywords: str | None = ...,
        recall: float | None = ...,
        index: IndexOptions | Mapping[str, Any] | None = ...,
        store_options: StoreOptions | Mapping[str, Any] | None = ...,
        sparse: bool = ...,
    ) -> Collection: ...
    def optimize(self) -> None: ...
    def query_terms(self, text: str) -> Counter[str]: ...
    def scan(
        self,
        *,
        filter: FilterLike = ...,
        limit: int | None = ...,
        batch_size: int = ...,
        include_vectors: bool = ...,
        scope: Scope | AllScopes | None = ...,
    ) -> Iterator[Record]: ...
    def scan_batches(
        self,
        *,
        filter: FilterLike = ...,
        batch_size: int = ...,
        cursor: str | None = ...,
        include_vectors: bool = ...,
        scope: Scope | AllScopes | None = ...,
    ) -> Iterator[RecordBatch]: ...
    def search(
        self,
        vector: ArrayLike | None = ...,
        *,
        text: str | None = ...,
        sparse: Mapping[int, float] | None = ...,
        mode: SearchMode | None = ...,
        fusion: Fusion | FusionName | None = ...,
        top_k: int = ...,
        filter: FilterLike = ...,
        score_threshold: float | None = ...,
        include_vectors: bool = ...,
        exact: bool = ...,
        scope: Scope | None = ...,
    ) -> Matches: ...
    def search_batch(
        self,
        vectors: ArrayLike | None = ...,
        *,
        texts: Sequence[str] | None = ...,
        top_k: int = ...,
        filter: FilterLike = ...,
        score_threshold: float | None = ...,
        include_vectors: bool = ...,
        exact: bool = ...,
        scope: Scope | None = ...,
    ) -> list[Matches]: ...
    @property
    def tested_clients(self) -> Mapping[str, tuple[str, str]]: ...
    def to_arrow(
        self,
        *,
        filter: FilterLike = ...,
        limit: int | None = ...,
        include_vectors: bool = ...,
        scope: Scope | AllScopes | None = ...,
    ) -> pa.Table: ...
    def to_pandas(
        self,
        *,
        filter: FilterLike = ...,
        limit: int | None = ...,
        include_vectors: bool = ...,
        scope: Scope | AllScopes | None = ...,
    ) -> pd.DataFrame: ...
    def to_polars(
        self,
        *,
        filter: FilterLike = ...,
        limit: int | None = ...,
        include_vectors: bool = ...,
        scope: Scope | AllScopes | None = ...,
    ) -> pl.DataFrame: ...
    def update_metadata(
        self,
        ids: str | Iterable[str] | None = ...,
        *,
        filter: FilterLike = ...,
        set: Mapping[str, Any] | None = ...,
        remove: Iterable[str] = ...,
        allow_all: bool = ...,
        dry_run: bool = ...,
        scope: Scope | None = ...,
    ) -> int: ...
    def upsert(
        self,
        records: Records,
        *,
        on_conflict: OnConflict | ConflictName = ...,
        replacing: FilterLike = ...,
        scope: Scope | None = ...,
    ) -> Written: ...
    @property
    def why_no_words(self) -> ConfigurationError | None: ...

class EnhancedRAGSystem:
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    @property
    def manager(self) -> VectorDatabaseManager: ...
    def add_document(
        self,
        *,
        document_id: str,
        content: str,
        title: str = ...,
        metadata: Mapping[str, Any] | None = ...,
        format: FormatName = ...,
        collection: str | None = ...,
        scope: Scope = ...,
    ) -> DocumentSummary: ...
    def add_documents(
        self,
        documents: Source,
        *,
        concurrency: int = ...,
        collect_errors: bool = ...,
        progress: Progress | None = ...,
        collection: str | None = ...,
        scope: Scope = ...,
    ) -> IngestReport: ...
    def delete_document(self, document_id: str, *, collection: str | None = ..., scope: Scope = ...) -> bool: ...
    def delete_documents(
        self, *, filter: FilterLike = ..., allow_all: bool = ..., collection: str | None = ..., scope: Scope = ...
    ) -> int: ...
    def estimate(self, report: FilesReport) -> dict[str, Any]: ...
    def forget(
        self,
        *,
        source: str | None = ...,
        metadata: FilterLike = ...,
        user_id: str | None = ...,
        dry_run: bool = ...,
        collection: str | None = ...,
        scope: Scope = ...,
    ) -> ForgetReport: ...
    def get_document(self, document_id: str, *, collection: str | None = ..., scope: Scope = ...) -> Document: ...
    def get_search_history(self, user_id: str, *, limit: int = ...) -> list[dict[str, Any]]: ...
    def get_system_stats(self) -> dict[str, Any]: ...
    def ingest(
        self,
        *paths: PathLike,
        sync: bool = ...,
        retry: bool = ...,
        again: bool = ...,
        metadata: Mapping[str, Any] | None = ...,
        include: Sequence[str] = ...,
        exclude: Sequence[str] = ...,
        hidden: bool = ...,
        links: bool = ...,
        ignore_files: bool = ...,
        dry_run: bool = ...,
        progress: FilesProgress | None = ...,
        collection: str | None = ...,
        scope: Scope = ...,
    ) -> FilesReport: ...
    def initialize(self) -> Self: ...
    def list_documents(
        self, *, filter: FilterLike = ..., limit: int | None = ..., collection: str | None = ..., scope: Scope = ...
    ) -> list[DocumentSummary]: ...
    def search_knowledge(
        self,
        query: str,
        *,
        user_id: str = ...,
        top_k: int = ...,
        filters: FilterLike = ...,
        score_threshold: float | None = ...,
        mode: SearchMode | None = ...,
        fusion: FusionName | Fusion = ...,
        semantic_weight: float | None = ...,
        keyword_weight: float | None = ...,
        boosts: Mapping[str, float] | None = ...,
        recency: Recency | None = ...,
        rerank: RerankName | Reranker | RerankFunction | None = ...,
        rerank_depth: int = ...,
        rerank_weight: float | None = ...,
        rerank_seconds: float = ...,
        expand: Expansion = ...,
        history: Sequence[str] = ...,
        group_by: GroupBy = ...,
        at_most: Mapping[str, int] | None = ...,
        widen: Widen = ...,
        diversity: float = ...,
        temperature: float = ...,
        seed: int | None = ...,
        exact: bool = ...,
        collection: str | None = ...,
        scope: Scope = ...,
    ) -> list[SearchResult]: ...
    def shutdown(self) -> None: ...
    def update_document(
        self,
        document_id: str,
        *,
        title: str | None = ...,
        content: str | None = ...,
        metadata: Mapping[str, Any] | None = ...,
        collection: str | None = ...,
        scope: Scope = ...,
    ) -> DocumentSummary: ...
    def watch(
        self,
        *paths: PathLike,
        sync: bool = ...,
        metadata: Mapping[str, Any] | None = ...,
        include: Sequence[str] = ...,
        exclude: Sequence[str] = ...,
        hidden: bool = ...,
        links: bool = ...,
        ignore_files: bool = ...,
        collection: str | None = ...,
        scope: Scope = ...,
    ) -> Iterator[FilesReport]: ...

def as_embedder(model: Any, *, name: str | None = ..., revision: str = ...) -> Embedder: ...
def audit(collection: Collection, source: _audit_Source, *, scope: Scope = ...) -> Audit: ...
def backup(source: str | Path, target: str | Path) -> Backup: ...
def build_context(
    results: Sequence[SearchResult], *, budget_tokens: int, count_tokens: CountTokens | None = ...
) -> Context: ...
def check(
    collection: Collection,
    *,
    repair: bool = ...,
    sample: int | None = ...,
    seed: int = ...,
    progress: _check_Progress = ...,
) -> CheckReport: ...
def check_recall(
    collection: Collection,
    *,
    sample: int = ...,
    top_k: int = ...,
    queries: ArrayLike | None = ...,
    scope: Scope = ...,
    seed: int = ...,
) -> RecallReport: ...
def connect(
    url: str | os.PathLike[str],
    *,
    index_name: str | None = ...,
    dimension: int | None = ...,
    metric: Metric | MetricName = ...,
    api_key: str | None = ...,
    timeout_seconds: float = ...,
    max_retries: int = ...,
    connection_pool_size: int = ...,
    max_concurrent_requests: int = ...,
    read_only: bool = ...,
) -> VectorDatabaseManager: ...
def create_enhanced_rag_system(
    config: DeploymentConfig | None = ..., *, manager: VectorDatabaseManager | None = ..., embedder: Any = ...
) -> EnhancedRAGSystem: ...
def create_vector_database_manager(
    config: VectorDatabaseConfig | DeploymentConfig | None = ...,
) -> VectorDatabaseManager: ...
def export_parquet(
    collection: Collection, path: str | Path, *, typed_metadata: bool = ..., progress: Callable[[int], None] = ...
) -> int: ...
def import_parquet(
    manager: VectorDatabaseManager,
    path: str | Path,
    *,
    collection: str | None = ...,
    metric: str = ...,
    progress: Callable[[int], None] = ...,
    converted: Callable[[str], None] = ...,
) -> int: ...
def migrate(
    source: VectorDatabaseManager,
    target: VectorDatabaseManager,
    *,
    collection: str,
    to_collection: str | None = ...,
    store_options: StoreOptions | Mapping[str, Any] | None = ...,
    embedding: EmbeddingIdentity | None = ...,
    keywords: str | None = ...,
    batch_size: int = ...,
    state_directory: str | None = ...,
    progress: _migrate_Progress = ...,
) -> Migration: ...
def repair(
    collection: Collection, source: _audit_Source, *, scope: Scope = ..., delete_orphans: bool = ...
) -> Audit: ...
def verify(source: Collection, target: Collection, *, progress: Callable[[int], None] = ...) -> Verification: ...
