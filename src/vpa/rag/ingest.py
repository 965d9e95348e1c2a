"""Documents in: cut, embed, write; in groups, a few at a time, each group one atomic write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from vpa.base.errors import InvalidRecordError
from vpa.base.ids import VersionStamps
from vpa.base.scope import Scope
from vpa.client.verbs import CollectionVerbs
from vpa.embeddings.batched import BatchedEmbedder
from vpa.kit.tasks import first_of
from vpa.rag.chunking.splitter import chunk_text
from vpa.rag.chunks import PreparedDocument, of_documents, to_batch
from vpa.rag.documents import IngestReport, NewDocument
from vpa.rag.options import RagOptions

Source: TypeAlias = "Iterable[NewDocument | Mapping[str, Any]] | AsyncIterable[NewDocument | Mapping[str, Any]]"
Progress: TypeAlias = Callable[[IngestReport], None]
_GROUP_CHUNKS: Final = 64


class Ingestion:
    """Writes documents into one collection."""

    def __init__(
        self, collection: CollectionVerbs, embedder: BatchedEmbedder, *, options: RagOptions, stamps: VersionStamps
    ) -> None:
        self._collection = collection
        self._embedder = embedder
        self._options = options
        self._stamps = stamps

    def prepare(self, given: NewDocument | Mapping[str, Any]) -> PreparedDocument:
        """Check and cut one document; raises InvalidRecordError."""
        document = _as_document(given).checked()
        chunks = chunk_text(
            document.content, size=self._options.chunk_size, overlap=self._options.chunk_overlap, fmt=document.format
        )
        return PreparedDocument(document, chunks, self._stamps.next())

    async def write(self, group: Sequence[PreparedDocument], *, scope: Scope) -> None:
        """Embed and write documents; older versions of them go in the same step."""
        vectors = await self._embedder.documents([text for one in group for text in one.texts_to_embed()])
        await self._collection.upsert(
            to_batch(group, vectors),
            replacing=of_documents([one.document.document_id for one in group]),
            scope=scope,
        )

    async def write_all(
        self, source: Source, *, scope: Scope, concurrency: int, collect_errors: bool, progress: Progress | None
    ) -> IngestReport:
        """Write every document of `source`, reading it no faster than it is written."""
        report = IngestReport()
        gate = asyncio.Semaphore(concurrency)

        async def work(group: list[PreparedDocument]) -> None:
            try:
                await self.write(group, scope=scope)
            finally:
                gate.release()
            report.documents += len(group)
            report.chunks += sum(len(one.chunks) for one in group)
            if progress is not None:
                progress(report)

        try:
            async with asyncio.TaskGroup() as tasks:
                async for group in self._groups(source, report, collect_errors=collect_errors):
                    await gate.acquire()
                    tasks.create_task(work(group))
        except BaseExceptionGroup as errors:
            raise first_of(errors) from errors
        return report

    async def _groups(
        self, source: Source, report: IngestReport, *, collect_errors: bool
    ) -> AsyncIterator[list[PreparedDocument]]:
        group: list[PreparedDocument] = []
        seen: set[str] = set()
        async for given in _each(source):
            try:
                prepared = self.prepare(given)
                if prepared.document.document_id in seen:
                    raise InvalidRecordError(f"document {prepared.document.document_id!r} occurs twice in one call")
            except InvalidRecordError as error:
                if not collect_errors:
                    raise
                report.failed[_id_of(given)] = error.message
                continue
            seen.add(prepared.document.document_id)
            group.append(prepared)
            if sum(len(one.chunks) for one in group) >= _GROUP_CHUNKS:
                yield group
                group = []
        if group:
            yield group


def _as_document(given: NewDocument | Mapping[str, Any]) -> NewDocument:
    if isinstance(given, NewDocument):
        return given
    if not isinstance(given, Mapping):
        raise InvalidRecordError(f"a document is a NewDocument or a mapping, not {type(given).__name__}")
    unknown = set(given) - set(NewDocument.__slots__)
    if unknown or "document_id" not in given or "content" not in given:
        problem = f"unknown keys {sorted(map(str, unknown))}" if unknown else "document_id and content are needed"
        raise InvalidRecordError(f"document {given.get('document_id')!r}: {problem}")
    return NewDocument(**given)


def _id_of(given: NewDocument | Mapping[str, Any]) -> str:
    if isinstance(given, NewDocument):
        return str(given.document_id)
    return str(given.get("document_id")) if isinstance(given, Mapping) else repr(given)[:80]


async def _each(source: Source) -> AsyncIterator[NewDocument | Mapping[str, Any]]:
    if isinstance(source, AsyncIterable):
        async for item in source:
            yield item
        return
    for item in source:
        yield item
