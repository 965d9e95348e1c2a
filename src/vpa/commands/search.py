"""`vpa search`: a question in, passages out."""

from __future__ import annotations

import asyncio
import textwrap
from argparse import Namespace
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from vpa.base.errors import InvalidFilterError
from vpa.base.scope import Scope
from vpa.client.connect import connect
from vpa.client.manager import VectorDatabaseManager
from vpa.client.unknown import sentence
from vpa.commands.common import (
    nothing_stored,
    parse_filter,
    print_json,
    print_line,
    print_problem,
    print_table,
    reading,
    scope,
    settings,
)
from vpa.compose import create_enhanced_rag_system
from vpa.observe.printable import one_line
from vpa.rag.documents import FILE_FACTS, SearchResult
from vpa.retrieval.why import Why


def run(args: Namespace) -> int:
    """Exit status 0 also when nothing was found, 2 if no record has a field of the filter, 3 where nothing was ever
    stored.
    """
    results, stored = asyncio.run(_search(args))
    if args.json:
        print_json([result.to_json() for result in results])
    elif not results:
        print_line("nothing found" if stored else "nothing found: this scope is empty")
    for rank, result in enumerate([] if args.json else results, 1):
        _show(rank, result)
    if args.explain and results and not args.json:
        _explain(results)
    elif results and not args.json:
        # What did not go as asked is no part of the answer.
        for note in _notes(results):
            print_problem(f"vpa: {note}")
    return 0


def _notes(results: Sequence[SearchResult]) -> Sequence[str]:
    return results[0].why.notes if results[0].why is not None else ()


async def _search(args: Namespace) -> tuple[list[SearchResult], int]:
    filters, config = parse_filter(args.filter), settings(args)
    async with AsyncExitStack() as stack:
        manager = await stack.enter_async_context(VectorDatabaseManager(reading(config)))
        names = await manager.list_collections()
        exists = config.vector_db_index_name in names
        # A search makes no collection; what is wrong with the question is told first.
        if not exists:
            manager = await stack.enter_async_context(connect("embedded://", index_name=config.vector_db_index_name))
        system = await stack.enter_async_context(create_enhanced_rag_system(config, manager=manager))
        results = await system.search_knowledge(
            args.query,
            top_k=args.top_k,
            filters=filters,
            score_threshold=args.threshold,
            mode=args.mode,
            rerank=args.rerank,
            group_by="document" if args.by_document else None,
            scope=scope(args),
        )
        if not exists:
            raise nothing_stored(config.vector_db_index_name, names)
        if filters and not results:
            await _check_fields(system.manager, filters, scope(args))
        return results, len(results) or await system.manager.count(scope=scope(args))


async def _check_fields(manager: VectorDatabaseManager, condition: dict[str, Any], whose: Scope) -> None:
    """Raise InvalidFilterError where nothing was found because a field of the filter is unknown."""
    unknown = (await manager.explain(condition, scope=whose))["unknown_fields"]
    if unknown:
        raise InvalidFilterError("; ".join(sentence(path, near) for path, near in unknown.items()))


def _explain(results: Sequence[SearchResult]) -> None:
    """Where each score comes from, as a table."""
    columns = ("", "score", "similarity", "rank", "BM25", "rank", "fused", "boosts", "reranked", "words that match")
    print_table(columns, [_facts(rank, result) for rank, result in enumerate(results, 1)])
    for note in _notes(results):
        print_line(f"note: {note}")


def _facts(rank: int, result: SearchResult) -> Sequence[str]:
    why = result.why or Why(mode="dense")
    return (
        str(rank),
        f"{result.score:.3f}",
        _number(result.similarity),
        _number(why.dense_rank),
        _number(why.keyword_score),
        _number(why.keyword_rank),
        _number(why.fused),
        ", ".join(f"{name} × {factor:.2f}" for name, factor in why.boosts.items()),
        _number(why.reranked),
        ", ".join(dict.fromkeys(word.word for word in why.words)),
    )


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _show(rank: int, result: SearchResult) -> None:
    print_line(f"{rank}. {one_line(result.title or result.document_id)}")
    shown = {key: value for key, value in result.metadata.items() if key not in FILE_FACTS}
    facts = ", ".join(one_line(f"{key}={value}") for key, value in shown.items())
    place = f"{one_line(result.document_id)} [{result.start}:{result.end}]"
    if result.place:
        file = str(result.metadata.get("source") or "")
        names = [result.document_id, *([file] if not result.document_id.startswith(file) else []), result.place]
        place = f"{one_line(', '.join(names))} [{result.start}:{result.end}]"
    similarity = "" if result.similarity in (None, result.score) else f"   similarity {result.similarity:.3f}"
    print_line(f"   score {result.score:.3f}{similarity}   {place}" + (f"   {facts}" if facts else ""))
    excerpt = textwrap.shorten(result.content, width=280, placeholder=" …")
    print_line(textwrap.fill(excerpt, width=100, initial_indent="   ", subsequent_indent="   "))
    print_line()
