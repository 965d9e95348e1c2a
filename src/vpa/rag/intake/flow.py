"""Files to documents: found, compared with the ledger, read, cut, embedded and written side by side.

Between the steps stand bounded queues, so that memory does not grow with the folder. Cancelling it ends after what is
being written; the ledger is saved, and the next run goes on from there.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, TypeAlias

from vpa.base.errors import EmbedderError, InvalidRecordError
from vpa.base.scope import Scope
from vpa.client.collection import Collection
from vpa.filters import F, Filter
from vpa.ingest.contract import EmptyFileError, SourceNote, SourceProblem
from vpa.ingest.finding import FoundFile, find_files
from vpa.ingest.frames import Frame
from vpa.ingest.pool import ReaderPool
from vpa.ingest.quality.tally import QualityTally
from vpa.kit.tasks import first_of
from vpa.kit.weighed import WeighedQueue
from vpa.rag.chunks import PreparedDocument, first_chunks, of_files
from vpa.rag.documents import FileDocument, IngestReport
from vpa.rag.ingest import IdTakenError, Ingestion, write_pace
from vpa.rag.intake.deciding import Deciding
from vpa.rag.intake.ledger import Ledger
from vpa.rag.intake.lock import Hold
from vpa.rag.intake.naming import Names
from vpa.rag.intake.report import FileRemark, FilesReport, IngestRequest
from vpa.rag.intake.tracking import WHERE, OpenFile

Found: TypeAlias = FoundFile | SourceProblem | SourceNote
_FOUND_AT_ONCE: Final = 256
# Files that a process is asked for at once: so few, and so small, that others do not wait long.
_FILES_AT_ONCE: Final = 16
_BYTES_AT_ONCE: Final = 1 << 20
# Characters of documents that were read and not yet cut.
_WAITING: Final = 8 << 20
_SPAN: Final = 100  # What a span weighs while its document is cut.
_CUT_AT_ONCE: Final = 64
_WRITES: Final = 2
_EMPTY: Final = str(EmptyFileError())
# What was read is written after that time, even if it is little.
_WAITED_S: Final = 2.0
# The ledger is saved when so many files changed, or a quarter of it: what a crash keeps it from is read again.
_SAVED_EVERY: Final = 2000


@dataclass(frozen=True, slots=True)
class _Read:
    """A document that was read and its origin (`name` or `name:line`), or None for the end of its file."""

    file: OpenFile
    document: FileDocument | None
    origin: str = ""


class Flow:
    """One run. `report` says how far it is."""

    def __init__(
        self,
        collection: Collection,
        ingestion: Ingestion,
        pool: ReaderPool,
        *,
        ledger: Ledger,
        lost: set[str],
        hold: Hold,
        request: IngestRequest,
        scope: Scope,
        readers: int,
    ) -> None:
        self._collection = collection
        self._ingestion = ingestion
        self._pool = pool
        self._ledger = ledger
        self._hold = hold
        self._request = request
        self._scope = scope
        self._readers = readers
        self._names = Names(ledger)
        self._deciding = Deciding(ledger, only_failed=request.only_failed, again=request.again, lost=lost)
        self._ids: dict[str, str] = {}
        # Hashes of the names of all files that were met, in a few bytes each.
        self.seen: set[int] = set()
        self.report = FilesReport(is_dry_run=request.dry_run)
        self._tally = QualityTally()
        self._pace = write_pace()
        # Its own, as a program may make the numbers of the module repeat.
        self._random = random.Random()
        self._saving = asyncio.Lock()

    async def run(self) -> FilesReport:
        """Everything that is to be read. What was done is in the ledger whatever ends it."""
        batches: asyncio.Queue[list[OpenFile] | None] = asyncio.Queue(2 * self._readers)
        documents: WeighedQueue[_Read] = WeighedQueue(_WAITING)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._find(batches))
                reading = [tasks.create_task(self._read(batches, documents)) for _ in range(self._readers)]
                tasks.create_task(self._write(documents))
                await asyncio.gather(*reading)
                await documents.end()
        except BaseExceptionGroup as errors:
            raise first_of(errors) from errors
        finally:
            self.report.quality = self._tally.to_json()
            await asyncio.shield(self._save(at_least=0))
        return self.report

    # Finding

    async def _find(self, batches: asyncio.Queue[list[OpenFile] | None]) -> None:
        batch: list[OpenFile] = []
        async for item in self._items():
            if not isinstance(item, FoundFile):
                self._remark(item)
                continue
            opened = self._opened(item)
            if opened is None:
                continue
            batch.append(opened)
            if len(batch) >= _FILES_AT_ONCE or sum(one.file.size for one in batch) >= _BYTES_AT_ONCE:
                await batches.put(batch)
                batch = []
        if batch:
            await batches.put(batch)
        for _ in range(self._readers):
            await batches.put(None)

    async def _items(self) -> AsyncIterator[Found]:
        files = find_files(self._request.paths, self._request.search)
        while page := await asyncio.to_thread(_page, files):
            for item in page:
                yield item

    def _opened(self, file: FoundFile) -> OpenFile | None:
        """A file to read; None for one that is left as it is."""
        name = self._names.of(file)
        decision = self._deciding.about(file, name)
        if decision == "pass":
            return None
        self.seen.add(hash(name))
        report, known = self.report, self._ledger.entries.get(name)
        report.files += 1
        if decision == "read":
            return OpenFile(file, name, known, self._deciding.is_current(known), f"{self._random.getrandbits(32):08x}")
        reason = "" if known is None else known.reason
        if decision == "unchanged":
            report.unchanged += 1
        where, _, message = reason.rpartition(WHERE)
        again = FileRemark(f"{name}{where}", f"{message} (as before; --retry tries it again)", is_known=True)
        if decision == "failed":
            report.failed.append(again)
        elif decision == "skipped":
            report.skipped.append(FileRemark(name, reason))
        elif reason:
            report.notes.append(again)
        return None

    def _remark(self, item: SourceProblem | SourceNote) -> None:
        remarks = self.report.failed if isinstance(item, SourceProblem) else self.report.notes
        remarks.append(FileRemark(item.origin, item.message))

    # Reading

    async def _read(self, batches: asyncio.Queue[list[OpenFile] | None], documents: WeighedQueue[_Read]) -> None:
        while (batch := await batches.get()) is not None:
            async for number, frame in self._pool.read([one.job for one in batch]):
                await self._take(batch[number], frame, documents)

    async def _take(self, file: OpenFile, frame: Frame, documents: WeighedQueue[_Read]) -> None:
        """One answer of a reading process."""
        match frame["kind"]:
            case "begin":
                file.digest = str(frame["hash"])
                if file.known is None:
                    file.moved = self._deciding.moved_from(file.file.size, file.digest)
            case "document":
                await self._take_document(file, frame, documents)
            case "problem":
                self._fail(file, str(frame["origin"]), str(frame["message"]))
            case "note" if file.file.is_named and (frame["origin"], frame["message"]) == (file.name, _EMPTY):
                self._fail(file, str(frame["origin"]), str(frame["message"]))
            case "note":
                if frame.get("is_mendable") is True:
                    file.mendable = f"{str(frame['origin']).removeprefix(file.name)}{WHERE}{frame['message']}"
                self.report.notes.append(FileRemark(str(frame["origin"]), str(frame["message"])))
            case "skipped" if file.file.is_named and frame["origin"] == file.name:
                # Whoever names a file means it.
                self._fail(file, str(frame["origin"]), str(frame["message"]))
            case "skipped" if frame["origin"] == file.name:
                file.skipped = str(frame["message"])
                self.report.skipped.append(FileRemark(str(frame["origin"]), file.skipped))
            case "skipped":
                self.report.skipped.append(FileRemark(str(frame["origin"]), str(frame["message"])))
            case "end":
                file.parser = str(frame["parser"])
                file.is_known = bool(frame["is_known"])
                await documents.put(_Read(file, None), weight=1)

    async def _take_document(self, file: OpenFile, frame: Frame, documents: WeighedQueue[_Read]) -> None:
        try:
            document = file.document(frame, self._tally, self._request.metadata)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            self._fail(file, file.name, f"cannot be read: its parser answered nonsense ({error})")
            return
        origin = str(frame["origin"] or file.name)
        if first := self._first_with(document.document_id, frame, file):
            reason = f"id {document.document_id!r} is that of {first}, which was kept"
            if _without_line(first) == _without_line(origin):
                self._fail(file, origin, f"{reason}: give it another id, or none")
                return
            document = self._with_own_id(file, document, origin, reason)
        file.waiting += 1
        await documents.put(_Read(file, document, origin), weight=len(document.content) + _SPAN * len(document.spans))

    def _first_with(self, document_id: str, frame: Frame, file: OpenFile) -> str:
        """Where a document's id was met before: one of its own in this run, another in this file; else empty."""
        origin = str(frame["origin"] or file.name)
        if not frame["document_id"]:
            is_new = document_id not in file.ids
            file.ids.add(document_id)
            return "" if is_new else file.name
        first = self._ids.setdefault(document_id, origin)
        return "" if first == origin else first

    def _with_own_id(self, file: OpenFile, document: FileDocument, origin: str, reason: str) -> FileDocument:
        """The document under an id with the name of its file in it: exports of two tables both count from 1."""
        own_id = file.own_id(document)
        self.report.notes.append(FileRemark(origin, f"{reason}; this one is {own_id!r}"))
        return replace(document, document_id=own_id, old_id="")

    def _fail(self, file: OpenFile, origin: str, message: str) -> None:
        # Of what is in the file, the ledger notes where it is.
        file.problems.append(f"{origin.removeprefix(file.name)}{WHERE}{message}")
        self.report.failed.append(FileRemark(origin, message))

    # Writing

    async def _write(self, documents: WeighedQueue[_Read]) -> None:
        gate = asyncio.Semaphore(_WRITES)
        group: list[tuple[_Read, PreparedDocument]] = []

        async def work(ready: list[tuple[_Read, PreparedDocument]]) -> None:
            try:
                await self._write_group(ready)
            finally:
                gate.release()

        async with asyncio.TaskGroup() as tasks:
            while not documents.is_over or group:
                items = await documents.get(most=_CUT_AT_ONCE, wait_s=_WAITED_S)
                group += await self._cut([item for item in items if item.document is not None])
                for item in items:
                    if item.document is None:
                        item.file.has_ended = True
                        await self._finish(item.file)
                is_last = documents.is_over or not items
                while group and (is_last or sum(len(one.chunks) for _, one in group) >= self._pace.size):
                    ready, group = _first_chunks(group, self._pace.size)
                    await gate.acquire()
                    tasks.create_task(work(ready))

    async def _cut(self, items: Sequence[_Read]) -> list[tuple[_Read, PreparedDocument]]:
        prepared = await self._ingestion.prepare_all([item.document for item in items if item.document is not None])
        result: list[tuple[_Read, PreparedDocument]] = []
        for item, outcome in zip(items, prepared, strict=True):
            if isinstance(outcome, PreparedDocument):
                result.append((item, outcome))
            else:
                await self._left_out(item, outcome.message)
        return result

    async def _left_out(self, item: _Read, message: str) -> None:
        self._fail(item.file, item.origin, message)
        item.file.waiting -= 1
        await self._finish(item.file)

    async def _write_group(self, group: Sequence[tuple[_Read, PreparedDocument]]) -> None:
        """One atomic write; where it is refused, document by document. Raises what is wrong with more than those."""
        try:
            done = await self._written([prepared for _, prepared in group])
        except (EmbedderError, InvalidRecordError) as error:
            if error.retryable:
                raise
            if len(group) == 1 and isinstance(error, IdTakenError):
                await self._write_under_own_id(*group[0], error.message)
                return
            if len(group) == 1:
                await self._left_out(group[0][0], error.message)
                return
            for one in group:
                await self._write_group([one])
            return
        report = self.report
        for name in ("documents", "chunks", "reused", "cached", "recut", "shortened_titles"):
            setattr(report, name, getattr(report, name) + getattr(done, name))
        for item, prepared in group:
            item.file.documents += 1
            item.file.chunks += len(prepared.chunks)
            item.file.waiting -= 1
            await self._finish(item.file)
        if self._request.progress is not None:
            self._request.progress(report)

    async def _write_under_own_id(self, item: _Read, prepared: PreparedDocument, reason: str) -> None:
        document = prepared.document
        if not isinstance(document, FileDocument) or document.document_id == item.file.own_id(document):
            await self._left_out(item, reason)
            return
        document = self._with_own_id(item.file, document, item.origin, reason)
        await self._write_group([(item, replace(prepared, document=document))])

    async def _written(self, group: Sequence[PreparedDocument]) -> IngestReport:
        if self._request.dry_run:
            done, characters = await self._ingestion.foresee(group, scope=self._scope, is_deleted=self._is_deleted)
            self.report.characters += characters
            return done
        self._hold.check()
        started = time.perf_counter()
        done = await self._ingestion.write(group, scope=self._scope, is_deleted=self._is_deleted)
        self._pace.took(done.chunks, time.perf_counter() - started)
        return done

    def _is_deleted(self, name: str) -> bool:
        """Whether a file, of which documents are stored, is no more."""
        entry = self._ledger.entries.get(name)
        return entry is not None and self._deciding.sight.is_deleted(entry)

    async def _finish(self, file: OpenFile) -> None:
        """When the last document of a file is written: what it no longer holds goes, then the ledger learns of it."""
        if not file.is_done:
            return
        if file.is_known:
            self.report.unchanged += 1
        elif file.moved is not None and not file.problems:
            self.report.moved += 1
            await self._delete(of_files([file.moved.name]))
            self._ledger.remove(file.moved.name)
        documents = file.documents
        if file.known is not None and not file.is_known:
            await self._remove_left_over(file)
            if file.problems:
                stored = first_chunks() & of_files([file.name])
                documents = await self._collection.count(filter=stored, scope=self._scope)
        self._ledger.put(file.entry(documents))
        await self._save(at_least=max(_SAVED_EVERY, len(self._ledger.entries) // 4))

    async def _remove_left_over(self, file: OpenFile) -> None:
        """Documents that the file held before and does not hold now; not those that may be where it is broken."""
        broken = file.doubtful_places()
        if broken is not None:
            old = of_files([file.name]) & (F.system("reading") != file.reading)
            for name in broken:
                old &= ~((F("source") == name) | F("source").starts_with(f"{name}/"))
            await self._delete(old)

    async def _delete(self, documents: Filter) -> None:
        if not self._request.dry_run:
            await self._collection.delete(filter=documents, scope=self._scope)

    async def _save(self, *, at_least: int) -> None:
        async with self._saving:
            if self._ledger.changes > at_least and not self._request.dry_run and not self._hold.is_lost:
                await self._ledger.save()


def _without_line(origin: str) -> str:
    """The file of an origin, without the line or element that it stands on."""
    return re.sub(r"(?::\d+|\[\d+\])$", "", origin)


def _page(files: Iterator[Found]) -> list[Found]:
    return list(islice(files, _FOUND_AT_ONCE))


def _first_chunks(
    group: list[tuple[_Read, PreparedDocument]], enough: int
) -> tuple[list[tuple[_Read, PreparedDocument]], list[tuple[_Read, PreparedDocument]]]:
    """The documents that are written together, and the rest."""
    chunks = 0
    for number, (_, prepared) in enumerate(group, 1):
        chunks += len(prepared.chunks)
        if chunks >= enough:
            return group[:number], group[number:]
    return group, []
