"""The RAG system: lifecycle, and two pipelines (documents in, results out)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from vpa.base.clock import Clock, SystemClock
from vpa.base.errors import (
    ClosedError,
    DimensionMismatchError,
    DocumentNotFoundError,
    InvalidQueryError,
    VectorDatabaseError,
)
from vpa.base.ids import VersionStamps, check_document_id
from vpa.base.metadata import ValueRuleError, check_text
from vpa.base.query import check_threshold, check_top_k
from vpa.base.scope import Scope
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager
from vpa.client.validating import checked_filter
from vpa.embeddings.batched import BatchedEmbedder
from vpa.filters import FilterLike, NormalFilter, canonical_text, normal, to_json
from vpa.kit.cache import TtlCache
from vpa.kit.cpus import available_cpus
from vpa.kit.crossing import ways_to_open
from vpa.kit.locks import KeyedLocks
from vpa.kit.threads import Workers
from vpa.observe.log import request_context
from vpa.rag.chunks import first_chunks, of_documents
from vpa.rag.documents import Document, DocumentSummary, IngestReport, NewDocument, SearchResult
from vpa.rag.history import SearchEntry, SearchHistory
from vpa.rag.ingest import Ingestion, Progress, Source
from vpa.rag.options import RagOptions
from vpa.rag.reading import read_document, read_summaries
from vpa.rag.retrieve import GroupBy, RetrievalOptions, embed_query, retrieve
from vpa.rag.stats import SystemCounters

_SCOPE = Scope()
_MOST_WORKERS: Final = 4  # Splitting holds the interpreter: more threads would wait for one another.


class EnhancedRAGSystem:
    """Documents in, answers out, over any store. Options are keyword-only.

    Use it as `async with`, or call `initialize()` and `shutdown()`. Every verb may raise ClosedError before and after.
    """

    def __init__(
        self,
        manager: VectorDatabaseManager,
        embedder: BatchedEmbedder,
        *,
        options: RagOptions | None = None,
        clock: Clock | None = None,
        owns_manager: bool = True,
    ) -> None:
        """`owns_manager` False leaves the manager open at `shutdown`."""
        self.manager = manager
        self.options = options or RagOptions()
        self._embedder = embedder
        self._clock = clock or SystemClock()
        self._owns_manager = owns_manager
        self._stamps = VersionStamps(self._clock)
        self._workers = Workers(size=min(_MOST_WORKERS, available_cpus()), name="vpa-rag")
        self._counters = SystemCounters()
        self._history = SearchHistory()
        self._cache: TtlCache[tuple[object, ...], list[SearchResult]] = TtlCache(
            max_bytes=self.options.cache_bytes, ttl_s=self.options.cache_ttl_seconds, clock=self._clock
        )
        self._collection: Collection | None = None
        self._opening = asyncio.Lock()
        self._turns = KeyedLocks()

    # Lifecycle

    async def initialize(self) -> Self:
        """Load the model, connect, and make the collection if it is missing. Twice is no error.

        Raises EmbedderError, DimensionMismatchError, EmbeddingMismatchError, and what `connect` raises.
        """
        async with self._opening:
            if self._collection is not None:
                return self
            try:
                identity = await self._embedder.open()
                self._check_dimension(identity.dimension, str(identity))
                await self.manager.connect()
                self._collection = await self.manager.create_collection(
                    self.manager.config.index_name,
                    dimension=identity.dimension,
                    metric=self.manager.config.metric,
                    embedding=identity,
                    exist_ok=True,
                )
            except BaseException:
                await self._release()
                raise
        return self

    def _check_dimension(self, dimension: int, model: str) -> None:
        if self.manager.config.dimension not in (None, dimension):
            raise DimensionMismatchError(
                f"VPA_VECTOR_DB_DIMENSION is {self.manager.config.dimension}, but {model} makes {dimension} "
                "dimensions; unset the one "
                "or choose another VPA_EMBEDDING_MODEL"
            )

    async def shutdown(self) -> None:
        """Let store, model and cache go. May be called twice."""
        async with self._opening:
            self._collection = None
            self._cache.clear()
            await self._release()

    async def _release(self) -> None:
        if self._owns_manager:
            await self.manager.close()
        await self._embedder.close()
        await self._workers.close()

    async def __aenter__(self) -> Self:
        return await self.initialize()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shutdown()

    if not TYPE_CHECKING:

        def __enter__(self) -> None:
            raise TypeError(
                "this RAG system is asynchronous: write `async with` inside `async def`, or in a notebook "
                "`await rag.initialize()`; without await: `with vpa.sync.create_enhanced_rag_system() as rag`"
            )

        def __exit__(self, *_: object) -> None:
            """Nothing was entered."""

    def _open(self) -> Collection:
        if self._collection is None:
            raise ClosedError(f"the RAG system is not initialized: {ways_to_open('initialize')}")
        return self._collection

    def _ingestion(self) -> Ingestion:
        return Ingestion(
            self._open(),
            self._embedder,
            options=self.options,
            stamps=self._stamps,
            workers=self._workers,
            turns=self._turns,
        )

    # Documents in

    async def add_document(
        self,
        *,
        document_id: str,
        content: str,
        title: str = "",
        metadata: Mapping[str, Any] | None = None,
        format: str = "text",
        scope: Scope = _SCOPE,
    ) -> DocumentSummary:
        """Add a document, or replace the one of that id. Raises InvalidRecordError, EmbedderError."""
        ingestion = self._ingestion()
        document = NewDocument(
            document_id=document_id, title=title, content=content, metadata=metadata or {}, format=format
        )
        prepared = await ingestion.prepare(document)
        self._counters.added(await ingestion.write([prepared], scope=scope))
        return prepared.summary()

    async def add_documents(
        self,
        documents: Source,
        *,
        concurrency: int = 2,
        collect_errors: bool = False,
        progress: Progress | None = None,
        scope: Scope = _SCOPE,
    ) -> IngestReport:
        """Add many documents (NewDocument or mappings, also from an async source); existing ids are replaced.

        At most `concurrency` groups are embedded or written at once. `progress(report)` is called after each group.
        What may pass is retried. An invalid document raises InvalidRecordError, one that cannot be embedded
        EmbedderError, and the message says how much was stored before; with `collect_errors` both are noted in the
        report and left out.
        Called again with the same documents it embeds only what is not stored yet.
        """
        report = await self._ingestion().write_all(
            documents, scope=scope, concurrency=concurrency, collect_errors=collect_errors, progress=progress
        )
        self._counters.added(report)
        return report

    async def update_document(
        self,
        document_id: str,
        *,
        title: str | None = None,
        content: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        scope: Scope = _SCOPE,
    ) -> DocumentSummary:
        """Replace what is passed (`metadata` as a whole); readers meet the old version or the new, never both or none.

        Updates, additions and deletes of one document through this system follow one another. Chunks whose text and
        title stay are not embedded again. Raises DocumentNotFoundError, InvalidRecordError.
        """
        ingestion = self._ingestion()
        async with self._turns.held([(scope, document_id)]):
            old = await self.get_document(document_id, scope=scope)
            prepared = await ingestion.prepare(
                NewDocument(
                    document_id=document_id,
                    title=old.title if title is None else title,
                    content=old.content if content is None else content,
                    metadata=old.metadata if metadata is None else metadata,
                    format=old.format,
                )
            )
            self._counters.updated(await ingestion.write_in_turn([prepared], scope=scope))
        return prepared.summary()

    async def delete_document(self, document_id: str, *, scope: Scope = _SCOPE) -> bool:
        """Remove a document; returns whether there was one."""
        wanted = of_documents([check_document_id(document_id)])
        async with self._turns.held([(scope, document_id)]):
            gone = await self._open().delete(filter=wanted, scope=scope)
        self._counters.documents_deleted += bool(gone)
        return bool(gone)

    async def get_document(self, document_id: str, *, scope: Scope = _SCOPE) -> Document:
        """The document with its content; raises DocumentNotFoundError."""
        wanted = of_documents([check_document_id(document_id)])
        document = await read_document(self._open(), wanted, scope=scope, workers=self._workers)
        if document is None:
            raise DocumentNotFoundError(
                f"no document {document_id!r} in scope {scope}; add it with add_document, list what there is with "
                "list_documents"
            )
        return document

    async def list_documents(
        self, *, filters: FilterLike = None, limit: int | None = None, scope: Scope = _SCOPE
    ) -> list[DocumentSummary]:
        """Documents without content, in id order, at most `limit`. Raises InvalidQueryError for one below 0."""
        if limit is not None and (not isinstance(limit, int) or limit < 0):
            raise InvalidQueryError(f"limit is a whole number from 0 up, or None for all, not {limit!r:.80}")
        node = normal(first_chunks() & await checked_filter(filters))
        return await read_summaries(self._open(), node, limit=limit, scope=scope, workers=self._workers)

    # Results out

    async def search_knowledge(
        self,
        query: str,
        *,
        user_id: str = "",
        top_k: int = 5,
        filters: FilterLike = None,
        score_threshold: float | None = None,
        group_by: GroupBy = None,
        exact: bool = False,
        scope: Scope = _SCOPE,
    ) -> list[SearchResult]:
        """The chunks that answer `query`, best first; `group_by="document"` gives each document once.

        `user_id` labels the search in the history; it never changes the answer.
        Raises InvalidQueryError, InvalidFilterError, EmbedderError.
        """
        collection, started = self._open(), self._clock.monotonic()
        with request_context(user_id=user_id, collection=collection.name):
            try:
                _check_query(query)
                node = await checked_filter(filters)
                options = RetrievalOptions(
                    top_k=check_top_k(top_k),
                    score_threshold=check_threshold(score_threshold),
                    group_by=group_by,
                    exact=exact,
                    scope=scope,
                )
                results, cached = await self._answer(collection, query, node=node, options=options)
            except VectorDatabaseError:
                self._counters.failed_searches += 1
                raise
        entry = SearchEntry(
            query=query,
            filters=to_json(node),
            top_k=top_k,
            result_count=len(results),
            response_time=self._clock.monotonic() - started,
            cached=cached,
            timestamp=self._clock.now(),
        )
        self._counters.searched(entry.response_time, cached=cached)
        self._history.add(user_id, entry)
        return results

    async def _answer(
        self, collection: Collection, query: str, *, node: NormalFilter, options: RetrievalOptions
    ) -> tuple[list[SearchResult], bool]:
        identity = await self._embedder.open()
        # The generation is read before the search: a result that a write overtakes is kept under the old one.
        key = (collection.generation, identity, query, canonical_text(node), options)
        # Another process writes to what is read only here, and no number tells of it in time.
        remembers = not self.manager.config.read_only
        known = self._cache.get(key) if remembers else None
        if known is not None:
            return _copies(known), True
        vector = await embed_query(self._embedder, query, workers=self._workers)
        results = await retrieve(collection, vector, node=node, options=options)
        if remembers:
            self._cache.put(key, _copies(results), size_bytes=_weight(query, results))
        return results, False

    # Observation

    async def get_search_history(self, user_id: str, *, limit: int = 100) -> list[dict[str, Any]]:
        """The user's latest searches, newest first: query, filters, top_k, result_count, response_time, timestamp."""
        return self._history.of(user_id, limit=limit)

    async def get_system_stats(self) -> dict[str, Any]:
        """Counters, sizes and latencies in seconds; also before `initialize` and after `shutdown`."""
        collection = self._collection
        documents: dict[str, Any] = {
            "documents_added": self._counters.documents_added,
            "documents_updated": self._counters.documents_updated,
            "documents_deleted": self._counters.documents_deleted,
            "chunks_embedded": self._counters.chunks_embedded,
            "chunks_reused": self._counters.chunks_reused,
            "chunks_recut": self._counters.chunks_recut,
            "titles_shortened": self._counters.titles_shortened,
        }
        embedding: dict[str, Any] = {}
        if collection is not None:
            documents["total_documents"] = await collection.count(filter=first_chunks())
            documents["total_chunks"] = await collection.count()
            identity = await self._embedder.open()
            embedding = {
                "model": str(identity),
                "dimension": identity.dimension,
                "lexical": self._embedder.is_lexical,
                "max_tokens": self._embedder.max_tokens,
            }
        return {
            "initialized": collection is not None,
            "search_statistics": self._counters.search_statistics(),
            "document_statistics": documents,
            "embedding": embedding,
            "cache": {
                "entries": len(self._cache),
                "size_bytes": self._cache.size_bytes,
                "max_bytes": self._cache.max_bytes,
                "ttl_seconds": self.options.cache_ttl_seconds,
            },
            "users": len(self._history),
            "vector_database": await self.manager.get_statistics(),
        }


def _check_query(query: object) -> None:
    if not isinstance(query, str) or not query.strip():
        raise InvalidQueryError(f"the query must be a non-empty string, not {query!r:.80}")
    try:
        check_text(query)
    except ValueRuleError as error:
        raise InvalidQueryError(f"the query {error}") from None


def _copies(results: list[SearchResult]) -> list[SearchResult]:
    return [replace(result, metadata=deepcopy(result.metadata)) for result in results]


def _weight(query: str, results: list[SearchResult]) -> int:
    # A rough weight: Python strings take one to four bytes a character, an object some hundred.
    return (
        500 + 4 * len(query) + sum(700 + 2 * len(result.content) + 4 * len(repr(result.metadata)) for result in results)
    )
