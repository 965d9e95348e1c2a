"""The RAG system: two pipelines, documents in and results out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, replace
from typing import Any, Final

from vpa.base.arguments import explains
from vpa.base.errors import DocumentNotFoundError, InvalidFilterError, InvalidQueryError, VectorDatabaseError
from vpa.base.guessed import DOCUMENT_VERBS, Guessed
from vpa.base.ids import check_document_id
from vpa.base.query import check_number, check_threshold, check_top_k
from vpa.base.scope import Scope
from vpa.base.showing import shown
from vpa.client.collection import Collection
from vpa.client.validating import checked_filter
from vpa.client.words import SearchMode, check_mode, check_question
from vpa.filters import FilterLike, NormalFilter, canonical_text, normal, to_json
from vpa.filters.ast import ALWAYS
from vpa.observe.log import request_context
from vpa.rag.asking import GroupBy, RetrievalOptions, check_group_by, check_history
from vpa.rag.chunks import first_chunks, of_documents
from vpa.rag.deleting import delete_matching
from vpa.rag.documents import (
    Document,
    DocumentSummary,
    FileDocument,
    FormatName,
    IngestReport,
    NewDocument,
    SearchResult,
)
from vpa.rag.history import SearchEntry
from vpa.rag.ingest import Progress, Source
from vpa.rag.intake.verbs import FileVerbs
from vpa.rag.reading import read_document, read_summaries
from vpa.rag.retrieve import Retrieval
from vpa.rag.widening import Widen, check_widen
from vpa.retrieval import rerank as _rerank
from vpa.retrieval.boosts import Recency, check_boosts, check_recency
from vpa.retrieval.choice import check_at_most, check_seed
from vpa.retrieval.expand import Expansion, check_expansion
from vpa.retrieval.fusion import Fusion, FusionName, parse_fusion
from vpa.retrieval.rerank import Reranker, RerankFunction, RerankName, check_weight
from vpa.retrieval.why import Why

_SCOPE = Scope()
# Of the scores by vector and by words, for models and for the lexical fallback (docs/retrieval.md).
_WEIGHTS: Final = (0.5, 0.5)
_LEXICAL_WEIGHTS: Final = (0.2, 0.8)


@explains
class EnhancedRAGSystem(FileVerbs, Guessed):
    """Documents in, answers out, over any store. Options are keyword-only.

    Use it as `async with`, or call `initialize()` and `shutdown()`. Every verb may raise ClosedError before and after.
    Each verb works on the collection of the configuration, or on the one that `collection` names; all of them hold
    vectors of the system's one model.
    """

    _GUESSES = DOCUMENT_VERBS
    _ITEM = "get_document(document_id) reads a document, list_documents() names them"

    # Documents in

    async def add_document(
        self,
        *,
        document_id: str,
        content: str,
        title: str = "",
        metadata: Mapping[str, Any] | None = None,
        format: FormatName = "text",
        collection: str | None = None,
        scope: Scope = _SCOPE,
    ) -> DocumentSummary:
        """Add a document, or replace the one of that id. Raises InvalidRecordError, EmbedderError.

        `collection`: another one than the system's own, made if it is missing.
        """
        ingestion = await self._ingestion(collection)
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
        collection: str | None = None,
        scope: Scope = _SCOPE,
    ) -> IngestReport:
        """Add many documents (NewDocument or mappings, also from an async source); existing ids are replaced.

        At most `concurrency` groups are embedded or written at once. `progress(report)` is called after each group.
        What may pass is retried. An invalid document raises InvalidRecordError, one that cannot be embedded
        EmbedderError, and the message says how much was stored before; with `collect_errors` both are noted in the
        report and left out.
        Called again with the same documents it embeds only what is not stored yet.
        """
        ingestion = await self._ingestion(collection)
        report = await ingestion.write_all(
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
        collection: str | None = None,
        scope: Scope = _SCOPE,
    ) -> DocumentSummary:
        """Replace what is passed (`metadata` as a whole); readers meet the old version or the new, never both or none.

        Updates, additions and deletes of one document through this system follow one another. Chunks whose text and
        title stay are not embedded again. Raises DocumentNotFoundError, InvalidRecordError.
        """
        await self._of(collection)
        ingestion = await self._ingestion(collection)
        async with self._turns.held([(scope, document_id)]):
            old = await self.get_document(document_id, collection=collection, scope=scope)
            prepared = await ingestion.prepare(
                FileDocument(
                    document_id=document_id,
                    title=old.title if title is None else title,
                    content=old.content if content is None else content,
                    metadata=old.metadata if metadata is None else metadata,
                    format=old.format,
                    file=old.file,
                )
            )
            self._counters.updated(await ingestion.write_in_turn([prepared], scope=scope))
        return prepared.summary()

    async def delete_document(self, document_id: str, *, collection: str | None = None, scope: Scope = _SCOPE) -> bool:
        """Remove a document; returns whether there was one."""
        wanted = of_documents([check_document_id(document_id)])
        place = await self._of(collection)
        async with self._turns.held([(scope, document_id)]):
            gone = await place.delete(filter=wanted, scope=scope)
        self._counters.documents_deleted += bool(gone)
        return bool(gone)

    async def delete_documents(
        self,
        *,
        filter: FilterLike = None,
        allow_all: bool = False,
        collection: str | None = None,
        scope: Scope = _SCOPE,
    ) -> int:
        """Remove the documents whose metadata match; returns how many there were. Others are added meanwhile freely.

        Raises InvalidFilterError for a filter that matches every document, unless `allow_all` says that it is meant.
        """
        place, node = await self._of(collection), await checked_filter(filter)
        if node is ALWAYS and not allow_all:
            raise InvalidFilterError(
                "the filter of delete_documents matches every document; pass allow_all=True if that is meant"
            )
        deleted = await delete_matching(place, node, scope=scope, workers=self._workers, turns=self._turns)
        self._counters.documents_deleted += deleted
        return deleted

    async def get_document(self, document_id: str, *, collection: str | None = None, scope: Scope = _SCOPE) -> Document:
        """The document with its content; raises DocumentNotFoundError."""
        wanted = of_documents([check_document_id(document_id)])
        document = await read_document(await self._of(collection), wanted, scope=scope, workers=self._workers)
        if document is None:
            raise DocumentNotFoundError(
                f"no document {document_id!r} in scope {scope}; add it with add_document, list what there is with "
                "list_documents"
            )
        return document

    async def list_documents(
        self,
        *,
        filter: FilterLike = None,
        limit: int | None = None,
        collection: str | None = None,
        scope: Scope = _SCOPE,
    ) -> list[DocumentSummary]:
        """Documents without content, in id order, at most `limit`. Raises InvalidQueryError for one below 0."""
        if limit is not None and (not isinstance(limit, int) or limit < 0):
            raise InvalidQueryError(f"limit is a whole number from 0 up, or None for all, not {shown(limit)}")
        node = normal(first_chunks() & await checked_filter(filter))
        return await read_summaries(await self._of(collection), node, limit=limit, scope=scope, workers=self._workers)

    # Results out

    async def search_knowledge(
        self,
        query: str,
        *,
        user_id: str = "",
        top_k: int = 5,
        filters: FilterLike = None,
        score_threshold: float | None = None,
        mode: SearchMode | None = None,
        fusion: FusionName | Fusion = "zscore",
        semantic_weight: float | None = None,
        keyword_weight: float | None = None,
        boosts: Mapping[str, float] | None = None,
        recency: Recency | None = None,
        rerank: RerankName | Reranker | RerankFunction | None = None,
        rerank_depth: int = _rerank.DEPTH,
        rerank_weight: float | None = None,
        rerank_seconds: float = _rerank.SECONDS,
        expand: Expansion = None,
        history: Sequence[str] = (),
        group_by: GroupBy = None,
        at_most: Mapping[str, int] | None = None,
        widen: Widen = 0,
        diversity: float = 0.0,
        temperature: float = 0.0,
        seed: int | None = None,
        exact: bool = False,
        collection: str | None = None,
        scope: Scope = _SCOPE,
    ) -> list[SearchResult]:
        """The chunks that answer `query`, best first; `group_by="document"` gives each document once.

        `mode`: "hybrid" looks for meaning and words, "dense" for meaning, "keyword" for words; where none is named
        hybrid, or dense where the collection has no keyword index. `fusion`, `semantic_weight` and `keyword_weight` say
        how hybrid makes one score of two (`vpa.Fusion`). `score_threshold` is on `result.similarity`.
        `boosts`: factors by field, for words of the question in it ("title", or metadata); `recency`: newer is better.
        `rerank`: "light" (by vectors of tokens, made when documents were added), a function `(question, texts) ->
        numbers`, or a `Reranker`, that looks at the best `rerank_depth`; "none"; by default what VPA_RERANK says. It
        counts `rerank_weight`, by default .3 or what the reranker has, and is not waited for longer than
        `rerank_seconds`. `expand`: "feedback" asks again with
        words of the best answers, a mapping of words to synonyms or a function from the question to others asks in
        several ways. `history`: earlier turns of a conversation, the latest last.
        `widen`: chunks that are added to each result on both sides, or "section": all of the section it stands in.
        `at_most`: how many candidates of one "document", or one value of a metadata field; `diversity` above 0 passes
        over what says the same (MMR), `temperature` above 0 lets chance choose, the same for the same `seed`.
        `collection`: another one than the system's own; raises CollectionNotFoundError if there is none. `user_id`
        labels the search in the history; it never changes the answer. Raises InvalidQueryError, InvalidFilterError,
        EmbedderError, RerankerError.
        """
        place, started = await self._of(collection), self._clock.monotonic()
        with request_context(user_id=user_id, collection=place.name):
            try:
                check_question(query, name="the query")
                node = await checked_filter(filters)
                if isinstance(fusion, Fusion) and (semantic_weight is not None or keyword_weight is not None):
                    raise InvalidQueryError(
                        "a Fusion has its own weights: give them there, or name the method, fusion='zscore'"
                    )
                weights = await self._weights(semantic_weight, keyword_weight)
                options = RetrievalOptions(
                    top_k=check_top_k(top_k),
                    score_threshold=check_threshold(score_threshold),
                    group_by=check_group_by(group_by),
                    exact=exact,
                    scope=scope,
                    mode=check_mode(mode),
                    fusion=parse_fusion(fusion, semantic_weight=weights[0], keyword_weight=weights[1]),
                    boosts=check_boosts(boosts),
                    recency=check_recency(recency),
                    at_most=check_at_most(at_most),
                    widen=check_widen(widen),
                    diversity=check_number("diversity", diversity, most=1),
                    temperature=check_number("temperature", temperature),
                    seed=check_seed(seed),
                    rerank=self._reranker(rerank),
                    rerank_depth=check_top_k(rerank_depth, name="rerank_depth"),
                    rerank_weight=check_weight(rerank_weight),
                    rerank_seconds=check_number("rerank_seconds", rerank_seconds, above=True),
                    expand=check_expansion(expand),
                    history=check_history(history),
                    language=self.options.keyword_language or "none",
                )
                results, cached = await self._answer(place, query, node=node, options=options)
            except VectorDatabaseError:
                self._counters.failed_searches += 1
                raise
        time_s = self._clock.monotonic() - started
        self._counters.searched(time_s, cached=cached)
        self._history.add(user_id, self._entry(query, node, top_k=top_k, results=results, time_s=time_s, cached=cached))
        return results

    async def _weights(self, semantic: float | None, keyword: float | None) -> tuple[float, float]:
        """Those asked for; .5 each by default, less for vectors that compare words, and worse than BM25 does."""
        await self._embedder.open()
        default = _LEXICAL_WEIGHTS if self._embedder.is_lexical else _WEIGHTS
        return (default[0] if semantic is None else semantic, default[1] if keyword is None else keyword)

    def _entry(
        self, query: str, node: NormalFilter, *, top_k: int, results: list[SearchResult], time_s: float, cached: bool
    ) -> SearchEntry:
        return SearchEntry(
            query=query,
            filters=to_json(node),
            top_k=top_k,
            result_count=len(results),
            response_time=time_s,
            cached=cached,
            timestamp=self._clock.now(),
        )

    async def _answer(
        self, collection: Collection, query: str, *, node: NormalFilter, options: RetrievalOptions
    ) -> tuple[list[SearchResult], bool]:
        identity = await self._embedder.open()
        # The generation is read before the search: a result that a write overtakes is not remembered.
        key = (collection.name, collection.generation, identity, query, canonical_text(node), options.key)
        # Another process writes to what is read only here, and no number tells of it in time.
        remembers = not self.manager.config.read_only and options.is_repeatable
        known = self._cache.get(key) if remembers else None
        if known is not None:
            return _copies(known), True
        retrieval = Retrieval(
            collection, self._embedder, node=node, options=options, workers=self._workers, now=self._clock.now()
        )
        results = await retrieval.run(query)
        if remembers and retrieval.went_as_asked and collection.generation == key[1]:
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
            "chunks_cached": self._counters.chunks_cached,
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
                "cache": asdict(self._embedder.cache_statistics()),
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


def _copies(results: list[SearchResult]) -> list[SearchResult]:
    return [replace(result, metadata=deepcopy(result.metadata), why=_copy(result.why)) for result in results]


def _copy(why: Why | None) -> Why | None:
    return None if why is None else replace(why, boosts=dict(why.boosts), parts=dict(why.parts))


def _weight(query: str, results: list[SearchResult]) -> int:
    # A rough weight: Python strings take one to four bytes a character, an object some hundred.
    return 500 + 4 * len(query) + sum(map(_weight_of, results))


def _weight_of(result: SearchResult) -> int:
    words = 0 if result.why is None else len(result.why.words)
    return 1000 + 2 * len(result.content) + 4 * len(repr(result.metadata)) + 250 * words
