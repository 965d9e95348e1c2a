"""`vpa ingest`: files in, with progress; a bad file is reported and does not stop the others."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from vpa.base.errors import ConfigurationError
from vpa.base.providers import VectorDatabaseProvider
from vpa.client.connect import connect
from vpa.client.manager import VectorDatabaseManager
from vpa.commands.common import counted, print_json, print_line, print_problem, print_table, reading, scope, settings
from vpa.commands.progress import shown_progress
from vpa.compose import create_enhanced_rag_system
from vpa.config.settings import DeploymentConfig
from vpa.ingest.finding import FoundFile, Search, find_files
from vpa.observe.printable import one_line
from vpa.rag.intake.report import FileRemark, FilesReport
from vpa.rag.system import EnhancedRAGSystem

_REMOVED: Final = 100
_SHOWN: Final = 8  # So many files of strange kinds are named.


def run(args: Namespace) -> int:
    """Exit status 1 if anything could not be read."""
    return asyncio.run(_run(args))


async def _run(args: Namespace) -> int:
    config = settings(args)
    if config.store.provider == VectorDatabaseProvider.MOCK and config.store.path is None:
        raise ConfigurationError(
            "embedded:// is in memory, and gone when this command ends; name a directory: --path ./data"
        )
    _check(args)
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(await _system(config, args, stack))
        # In a folder that is watched, a report that is read would bring the next report for ever.
        system.own_files = [args.report] if args.report else []
        if args.watch:
            return await _watch(system, args)
        problems = _Problems(is_quiet=args.json)
        report = await _ingest(system, args, problems)
        estimate = await system.estimate(report) if args.dry_run else {}
    _tell(report, args, estimate, problems)
    return 1 if report.failed else 0


def _check(args: Namespace) -> None:
    """Raises ConfigurationError for what would be known only at the end."""
    if args.watch and (args.dry_run or args.retry or args.again):
        raise ConfigurationError("--watch goes with none of --dry-run, --retry and --again")
    if args.report:
        report = Path(args.report)
        is_new = not report.exists()
        try:
            report.open("a").close()
            if is_new:
                report.unlink()
        except OSError as error:
            raise ConfigurationError(
                f"--report {args.report} cannot be written: {error.strerror or error}; its folder must exist"
            ) from None


async def _system(config: DeploymentConfig, args: Namespace, stack: AsyncExitStack) -> EnhancedRAGSystem:
    """The system that writes; for a dry run one that cannot, and where nothing is stored yet one in memory."""
    if not args.dry_run:
        return create_enhanced_rag_system(config)
    path = config.store.path
    if path is None or os.path.exists(path):
        manager = await stack.enter_async_context(VectorDatabaseManager(reading(config)))
        if config.vector_db_index_name in await manager.list_collections():
            return create_enhanced_rag_system(config, manager=manager)
    empty = await stack.enter_async_context(connect("embedded://", index_name=config.vector_db_index_name))
    return create_enhanced_rag_system(config, manager=empty)


def _options(args: Namespace) -> dict[str, Any]:
    return {
        "sync": args.sync,
        "include": args.include,
        "exclude": args.exclude,
        "hidden": args.hidden,
        "links": args.links,
        "ignore_files": not args.no_ignore,
        "scope": scope(args),
    }


class _Problems:
    """Names each problem once, as soon as it is known: a long run is not waited for to hear of the first."""

    def __init__(self, *, is_quiet: bool) -> None:
        self._is_quiet = is_quiet
        self._named = 0

    def name(self, report: FilesReport) -> None:
        """Those that are new in the report of this run."""
        new, self._named = report.failed[self._named :], len(report.failed)
        for problem in () if self._is_quiet else new:
            print_problem(one_line(str(problem)))


async def _ingest(system: EnhancedRAGSystem, args: Namespace, problems: _Problems) -> FilesReport:
    latest = FilesReport()
    with shown_progress("files", quiet=args.json and not sys.stderr.isatty()) as show:
        total = await asyncio.to_thread(_count, args, system.own_files)
        started = time.monotonic()

        def advance(report: FilesReport) -> None:
            nonlocal latest
            latest = report
            problems.name(report)
            rate = report.chunks / max(time.monotonic() - started, 1e-3)
            aside = f"{counted(report.chunks, 'chunk')} ({rate:,.0f}/s), {len(report.failed):,} failed"
            show("ingest", report.files, max(report.files, total), aside)

        try:
            report = await system.ingest(
                *args.paths,
                retry=args.retry,
                again=args.again,
                dry_run=args.dry_run,
                progress=advance,
                **_options(args),
            )
        except asyncio.CancelledError:
            # Also with --json: no report will tell of them.
            (_Problems(is_quiet=False) if args.json else problems).name(latest)
            is_one = latest.documents == 1
            sys.stderr.write(
                f"vpa: {counted(latest.documents, 'document')} ({counted(latest.chunks, 'chunk')}) "
                f"{'is' if is_one else 'are'} stored; the same command goes on from there and embeds nothing again\n"
            )
            raise
        advance(report)
    return report


def _count(args: Namespace, own: Sequence[str | os.PathLike[str]]) -> int:
    options = _options(args)
    names = ("include", "exclude", "hidden", "links", "ignore_files")
    search = Search(**{name: options[name] for name in names}, own=[os.path.realpath(path) for path in own])
    return sum(isinstance(item, FoundFile) for item in find_files(args.paths, search))


async def _watch(system: EnhancedRAGSystem, args: Namespace) -> int:
    """Until Ctrl-C; a report after each change."""
    print_problem("vpa: watching for changes; Ctrl-C ends it")
    async for report in system.watch(*args.paths, **_options(args)):
        _tell(report, args, {}, _Problems(is_quiet=args.json))
    return 0


def _tell(report: FilesReport, args: Namespace, estimate: dict[str, Any], problems: _Problems) -> None:
    facts = {**report.to_json(), **estimate}
    if args.report:
        Path(args.report).write_text(json.dumps(facts, ensure_ascii=False, indent=2, default=str) + "\n", "utf-8")
    if args.json:
        print_json(facts)
        return
    problems.name(report)
    for note in report.notes:
        print_problem(one_line(f"note: {note}"))
    verb = "would be removed" if report.is_dry_run else "removed"
    for name in report.removed_files[:_REMOVED]:
        print_line(one_line(f"{verb}: {name}"))
    if len(report.removed_files) > _REMOVED:
        print_line(f"{verb}: {report.removed - _REMOVED} more")
    print_line(_sentence(report, estimate))
    if report.skipped:
        files, kinds = counted(len(report.skipped), "file"), "kind" if len(report.skipped) == 1 else "kinds"
        print_line(f"{files} passed over, whose {kinds} no reader knows: {_some(report.skipped)}")
    if report.reused:
        print_line(f"chunks that were stored already and not embedded again: {report.reused:,}")
    if report.cached:
        print_line(f"chunks with vectors from the cache of embeddings: {report.cached:,}")
    if report.recut or report.shortened_titles:
        print_line(
            f"longer than the model reads: {counted(report.recut, 'chunk')}, cut again, and "
            f"{counted(report.shortened_titles, 'title')}, shortened; a smaller VPA_CHUNK_SIZE avoids it"
        )
    if report.failed and not args.retry:
        print_line("when they are mended: vpa ingest --retry with the same paths reads only those that failed")
    if args.report:
        _print_quality(report)


def _sentence(report: FilesReport, estimate: dict[str, Any]) -> str:
    verb = "would be added" if report.is_dry_run else "added"
    parts = [f"{counted(report.documents, 'document')} {verb} as {counted(report.chunks, 'chunk')}"]
    for count, what in ((report.unchanged, "unchanged"), (report.moved, "moved"), (report.removed, "removed")):
        if count:
            parts.append(f"{counted(count, 'file')} {what}")
    parts.append(counted(len(report.failed), "problem"))
    if "tokens" in estimate:
        parts.append(f"about {counted(estimate['tokens'], 'token')} to embed")
    if "seconds_to_embed" in estimate:
        parts.append(f"which take {estimate['seconds_to_embed']:.0f} s")
    if estimate.get("price") is not None:
        parts.append(f"price {estimate['price']:.4f}")
    return ", ".join(parts)


def _some(remarks: list[FileRemark]) -> str:
    names = ", ".join(one_line(remark.origin) for remark in remarks[:_SHOWN])
    return f"{names} …" if len(remarks) > _SHOWN else names


def _print_quality(report: FilesReport) -> None:
    rows = [(name, count) for name, count in report.quality.get("flags", {}).items()]
    if rows:
        print_table(["doubt", "documents"], rows, title="quality")
    languages = report.quality.get("languages", {})
    if languages:
        print_table(["language", "documents"], list(languages.items()))
