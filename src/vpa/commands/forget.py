"""`vpa forget`: removes a source, or what a filter matches, everywhere; needs no model."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, Final

from vpa.base.clock import SystemClock
from vpa.base.errors import ConfigurationError, InvalidFilterError
from vpa.client.manager import VectorDatabaseManager
from vpa.commands.common import (
    counted,
    nothing_stored,
    parse_filter,
    print_json,
    print_line,
    print_problem,
    reading,
    scope,
)
from vpa.commands.common import settings as settings_of
from vpa.compose.rag import token_shelf, vector_shelf
from vpa.config.settings import DeploymentConfig
from vpa.embeddings.batched import BatchedEmbedder
from vpa.filters import holds_always
from vpa.kit.locks import KeyedLocks
from vpa.kit.threads import Workers
from vpa.observe.printable import one_line
from vpa.rag.intake.forgetting import Forgetting, Selection, selected
from vpa.rag.intake.report import ForgetReport
from vpa.rag.tokens.source import Tokens

_SHOWN: Final = 10  # Ids of documents that are named to people.


def run(args: Namespace) -> int:
    """Exit status 1 where nothing matched."""
    return asyncio.run(_run(args))


async def _run(args: Namespace) -> int:
    # A script whose variable is empty shall not forget everything.
    if (args.source is None) is (args.filter is None):
        raise InvalidFilterError("forget takes either --source or --filter; look first with --dry-run")
    if args.filter is not None and holds_always(parse_filter(args.filter)):
        raise InvalidFilterError(
            f"--filter {args.filter} holds for every document; to remove all of them drop the collection"
        )
    selection = selected(source=args.source, metadata=parse_filter(args.filter), user_id=args.user)
    config = settings_of(args)
    async with AsyncExitStack() as stack:
        report = await _forget(selection, config, args, stack)
    if selection.users:
        note = (
            "search histories are in the memory of the program that was asked; there rag.forget(user_id=…) removes them"
        )
        report = replace(report, notes=(*report.notes, note))
    _tell(report, args)
    if report.is_empty and args.source is not None:
        print_problem(
            f"vpa: nothing has the source {one_line(args.source)!r}: a source is the name of a file or folder in vpa, "
            "such as 'papers/survey.pdf'; vpa documents list shows them"
        )
    return 1 if report.is_empty else 0


async def _forget(
    selection: Selection, config: DeploymentConfig, args: Namespace, stack: AsyncExitStack
) -> ForgetReport:
    store = reading(config) if args.dry_run else config.store
    manager = await stack.enter_async_context(VectorDatabaseManager(store))
    name, names = config.vector_db_index_name, await manager.list_collections()
    if name not in names:
        raise nothing_stored(name, names)
    collection = await manager.collection(name)
    workers = Workers(size=1, name="vpa-forget")
    stack.push_async_callback(workers.close)
    embedder = BatchedEmbedder(_no_model, batch_size=1, shelf=vector_shelf(config.embedding, store))
    stack.push_async_callback(embedder.close)
    tokens = Tokens(embedder, token_shelf(config.rag, store, embedding=config.embedding), workers=workers)
    stack.callback(tokens.close)
    forgetting = Forgetting(
        collection=collection,
        scope=scope(args),
        embedder=embedder,
        tokens=tokens,
        identity=collection.info.embedding,
        workers=workers,
        turns=KeyedLocks(),
        clock=SystemClock(),
        store=store,
        dry_run=args.dry_run,
    )
    return await forgetting.run(selection)


def _no_model() -> Any:
    raise ConfigurationError("vpa forget embeds nothing")


def _tell(report: ForgetReport, args: Namespace) -> None:
    if args.json:
        print_json(report.to_json())
        return
    for note in report.notes:
        print_problem(f"note: {note}")
    verb = "would be forgotten" if report.is_dry_run else "forgotten"
    print_line(f"{counted(report.documents, 'document')} ({counted(report.chunks, 'chunk')}) {verb}")
    for document_id in report.document_ids[:_SHOWN]:
        print_line(f"  {one_line(document_id)}")
    if report.documents > _SHOWN:
        print_line(f"  … and {report.documents - _SHOWN} more")
    others = (
        (report.records, "record that belongs to no document", "records that belong to no document"),
        (report.files, "entry of the ledger of files", "entries of the ledger of files"),
        (report.embeddings, "cached embedding", "cached embeddings"),
        (report.token_vectors, "chunk's token vectors", "chunks' token vectors"),
    )
    listed = [f"{count} {singular if count == 1 else plural}" for count, singular, plural in others if count]
    if listed:
        print_line(f"with {', '.join(listed)}")
    if report.files and not report.is_dry_run:
        print_line("a file that still exists comes back with the next ingest: delete it, or name it in .vpaignore")
