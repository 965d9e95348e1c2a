"""`vpa evaluate`: documents and judged queries in, measures with intervals out."""

from __future__ import annotations

import asyncio
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from vpa.base.errors import ConfigurationError, InvalidQueryError, InvalidRecordError
from vpa.base.metadata import canonical_metadata
from vpa.base.query import check_top_k
from vpa.client.connect import connect
from vpa.commands.common import print_problem, settings
from vpa.commands.compared import other_options, titles
from vpa.commands.evaluation import Outcome, show
from vpa.commands.progress import shown_progress
from vpa.compose import create_enhanced_rag_system
from vpa.evaluation import Evaluation, compare, evaluate, evaluate_run
from vpa.evaluation.files import Dataset, read_dataset, read_qrels, read_run
from vpa.ingest.readers.lines import read_lines
from vpa.rag.documents import NewDocument
from vpa.rag.system import EnhancedRAGSystem
from vpa.retrieval.fusion import Fusion

_CUT = 10  # The depth of nDCG, recall and MRR, unless less is asked for.
_DEEP = 100  # And of a second recall, where rankings are so deep.
_RETRIEVAL = ("fusion", "semantic_weight", "keyword_weight", "expand")


def run(args: Namespace) -> int:
    """Exit status 1 if a document could not be added."""
    _check_writable(args.per_query)
    outcome = _of_runs(args) if args.run else asyncio.run(_of_searches(args))
    show(outcome, per_query=args.per_query, as_json=args.json)
    for document_id, reason in outcome.failed.items():
        print_problem(f"document {document_id!r} was not added: {reason}")
    return 1 if outcome.failed else 0


def _check_writable(path: str | None) -> None:
    """Before minutes of work: whether a file can be written there."""
    folder = None if path is None else Path(path).parent
    if path is not None and folder is not None and (Path(path).is_dir() or not os.access(folder, os.W_OK)):
        raise ConfigurationError(f"--per-query {path}: no file can be written there")


# Ready rankings


def _of_runs(args: Namespace) -> Outcome:
    if args.qrels is None and args.folder is None:
        raise ConfigurationError(
            "a run is measured by judgements: name them with --qrels FILE, or the folder with them"
        )
    unused = [name for name in ("mode", "chunk_size", "rerank", *_RETRIEVAL) if getattr(args, name) is not None]
    if unused:
        raise ConfigurationError(f"--{unused[0].replace('_', '-')} is about searches; with --run nothing is searched")
    qrels = read_qrels(args.qrels) if args.qrels else read_dataset(args.folder).qrels
    names = [args.run] if args.against is None else [args.run, args.against]
    runs = [read_run(name) for name in names]
    depth = max((len(ranking) for ranked in runs for ranking in ranked.values()), default=0)
    chosen = [*_measures(args.top_k, depth), "MAP"]
    evaluations = [evaluate_run(ranked, qrels, measures=chosen) for ranked in runs]
    return _outcome(names, evaluations, depth=depth)


def _measures(top_k: int, depth: int) -> list[str]:
    cut = min(_CUT, check_top_k(top_k))
    deep = [f"recall@{_DEEP}"] if depth >= _DEEP else []
    return [f"nDCG@{cut}", f"recall@{cut}", *deep, f"MRR@{cut}"]


def _outcome(names: list[str], evaluations: list[Evaluation], *, depth: int, **facts: Any) -> Outcome:
    comparison = compare(*evaluations) if len(evaluations) == 2 else None
    return Outcome(names=names, evaluations=evaluations, comparison=comparison, depth=depth, **facts)


# Searches


async def _of_searches(args: Namespace) -> Outcome:
    if args.folder is None:
        raise ConfigurationError(
            "name a folder with corpus.jsonl, queries.jsonl and qrels.tsv, or a run with --run FILE"
        )
    config = settings(args)
    if args.chunk_size is not None:
        config.chunk_size = args.chunk_size
    if args.rerank is not None:
        config.rerank = args.rerank
    mode = args.mode or ("hybrid" if config.keyword_language else "dense")
    rerank = {} if config.rerank == "none" else {"rerank": config.rerank}
    asked = {name: value for name in _RETRIEVAL if (value := getattr(args, name)) is not None}
    settled: list[dict[str, Any]] = [{"mode": mode, **rerank, **asked}]
    settled += [] if args.against is None else [other_options(settled[0], args.against)]
    for options in settled:
        _check_asked(options, top_k=args.top_k)
    if any(options.get("rerank") == "light" for options in settled):
        config.rerank = "light"
    dataset = read_dataset(args.folder, qrels=args.qrels)
    async with (
        connect("embedded://", index_name=config.vector_db_index_name) as manager,
        create_enhanced_rag_system(config, manager=manager) as system,
    ):
        with shown_progress("done", quiet=args.json and not sys.stderr.isatty()) as advance:
            corpus = _Corpus(dataset)
            await corpus.add_to(system, advance)
            unanswered: set[str] = set()
            evaluations = []
            names = titles(settled)
            for name, options in zip(names, settled, strict=True):
                whole = {"rerank": "none", **options, "top_k": args.top_k}
                ask = _search(system, options=whole, unanswered=unanswered)
                evaluations.append(
                    await evaluate(
                        ask,
                        dataset.queries,
                        dataset.qrels,
                        measures=[*_measures(args.top_k, args.top_k), f"MAP@{args.top_k}"],
                        progress=_stage(f"{name} searches", advance),
                    )
                )
    counts = {"unanswered": len(unanswered), "source": args.folder, **corpus.facts()}
    return _outcome(names, evaluations, depth=args.top_k, **counts)


def _check_asked(asked: dict[str, Any], *, top_k: int) -> None:
    check_top_k(top_k)
    method = {"method": asked["fusion"]} if "fusion" in asked else {}
    Fusion(**method, **{name: value for name, value in asked.items() if name.endswith("_weight")})


def _stage(name: str, advance: Callable[[str, int, int | None], None]) -> Callable[[int, int], None]:
    return lambda done, total: advance(name, done, total)


def _search(system: EnhancedRAGSystem, *, options: dict[str, Any], unanswered: set[str]) -> Callable[[str], Any]:
    async def search(question: str) -> list[str]:
        try:
            results = await system.search_knowledge(question, group_by="document", **options)
        except InvalidQueryError:
            # Options were checked before: this question holds no word to search for, or is too long.
            unanswered.add(question)
            return []
        return [result.document_id for result in results]

    return search


class _Corpus:
    """The documents of a data set on their way into a collection."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._ids: set[str] = set()
        self._blank = 0
        self._chunks = 0
        self._failed: dict[str, str] = {}

    async def add_to(self, system: EnhancedRAGSystem, advance: Callable[[str, int, int | None], None]) -> None:
        """Add every document, whole: what is judged are documents, and a search returns each once."""
        total = sum(1 for _ in read_lines(self._dataset.corpus))
        report = await system.add_documents(
            self._documents(),
            collect_errors=True,
            progress=lambda report: advance("ingest", report.documents + len(report.failed), total),
        )
        self._chunks, self._failed = report.chunks, report.failed
        self._ids -= report.failed.keys()

    def _documents(self) -> Iterator[NewDocument]:
        for item in self._dataset.documents():
            if not item.title.strip() and not item.content.strip():
                self._blank += 1
                continue
            self._ids.add(item.document_id)
            yield NewDocument(
                document_id=item.document_id,
                title=item.title,
                content=item.content,
                metadata=_holdable(item.metadata),
            )

    def facts(self) -> dict[str, Any]:
        """What the table says of the documents beside the measures."""
        judged = self._dataset.qrels.values()
        relevant = {name for judgements in judged for name, judgement in judgements.items() if judgement >= 1}
        return {
            "documents": len(self._ids),
            "chunks": self._chunks,
            "blank": self._blank,
            "missing": len(relevant - self._ids),
            "failed": self._failed,
        }


def _holdable(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """Those of the fields that a record can hold: what else a corpus says of its documents is not judged."""
    holdable: dict[str, Any] = {}
    for name, value in metadata.items():
        with suppress(InvalidRecordError):
            holdable |= canonical_metadata({name: value})
    return holdable
