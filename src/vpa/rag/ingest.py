"""Documents in: cut, embed, write; in groups, a few at a time, each group one atomic write."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from vpa.base.arrays import FloatMatrix, FloatVector
from vpa.base.errors import EmbedderError, InvalidQueryError, InvalidRecordError, VectorDatabaseError
from vpa.base.ids import VersionStamps
from vpa.base.records import Record, RecordBatch
from vpa.base.scope import Scope
from vpa.base.showing import shown
from vpa.client.verbs import CollectionVerbs
from vpa.embeddings.batched import BatchedEmbedder
from vpa.filters import Filter
from vpa.kit.locks import KeyedLocks
from vpa.kit.pace import Pace
from vpa.kit.steps import rest
from vpa.kit.tasks import first_of
from vpa.kit.threads import Workers
from vpa.observe.log import get_logger
from vpa.rag.chunking.cutting import cut
from vpa.rag.chunking.window import Window, fit
from vpa.rag.chunks import PreparedDocument, embedded_text, of_documents, to_batch
from vpa.rag.documents import FileDocument, IngestReport, NewDocument
from vpa.rag.options import RagOptions
from vpa.rag.reading import read_vectors
from vpa.rag.tokens.source import Tokens

Source: TypeAlias = "Iterable[NewDocument | Mapping[str, Any]] | AsyncIterable[NewDocument | Mapping[str, Any]]"
Progress: TypeAlias = Callable[[IngestReport], None]
IsDeleted: TypeAlias = Callable[[str], bool]
# Chunks embedded and written together: enough for a model's batch, few to repeat after a failure; more where that is
# done in less time.
_LEAST_CHUNKS, _MOST_CHUNKS, _GROUP_S = 64, 256, 0.25
# Documents that are cut in about two milliseconds.
_RESTS_EVERY: Final = 8
_log = get_logger("vpa.rag")


def _never(_: str) -> bool:
    return False


class Ingestion:
    """Writes documents into one collection. Cutting and counting run in `workers`."""

    def __init__(
        self,
        collection: CollectionVerbs,
        embedder: BatchedEmbedder,
        *,
        options: RagOptions,
        stamps: VersionStamps,
        workers: Workers,
        turns: KeyedLocks,
        tokens: Tokens,
    ) -> None:
        """`turns`: a lock for each scope and document id, so that one document is written by one task at a time.
        `tokens` keeps the token vectors of what is embedded.
        """
        self._collection = collection
        self._embedder = embedder
        self._options = options
        self._stamps = stamps
        self._workers = workers
        self._turns = turns
        self._tokens = tokens

    async def prepare(self, document: NewDocument | Mapping[str, Any]) -> PreparedDocument:
        """Check and cut one document; raises InvalidRecordError, EmbedderError."""
        await self._embedder.open()
        limit = self._embedder.max_tokens
        window = None if limit is None else Window(limit, self._embedder.count_tokens)
        prepared = await self._workers.run(self._cut, document, window)
        if prepared.recut or prepared.title_was_cut:
            _log.info(
                "cut again to fit the model's window",
                document_id=prepared.document.document_id,
                chunks=prepared.recut,
                title=prepared.title_was_cut,
                tokens=limit,
            )
        return prepared

    async def prepare_all(self, documents: Sequence[NewDocument]) -> list[PreparedDocument | InvalidRecordError]:
        """As `prepare`, many at once; what is wrong with a document stands in its place. Raises EmbedderError."""
        await self._embedder.open()
        limit = self._embedder.max_tokens
        window = None if limit is None else Window(limit, self._embedder.count_tokens)
        return await self._workers.run(self._cut_all, documents, window)

    def _cut_all(
        self, documents: Sequence[NewDocument], window: Window | None
    ) -> list[PreparedDocument | InvalidRecordError]:
        result: list[PreparedDocument | InvalidRecordError] = []
        for number, document in enumerate(documents, 1):
            try:
                result.append(self._cut(document, window))
            except InvalidRecordError as error:
                result.append(error)
            except EmbedderError:
                raise
            except Exception as error:  # noqa: BLE001 - one odd text must not cost the others
                result.append(InvalidRecordError(f"cannot be cut: {type(error).__name__}: {str(error)[:200]}"))
            if number % _RESTS_EVERY == 0:
                rest()
        return result

    def _cut(self, document: NewDocument | Mapping[str, Any], window: Window | None) -> PreparedDocument:
        checked = _as_document(document).checked()
        size, overlap = self._options.chunk_size, self._options.chunk_overlap
        chunks = cut(checked.content, checked.spans, size=size, overlap=overlap, fmt=checked.format)
        fitted = fit(chunks, title=checked.title, window=window, overlap=overlap, fmt=checked.format)
        return PreparedDocument(
            checked, fitted.chunks, self._stamps.next(), fitted.prefix, fitted.recut, fitted.title_was_cut
        )

    async def write(
        self, group: Sequence[PreparedDocument], *, scope: Scope, is_deleted: IsDeleted = _never
    ) -> IngestReport:
        """Embed what is new and write documents, in their turn; older versions of them go in the same step.

        Ids of files that are deleted, as `is_deleted(name)` says, are free. Raises InvalidRecordError for those of
        others.
        """
        async with self._turns.held((scope, one.document.document_id) for one in group):
            return await self.write_in_turn(group, scope=scope, is_deleted=is_deleted)

    async def foresee(
        self, group: Sequence[PreparedDocument], *, scope: Scope, is_deleted: IsDeleted = _never
    ) -> tuple[IngestReport, int]:
        """What `write` would report, and how many characters it would embed, as far as the cache lacks them."""
        texts = [text for one in group for text in one.texts_to_embed()]
        known = await self._known_vectors(group, _replaced(group), scope=scope)
        _check_owners(group, known.owners, is_deleted)
        new = [text for text in texts if text not in known.vectors]
        report = IngestReport(documents=len(group), chunks=len(texts), reused=len(texts) - len(new))
        return report, sum(map(len, new))

    async def write_in_turn(
        self, group: Sequence[PreparedDocument], *, scope: Scope, is_deleted: IsDeleted = _never
    ) -> IngestReport:
        """As `write`, for a caller that holds the locks of the documents."""
        texts = [text for one in group for text in one.texts_to_embed()]
        filter = _replaced(group)
        known = await self._known_vectors(group, filter, scope=scope)
        _check_owners(group, known.owners, is_deleted)
        sink = await self._tokens.sink(group)
        # What was embedded before its token vectors were kept is embedded again.
        for text in () if sink is None else sink.lacking & known.vectors.keys():
            del known.vectors[text]
        new = [text for text in texts if text not in known.vectors]
        made = await self._embedder.embed_documents(new, tokens=sink)
        batch = await self._workers.run(_batch, group, texts, known.vectors, made.vectors)
        await self._collection.upsert(batch, replacing=filter, scope=scope)
        return IngestReport(
            documents=len(group),
            chunks=len(texts),
            reused=len(texts) - len(new),
            cached=made.cached,
            recut=sum(one.recut for one in group),
            shortened_titles=sum(one.title_was_cut for one in group),
        )

    async def _known_vectors(self, group: Sequence[PreparedDocument], filter: Filter, *, scope: Scope) -> _Known:
        """Vectors of the stored versions by what they were embedded from: what did not change is not paid again."""
        titles = {one.document.document_id: (one.document.title, one.prefix) for one in group}
        titles |= {_old_id(one.document): (one.document.title, one.prefix) for one in group if _old_id(one.document)}
        owners: dict[str, str] = {}

        def text_of(record: Record) -> str | None:
            document_id = str(record.system["document_id"])
            owners[document_id] = str(record.system.get("file") or "")
            title, prefix = titles[document_id]
            return embedded_text(record, prefix) if record.system["title"] == title else None

        vectors = await read_vectors(
            self._collection, filter, embedded_text=text_of, scope=scope, workers=self._workers
        )
        return _Known(vectors, owners)

    async def write_all(
        self, source: Source, *, scope: Scope, concurrency: int, collect_errors: bool, progress: Progress | None
    ) -> IngestReport:
        """Write every document of `source`, reading it no faster than it is written."""
        if not isinstance(concurrency, int) or concurrency < 1:
            raise InvalidQueryError(f"concurrency is a whole number from 1 up, not {shown(concurrency)}")
        report, pace = IngestReport(), write_pace()
        gate = asyncio.Semaphore(concurrency)

        async def work(group: list[PreparedDocument]) -> None:
            started = time.perf_counter()
            try:
                await self._write_group(group, report, scope=scope, collect_errors=collect_errors)
            finally:
                gate.release()
            pace.took(sum(len(one.chunks) for one in group), time.perf_counter() - started)
            if progress is not None:
                progress(report)

        try:
            async with asyncio.TaskGroup() as tasks:
                async for group in self._groups(source, report, pace, collect_errors=collect_errors):
                    await gate.acquire()
                    tasks.create_task(work(group))
        except BaseExceptionGroup as errors:
            raise _saying_what_is_stored(first_of(errors), report) from errors
        return report

    async def _write_group(
        self, group: list[PreparedDocument], report: IngestReport, *, scope: Scope, collect_errors: bool
    ) -> None:
        """One group; with `collect_errors` documents that cannot be embedded or written are noted, each by itself."""
        try:
            _add(report, await self.write(group, scope=scope))
        except (EmbedderError, InvalidRecordError) as error:
            if not collect_errors:
                raise
            if len(group) == 1 or error.retryable:
                # Where the model is away, asking it for each document alone would only take longer.
                report.failed |= {one.document.document_id: error.message for one in group}
                return
            for one in group:
                await self._write_group([one], report, scope=scope, collect_errors=True)

    async def _groups(
        self, source: Source, report: IngestReport, pace: Pace, *, collect_errors: bool
    ) -> AsyncIterator[list[PreparedDocument]]:
        group: list[PreparedDocument] = []
        seen: dict[str, int] = {}
        number = 0
        async for document in _each(source):
            number += 1
            try:
                prepared = await self.prepare(document)
                _check_new(prepared.document.document_id, seen, number)
            except InvalidRecordError as error:
                if not collect_errors:
                    raise
                report.failed[_id_of(document)] = error.message
                continue
            group.append(prepared)
            if sum(len(one.chunks) for one in group) >= pace.size:
                yield group
                group = []
        if group:
            yield group


def write_pace() -> Pace:
    """How many chunks are written together."""
    return Pace(least=_LEAST_CHUNKS, most=_MOST_CHUNKS, step_s=_GROUP_S)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is stored of the documents of a group: vectors by text, and by document the file that it is from."""

    vectors: dict[str, FloatVector]
    owners: Mapping[str, str]


def _old_id(document: NewDocument) -> str:
    return document.old_id if isinstance(document, FileDocument) else ""


def _replaced(group: Sequence[PreparedDocument]) -> Filter:
    """What a group takes the place of: its documents as they were, also under the ids that they had before."""
    ids = [one.document.document_id for one in group]
    return of_documents([*ids, *(old for one in group if (old := _old_id(one.document)))])


class IdTakenError(InvalidRecordError):
    """An id is that of a document from another file, or that a program added."""


def _check_owners(group: Sequence[PreparedDocument], owners: Mapping[str, str], is_deleted: IsDeleted) -> None:
    """A file replaces its own documents only. Raises InvalidRecordError."""
    for prepared in group:
        document = prepared.document
        owner = owners.get(document.document_id)
        if not isinstance(document, FileDocument) or not document.reading or owner is None:
            continue
        if owner != document.file and (not owner or (owner != document.old_file and not is_deleted(owner))):
            other = f"from {owner}" if owner else "that a program added"
            raise IdTakenError(f"id {document.document_id!r} is that of a document {other}, which was kept")


def _batch(
    group: Sequence[PreparedDocument], texts: Sequence[str], known: Mapping[str, FloatVector], made: FloatMatrix
) -> RecordBatch:
    """The records of a group: vectors that were stored, and `made` for the other texts, in order."""
    vectors = np.empty((len(texts), made.shape[1]), dtype=np.float32)
    rows = iter(made)
    for position, text in enumerate(texts):
        stored = known.get(text)
        vectors[position] = next(rows) if stored is None else stored
    return to_batch(group, vectors)


def _check_new(document_id: str, seen: dict[str, int], number: int) -> None:
    first = seen.setdefault(document_id, number)
    if first != number:
        raise InvalidRecordError(
            f"document {document_id!r} occurs twice in one call, as number {first} and as number {number}; "
            f"number {first} is the one to be kept"
        )


def _add(report: IngestReport, done: IngestReport) -> None:
    for name in ("documents", "chunks", "reused", "cached", "recut", "shortened_titles"):
        setattr(report, name, getattr(report, name) + getattr(done, name))


def _saying_what_is_stored(error: BaseException, report: IngestReport) -> BaseException:
    if isinstance(error, VectorDatabaseError):
        error.message = (
            f"{error.message}; before that {report.documents} documents ({report.chunks} chunks) of this call were "
            "stored: a second call does not embed them again"
        )
    return error


def _as_document(document: NewDocument | Mapping[str, Any]) -> NewDocument:
    if isinstance(document, NewDocument):
        return document
    if not isinstance(document, Mapping):
        raise InvalidRecordError(f"a document is a NewDocument or a mapping, not {type(document).__name__}")
    unknown = set(document) - set(NewDocument.__slots__)
    if unknown or "document_id" not in document or "content" not in document:
        problem = f"unknown keys {sorted(map(str, unknown))}" if unknown else "something is missing"
        problem += "; a document has document_id and content, and may have title, metadata and format"
        raise InvalidRecordError(f"document {document.get('document_id')!r}: {problem}")
    return NewDocument(**document)


def _id_of(document: NewDocument | Mapping[str, Any]) -> str:
    if isinstance(document, NewDocument):
        return str(document.document_id)
    return str(document.get("document_id")) if isinstance(document, Mapping) else repr(document)[:80]


async def _each(source: Source) -> AsyncIterator[NewDocument | Mapping[str, Any]]:
    if isinstance(source, AsyncIterable):
        async for item in source:
            yield item
        return
    for item in source:
        yield item
