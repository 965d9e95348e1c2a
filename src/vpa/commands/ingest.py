"""`vpa ingest`: files in, with a progress bar; a bad file or line is reported and does not stop the others."""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from vpa.base.errors import ConfigurationError
from vpa.base.providers import VectorDatabaseProvider
from vpa.commands.common import print_json, print_line, print_problem, scope, settings
from vpa.commands.progress import shown_progress
from vpa.compose import create_enhanced_rag_system
from vpa.ingest.files import count_documents, passed_over, read_files
from vpa.ingest.source import SourceDocument, SourceProblem
from vpa.observe.printable import one_line
from vpa.rag.documents import IngestReport, NewDocument

_ENDINGS: Final = 8  # So many are named.


def run(args: Namespace) -> int:
    """Exit status 1 if anything was not added."""
    return asyncio.run(_run(args))


async def _run(args: Namespace) -> int:
    problems: list[SourceProblem] = []
    origins: dict[str, str] = {}
    config = settings(args)
    if config.store.provider == VectorDatabaseProvider.MOCK and config.store.path is None:
        raise ConfigurationError(
            "embedded:// is in memory, and gone when this command ends; name a directory: --path ./data"
        )
    system = create_enhanced_rag_system(config)
    async with system:
        report = await _with_progress(args, system.add_documents, problems=problems, origins=origins)
    skipped = passed_over(args.paths)
    problems += [SourceProblem(origins.get(name, name), message) for name, message in report.failed.items()]
    if args.json:
        print_json(
            {
                "documents": report.documents,
                "chunks": report.chunks,
                "reused": report.reused,
                "recut": report.recut,
                "shortened_titles": report.shortened_titles,
                "passed_over": skipped,
                "problems": [{"origin": one.origin, "message": one.message} for one in problems],
            }
        )
    else:
        for problem in problems:
            print_problem(str(problem))
        print_line(f"{report.documents} documents added as {report.chunks} chunks, {_problems(len(problems))}")
        if skipped:
            some = ", ".join(f"{count} {one_line(ending)}" for ending, count in list(skipped.items())[:_ENDINGS])
            more = " …" if len(skipped) > _ENDINGS else ""
            print_line(f"{sum(skipped.values())} files passed over, whose endings no reader knows: {some}{more}")
        if report.reused:
            print_line(f"{report.reused} chunks were stored already and not embedded again")
        if report.recut or report.shortened_titles:
            print_line(
                f"{report.recut} chunks were cut again and {report.shortened_titles} titles shortened: they were "
                "longer "
                "than the model reads; a smaller VPA_CHUNK_SIZE avoids it"
            )
    return 1 if problems else 0


def _problems(count: int) -> str:
    return f"{count} problem{'' if count == 1 else 's'}"


async def _with_progress(
    args: Namespace,
    add_documents: Callable[..., Awaitable[IngestReport]],
    *,
    problems: list[SourceProblem],
    origins: dict[str, str],
) -> IngestReport:
    with shown_progress("documents", quiet=args.json and not sys.stderr.isatty()) as show:
        total = count_documents(args.paths)
        stored = IngestReport()

        def advance(report: IngestReport) -> None:
            nonlocal stored
            stored = report
            done = report.documents + len(report.failed) + len(problems)
            show("ingest", done, max(done, total))

        documents = _documents(args.paths, problems, origins)
        try:
            report = await add_documents(documents, collect_errors=True, progress=advance, scope=scope(args))
        except asyncio.CancelledError:
            sys.stderr.write(
                f"vpa: {stored.documents} documents ({stored.chunks} chunks) are stored; the same command goes on from "
                "there and embeds none of them again\n"
            )
            raise
        advance(report)
    return report


def _documents(paths: list[str], problems: list[SourceProblem], origins: dict[str, str]) -> Iterator[NewDocument]:
    for item in read_files(paths):
        if isinstance(item, SourceProblem):
            problems.append(item)
            continue
        origins[item.document_id] = item.origin
        yield _new_document(item)


def _new_document(item: SourceDocument) -> NewDocument:
    return NewDocument(
        document_id=item.document_id, title=item.title, content=item.content, metadata=item.metadata, format=item.format
    )
