"""The life of a RAG system: what it opens, and which collections it works on."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from vpa.base.arguments import explains
from vpa.base.clock import Clock, SystemClock
from vpa.base.errors import (
    ClosedError,
    CollectionExistsError,
    ConfigurationError,
    DimensionMismatchError,
    InvalidQueryError,
)
from vpa.base.ids import VersionStamps
from vpa.base.records import Metric
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager
from vpa.embeddings.batched import BatchedEmbedder
from vpa.kit.cache import TtlCache
from vpa.kit.cpus import available_cpus
from vpa.kit.crossing import ways_to_open
from vpa.kit.locks import KeyedLocks
from vpa.kit.shelf.contract import Shelf
from vpa.kit.shelf.memory import MemoryShelf
from vpa.kit.threads import Workers
from vpa.observe.log import get_logger
from vpa.rag.documents import SearchResult
from vpa.rag.history import SearchHistory
from vpa.rag.ingest import Ingestion
from vpa.rag.options import IngestOptions, RagOptions
from vpa.rag.stats import SystemCounters
from vpa.rag.tokens.source import Tokens
from vpa.retrieval.light.reranker import LightReranker
from vpa.retrieval.rerank import Reranker, as_reranker

_log = get_logger("vpa.rag")
_MOST_WORKERS: Final = 4  # Splitting holds the interpreter: more threads would wait for one another.


@explains
class RunningSystem:
    """A model, a manager, and the collections of documents that are open."""

    def __init__(
        self,
        manager: VectorDatabaseManager,
        embedder: BatchedEmbedder,
        *,
        options: RagOptions | None = None,
        intake: IngestOptions | None = None,
        clock: Clock | None = None,
        owns_manager: bool = True,
        shelf: Shelf | None = None,
    ) -> None:
        """`owns_manager` False leaves the manager open at `shutdown`. `shelf`: where token vectors of documents are
        kept for `rerank="light"`; by default in memory.
        """
        self.manager = manager
        self.options = options or RagOptions()
        self.intake = intake or IngestOptions()
        self._embedder = embedder
        self._clock = clock or SystemClock()
        self._owns_manager = owns_manager
        self._stamps = VersionStamps(self._clock)
        self._workers = Workers(size=min(_MOST_WORKERS, available_cpus()), name="vpa-rag")
        shelf = shelf or MemoryShelf(max_bytes=self.options.token_bytes)
        self._tokens = Tokens(embedder, shelf, workers=self._workers)
        self._light = LightReranker(self._tokens, run=self._workers.run)
        self._counters = SystemCounters()
        self._history = SearchHistory()
        self._cache: TtlCache[tuple[object, ...], list[SearchResult]] = TtlCache(
            max_bytes=self.options.cache_bytes, ttl_s=self.options.cache_ttl_seconds, clock=self._clock
        )
        self._collection: Collection | None = None
        self._others: dict[str, Collection] = {}
        self._opening = asyncio.Lock()
        self._was_shut_down = False
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
                self._reranker(None)
                await self.manager.connect()
                self._collection = await self._made(self.manager.config.index_name)
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

    def _reranker(self, rerank: Any) -> Reranker | None:
        """What was asked for, or what the settings say; raises InvalidQueryError, ConfigurationError."""
        asked = self.options.rerank if rerank is None else rerank
        reranker = as_reranker(asked, {"none": lambda: None, "light": lambda: self._light})
        if reranker is self._light and self._embedder.token_width is None:
            name, kind = ("VPA_RERANK", ConfigurationError) if rerank is None else ("rerank", InvalidQueryError)
            raise kind(
                f"{name}='light' compares vectors of tokens, and this embedder makes none; minilm does "
                "(VPA_EMBEDDING_MODEL=minilm), and an Embedder of yours that has token_width and embed_tokens; "
                "or rerank by a function of yours"
            )
        return reranker

    async def shutdown(self) -> None:
        """Let store, model and cache go. May be called twice."""
        async with self._opening:
            self._was_shut_down = self._was_shut_down or self._collection is not None
            self._collection = None
            self._others.clear()
            self._cache.clear()
            await self._release()

    async def _release(self) -> None:
        if self._owns_manager:
            await self.manager.close()
        await self._embedder.close()
        await self._workers.close()
        # Here, not in a thread: of a pool that the collector found beside this the threads may have ended.
        self._tokens.close()

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
            if self._was_shut_down:
                raise ClosedError("the RAG system was shut down, by shutdown() or at the end of `with`; make a new one")
            raise ClosedError(f"the RAG system is not initialized: {ways_to_open('initialize')}")
        return self._collection

    async def _made(self, name: str) -> Collection:
        """The collection of that name for this model, made if it is missing."""
        identity = await self._embedder.open()
        metric = Metric.parse(self.manager.config.metric)
        language = self.options.keyword_language
        if language and self.manager.keeps_keywords and name not in await self.manager.list_collections():
            try:
                return await self.manager.create_collection(
                    name, dimension=identity.dimension, metric=metric, embedding=identity, keywords=language
                )
            except CollectionExistsError:
                pass
            except ConfigurationError as error:
                # A store may hold no words under this metric. What else is wrong is said by the next attempt.
                _log.warning("made without a keyword index", collection=name, reason=error.message)
        collection = await self.manager.create_collection(
            name,
            dimension=identity.dimension,
            # The default is for a new one; a collection that exists is searched by its own.
            metric=None if metric is Metric.COSINE else metric,
            embedding=identity,
            exist_ok=True,
        )
        keywords = collection.info.keywords
        if language and keywords is not None and keywords.language != language:
            _log.warning(
                "words are searched for in the language it was made with; create_keyword_index changes it",
                collection=name,
                language=keywords.language,
                setting=language,
            )
        return collection

    async def _of(self, name: str | None, *, make: bool = False) -> Collection:
        """The system's own collection, or another one; raises CollectionNotFoundError unless it is to be made."""
        own = self._open()
        if name is None or name == own.name:
            if own.is_over:
                # Made anew by whoever has the manager too: its documents are those of now on.
                self._collection = own = await self._made(own.name)
            return own
        collection = self._others.get(name)
        if collection is None or collection.is_over:
            collection = await (self._made(name) if make else self.manager.collection(name))
            if not make:
                await collection.check_embedding(await self._embedder.open())
            self._others[name] = collection
        return collection

    async def _ingestion(self, collection: str | None) -> Ingestion:
        return Ingestion(
            await self._of(collection, make=True),
            self._embedder,
            options=self.options,
            stamps=self._stamps,
            workers=self._workers,
            turns=self._turns,
            tokens=self._tokens,
        )
