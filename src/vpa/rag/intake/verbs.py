"""The verbs of a RAG system that take files, `ingest` and `watch`, and `forget`, which removes what came from them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import Any, Final

from vpa.base.arguments import explains
from vpa.base.errors import ConfigurationError, StorageLockedError, VectorDatabaseError
from vpa.base.metadata import Metadata, canonical_metadata
from vpa.base.scope import Scope, check_scope
from vpa.base.showing import shown
from vpa.filters import FilterLike
from vpa.ingest.contract import Limits
from vpa.ingest.finding import Search
from vpa.ingest.pool import ReaderPool
from vpa.kit.cpus import available_cpus
from vpa.observe.log import get_logger
from vpa.rag.intake.estimate import estimated
from vpa.rag.intake.flow import Flow
from vpa.rag.intake.forgetting import Forgetting, selected
from vpa.rag.intake.ledger import Ledger
from vpa.rag.intake.lock import Hold, alone
from vpa.rag.intake.removing import note_left_out, remove_gone
from vpa.rag.intake.report import FilesProgress, FilesReport, ForgetReport, IngestRequest
from vpa.rag.intake.tracking import FACTS
from vpa.rag.intake.watching import changes
from vpa.rag.lifecycle import RunningSystem

_SCOPE: Final = Scope()
_AGAIN_S: Final = 5.0
_log = get_logger("vpa.rag")
PathLike = str | os.PathLike[str]


@explains
class FileVerbs(RunningSystem):
    """What a RAG system does with files. `own_files`: of the program, which are never read, such as its report."""

    own_files: Sequence[PathLike] = ()

    async def ingest(
        self,
        *paths: PathLike,
        sync: bool = False,
        retry: bool = False,
        again: bool = False,
        metadata: Mapping[str, Any] | None = None,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        hidden: bool = False,
        links: bool = False,
        ignore_files: bool = True,
        dry_run: bool = False,
        progress: FilesProgress | None = None,
        collection: str | None = None,
        scope: Scope = _SCOPE,
    ) -> FilesReport:
        """Add the documents in files and folders; run again, only what is new or changed is read.

        A bad file never stops the others: it stands in the report's `failed`, with what to do. `sync` also removes the
        documents of files under `paths` that are gone, and of no others; `retry` reads only what failed before, and
        what could be read in part only; `again` reads everything, as after a change of chunk size or OCR languages.
        `metadata` is added to that of each document that is read, before what the file says of itself.
        `include` and `exclude` are patterns as in `.gitignore`; `.gitignore` and `.vpaignore` are obeyed unless
        `ignore_files` is False; `hidden` takes files whose names begin with a dot, `links` follows links that lead out
        of the folder. `dry_run` reads and cuts, and writes nothing. `progress(report)` is called after each write.
        Files are read in processes of their own, under the limits of the VPA_INGEST_* settings.
        Raises StorageLockedError while another ingest writes into this collection and scope, EmbedderError, and what
        writing raises; what was done before stays, and the next call goes on from there.
        """
        if retry and again:
            raise ConfigurationError("retry takes only what failed before, and again everything: choose one")
        request = IngestRequest(
            paths=_checked(paths),
            search=self._search(include, exclude, hidden=hidden, links=links, ignore_files=ignore_files),
            remove_gone=sync,
            only_failed=retry,
            again=again,
            metadata=_extra(metadata),
            dry_run=dry_run,
            progress=progress,
        )
        return await self._ingested(request, collection=collection, scope=scope)

    async def watch(
        self,
        *paths: PathLike,
        sync: bool = False,
        metadata: Mapping[str, Any] | None = None,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        hidden: bool = False,
        links: bool = False,
        ignore_files: bool = True,
        collection: str | None = None,
        scope: Scope = _SCOPE,
    ) -> AsyncIterator[FilesReport]:
        """Ingest, and go on: a report for the first run, and one after each change that made a difference.

        Changes are waited for until they pause. Options and errors are those of `ingest`; end it by leaving the loop.
        """
        request = IngestRequest(
            paths=_checked(paths),
            search=self._search(include, exclude, hidden=hidden, links=links, ignore_files=ignore_files),
            remove_gone=sync,
            metadata=_extra(metadata),
        )
        stop = asyncio.Event()
        watching = changes(request.paths, request.search, stop)
        # Watched from before the first run on, so that nothing that changes during it is missed.
        waiting = asyncio.ensure_future(anext(watching, None))
        try:
            yield await self._ingested(request, collection=collection, scope=scope)
            while await waiting is not None:
                waiting = asyncio.ensure_future(anext(watching, None))
                report = await self._once_possible(request, collection=collection, scope=scope)
                failed = any(not remark.is_known for remark in report.failed)
                if report.documents or report.removed or report.moved or failed:
                    yield report
        finally:
            stop.set()
            waiting.cancel()
            with suppress(asyncio.CancelledError):
                await waiting
            await watching.aclose()

    async def estimate(self, report: FilesReport) -> dict[str, Any]:
        """What it would cost to embed what a dry run found: tokens (a quarter of the characters), seconds
        by the speed of a sample where the model costs nothing, and the price where VPA_EMBEDDING_PRICE is set.
        """
        return await estimated(self._embedder, report, price_per_million=self.intake.price_per_million)

    async def forget(
        self,
        *,
        source: str | None = None,
        metadata: FilterLike = None,
        user_id: str | None = None,
        dry_run: bool = False,
        collection: str | None = None,
        scope: Scope = _SCOPE,
    ) -> ForgetReport:
        """Remove a source, or everything about a person, and say what was removed; it cannot be taken back.

        `source`: a file's name (`summary.file`, or `metadata["source"]`), or a folder's: everything below it. In an
        archive the name goes on with the way inside it; the path of an ingested file or folder will do too. `metadata`:
        a filter; documents of which any chunk matches go
        whole. With both, documents go that match both. `user_id`: the search history of that user; the filter
        `{"user_id": …}` takes that history along.
        Removed are the records of all versions, and with them the keyword index, remembered answers, cached embeddings
        and token vectors of their texts, and the ledger's entries of files of which no document is left. A file that
        still exists comes back with the next `ingest`: delete it, or name it in `.vpaignore`. The embedded store's
        files are rewritten before this returns; of others, and of copies, docs/ingest.md says what remains.
        `dry_run` only counts. Raises InvalidQueryError where none of the three is named, InvalidFilterError for a
        filter that matches everything, and StorageLockedError while an ingest writes into this collection and scope;
        after an error the same call removes what is left.
        """
        selection = selected(source=source, metadata=metadata, user_id=user_id)
        report = ForgetReport(is_dry_run=dry_run)
        place = self._open() if selection.node is None else await self._of(collection)
        if selection.node is not None:
            forgetting = Forgetting(
                collection=place,
                scope=scope,
                embedder=self._embedder,
                tokens=self._tokens,
                identity=await self._embedder.open(),
                workers=self._workers,
                turns=self._turns,
                clock=self._clock,
                store=self.manager.config,
                dry_run=dry_run,
            )
            report = await forgetting.run(selection)
        if not dry_run:
            self._counters.documents_deleted += report.documents
        return self._forget_searches(report, selection.users, collection=place.name)

    def _forget_searches(self, report: ForgetReport, users: frozenset[str], *, collection: str) -> ForgetReport:
        """Histories of users; remembered answers: of the collection, and where users go all, as each has a question."""
        answers = [
            key for key in self._cache if users or (key[0] == collection and (report.documents or report.records))
        ]
        if report.is_dry_run:
            searches, answers_gone = sum(map(self._history.count, users)), len(answers)
        else:
            searches, answers_gone = sum(map(self._history.discard, users)), self._cache.discard(answers)
            if users:
                self._embedder.discard_questions()
        return replace(report, searches=searches, cached_answers=answers_gone)

    def _search(
        self, include: Sequence[str], exclude: Sequence[str], *, hidden: bool, links: bool, ignore_files: bool
    ) -> Search:
        """Where this system keeps its own data is never read, and never watched."""
        path = self.manager.config.path
        own = tuple(map(os.path.realpath, (*self.own_files, *(() if path is None else (path,)))))
        return Search(
            include=_patterns(include),
            exclude=_patterns(exclude),
            hidden=hidden,
            links=links,
            ignore_files=ignore_files,
            own=own,
        )

    async def _once_possible(self, request: IngestRequest, *, collection: str | None, scope: Scope) -> FilesReport:
        """As `_ingested`; what may pass, as another ingest or a model that is away, is waited for."""
        while True:
            try:
                return await self._ingested(request, collection=collection, scope=scope)
            except VectorDatabaseError as error:
                if not error.retryable and not isinstance(error, StorageLockedError):
                    raise
                _log.warning("files changed and could not be ingested yet", reason=error.message, again_s=_AGAIN_S)
                await asyncio.sleep(_AGAIN_S)

    async def _ingested(self, request: IngestRequest, *, collection: str | None, scope: Scope) -> FilesReport:
        check_scope(scope)
        place = await self._of(collection, make=not request.dry_run)
        ledger = Ledger(place, scope)
        started = self._clock.monotonic()
        async with nullcontext(Hold()) if request.dry_run else alone(ledger, self._clock) as hold:
            await ledger.load()
            report = await self._run(request, ledger, hold, collection=collection, scope=scope)
        report.seconds = self._clock.monotonic() - started
        self._counters.documents_added += report.documents
        return report

    async def _run(
        self, request: IngestRequest, ledger: Ledger, hold: Hold, *, collection: str | None, scope: Scope
    ) -> FilesReport:
        options = self.intake
        readers = options.processes or available_cpus()
        limits = Limits(
            seconds=options.seconds,
            memory_bytes=options.memory_bytes,
            file_bytes=options.file_bytes,
            text_bytes=options.text_bytes,
            unpacked_bytes=options.unpacked_bytes,
            members=options.members,
            depth=options.depth,
        )
        async with ReaderPool(limits, size=readers, ocr_languages=options.ocr_languages) as pool:
            flow = Flow(
                ledger.collection,
                await self._ingestion(collection),
                pool,
                ledger=ledger,
                lost=await ledger.lost(),
                hold=hold,
                request=request,
                scope=scope,
                readers=readers,
            )
            report = await flow.run()
        if not request.only_failed:
            note_left_out(ledger, request.paths, seen=flow.seen, report=report)
        if request.remove_gone:
            hold.check()
            report.removed = await remove_gone(
                ledger, request.paths, scope=scope, report=report, dry_run=request.dry_run
            )
        return report


def _patterns(patterns: Sequence[str]) -> Sequence[str]:
    """Patterns; a text alone is one."""
    return (patterns,) if isinstance(patterns, str) else patterns


def _extra(metadata: Mapping[str, Any] | None) -> Metadata:
    """What a caller adds to each document; raises ConfigurationError, InvalidRecordError."""
    extra = canonical_metadata(metadata or {})
    if taken := extra.keys() & FACTS:
        raise ConfigurationError(f"metadata of ingest names {', '.join(sorted(taken))}, which each file says itself")
    return extra


def _checked(paths: Sequence[PathLike]) -> list[str]:
    """Paths as text; raises ConfigurationError for what is none."""
    if not paths:
        raise ConfigurationError("ingest needs a file or a folder: await rag.ingest('docs/')")
    result = []
    for path in paths:
        if isinstance(path, list | tuple | set):
            raise ConfigurationError("ingest takes the paths one by one: rag.ingest(*paths)")
        if not isinstance(path, str | os.PathLike) or not os.fspath(path):
            raise ConfigurationError(f"a path is text or a Path, not {shown(path)}")
        result.append(os.fspath(path))
    return result
