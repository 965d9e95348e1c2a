"""`vpa documents`: what was ingested, document by document; needs no model."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict

from vpa.base.errors import InvalidFilterError
from vpa.base.ids import check_document_id
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager
from vpa.commands.common import (
    nothing_stored,
    parse_filter,
    print_json,
    print_line,
    print_problem,
    print_table,
    reading,
    scope,
)
from vpa.commands.common import settings as settings_of
from vpa.filters import Filter, as_filter, holds_always, normal
from vpa.kit.threads import Workers
from vpa.observe.printable import one_line
from vpa.rag.chunks import first_chunks, of_documents
from vpa.rag.documents import FILE_FACTS, Document, DocumentSummary
from vpa.rag.reading import read_document, read_summaries


def run(args: Namespace) -> int:
    """Exit status 1 where an id that was asked for does not exist."""
    return asyncio.run({"list": _list, "show": _show, "delete": _delete}[args.action](args))


async def _list(args: Namespace) -> int:
    async with AsyncExitStack() as stack:
        documents = await _open(args, stack, reads=True)
        node = first_chunks() & as_filter(parse_filter(args.filter))
        limit = None if args.limit == 0 else args.limit
        found = await _summaries(documents, node, limit=limit, args=args)
        total = await documents.count(filter=node, scope=scope(args))
        others = await documents.count(scope=scope(args)) if not total and args.filter is None else 0
    if args.json:
        print_json([asdict(one) for one in found])
        return 0
    rows = [
        (one_line(one.document_id), one_line(one.title), one.chunk_count, one.length, one_line(_facts(one)))
        for one in found
    ]
    print_table(["document", "title", "chunks", "characters", "metadata"], rows)
    print_line(f"{len(found)} of {total} documents" + (" (--limit 0 lists all)" if len(found) < total else ""))
    if others:
        print_line(f"{others} records are here that were not ingested, so they are no documents; search finds them")
    return 0


async def _show(args: Namespace) -> int:
    async with AsyncExitStack() as stack:
        documents = await _open(args, stack, reads=True)
        wanted = of_documents([check_document_id(args.id)])
        workers = await stack.enter_async_context(_Workers())
        document = await read_document(documents, wanted, scope=scope(args), workers=workers.pool)
        record = await documents.get_one(args.id, scope=scope(args)) if document is None else None
    if record is not None:
        print_problem(
            f"vpa: {args.id!r} is a record that was not ingested, so it is no document; the library's get({args.id!r}) "
            "shows it"
        )
        return 1
    if document is None:
        return _missing([args.id])
    if args.json:
        print_json(asdict(document))
    else:
        _print(document)
    return 0


async def _delete(args: Namespace) -> int:
    # A script whose variable is empty shall not delete everything.
    if bool(args.ids) is (args.filter is not None):
        raise InvalidFilterError(
            "documents delete takes either document ids or --filter; list them with: vpa documents list"
        )
    if args.filter is not None and holds_always(parse_filter(args.filter)):
        raise InvalidFilterError(
            f"--filter {args.filter} holds for every document; to delete all of them use a filter that every one has, "
            """for example '{"source": {"$exists": true}}', or drop the collection"""
        )
    async with AsyncExitStack() as stack:
        documents = await _open(args, stack, reads=args.dry_run)
        chosen = [check_document_id(one) for one in args.ids] if args.ids else None
        node = as_filter(parse_filter(args.filter)) if chosen is None else of_documents(chosen)
        found = await _summaries(documents, first_chunks() & node, limit=None, args=args)
        names = [one.document_id for one in found]
        if names and not args.dry_run:
            # By document, not by the filter: the chunks of one document need not all match it.
            await documents.delete(filter=of_documents(names), scope=scope(args))
    missing = [one for one in chosen or () if one not in names]
    if args.json:
        print_json({"deleted": [] if args.dry_run else names, "matched": names, "missing": missing})
    else:
        done = "would be deleted" if args.dry_run else "deleted"
        print_line(f"{len(names)} {'document' if len(names) == 1 else 'documents'} {done}")
    return _missing(missing) if missing else 0


def _missing(names: Sequence[str]) -> int:
    print_problem(f"vpa: no document {', '.join(map(repr, names))}; list what exists with: vpa documents list")
    return 1


async def _open(args: Namespace, stack: AsyncExitStack, *, reads: bool) -> Collection:
    config = settings_of(args)
    stored = reading(config) if reads else config.store
    manager = await stack.enter_async_context(VectorDatabaseManager(stored))
    name, names = config.vector_db_index_name, await manager.list_collections()
    if name not in names:
        raise nothing_stored(name, names)
    return await manager.collection(name)


async def _summaries(
    documents: Collection, node: Filter, *, limit: int | None, args: Namespace
) -> list[DocumentSummary]:
    async with _Workers() as workers:
        return await read_summaries(documents, normal(node), limit=limit, scope=scope(args), workers=workers.pool)


class _Workers:
    """A thread for the pages that are read."""

    def __init__(self) -> None:
        self.pool = Workers(size=1, name="vpa-documents")

    async def __aenter__(self) -> _Workers:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.pool.close()


def _facts(summary: DocumentSummary) -> str:
    return ", ".join(f"{key}={value}" for key, value in summary.metadata.items() if key not in FILE_FACTS)


def _print(document: Document) -> None:
    print_line(document.title or document.document_id)
    facts = _facts(document)
    print_line(
        f"{document.document_id}   {document.chunk_count} chunks, {document.length} characters, "
        f"version {document.version}" + (f"   {facts}" if facts else "")
    )
    print_line()
    print_line(document.content)
