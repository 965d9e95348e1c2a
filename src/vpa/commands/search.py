"""`vpa search`: a question in, passages out."""

from __future__ import annotations

import asyncio
import textwrap
from argparse import Namespace
from dataclasses import asdict

from vpa.base.errors import ReadOnlyError
from vpa.client.manager import VectorDatabaseManager
from vpa.commands.common import parse_filter, print_json, print_line, reading, scope, settings
from vpa.compose import create_enhanced_rag_system
from vpa.rag.documents import SearchResult


def run(args: Namespace) -> int:
    """Exit status 0 also when nothing was found."""
    try:
        results, stored = asyncio.run(_search(args))
    except ReadOnlyError:
        # The collection does not exist yet, and a search does not make it.
        results, stored = [], 0
    if args.json:
        print_json([asdict(result) for result in results])
    elif not results:
        print_line("nothing found" if stored else "nothing is stored here yet; add documents with: vpa ingest PATH")
    for rank, result in enumerate([] if args.json else results, 1):
        _show(rank, result)
    return 0


async def _search(args: Namespace) -> tuple[list[SearchResult], int]:
    filters, config = parse_filter(args.filter), settings(args)
    async with (
        VectorDatabaseManager(reading(config)) as manager,
        create_enhanced_rag_system(config, manager=manager) as system,
    ):
        results = await system.search_knowledge(
            args.query,
            top_k=args.top_k,
            filters=filters,
            score_threshold=args.threshold,
            group_by="document" if args.by_document else None,
            scope=scope(args),
        )
        return results, len(results) or await system.manager.count(scope=scope(args))


def _show(rank: int, result: SearchResult) -> None:
    print_line(f"{rank}. {result.title or result.document_id}")
    facts = ", ".join(f"{key}={value}" for key, value in result.metadata.items())
    place = f"{result.document_id} [{result.start}:{result.end}]"
    print_line(f"   score {result.score:.3f}   {place}" + (f"   {facts}" if facts else ""))
    excerpt = textwrap.shorten(result.content, width=280, placeholder=" …")
    print_line(textwrap.fill(excerpt, width=100, initial_indent="   ", subsequent_indent="   "))
    print_line()
