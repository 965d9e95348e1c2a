"""The demo: real documents in, real answers out, and a figure that says how good they are.

    python scripts/demo.py [--store DIR]

Adds the Cranfield abstracts (data/cranfield) to a durable store with MiniLM, asks a few questions with and without a
filter, and evaluates nDCG@10 over all 225 questions: the best chunk ranks its document.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import lzma
import math
import textwrap
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from vpa.config.deployment_config import get_config
from vpa.core.enhanced_rag import EnhancedRAGSystem, SearchResult, create_enhanced_rag_system

DATA = Path(__file__).resolve().parent.parent / "data" / "cranfield"
QUESTIONS = (
    ("how does a propeller slipstream change the lift of a wing", None),
    ("heat transfer at the stagnation point of a blunt body at hypersonic speed", {"year": {"$gte": 1960}}),
    ("buckling of thin cylindrical shells under axial compression", {"year": {"$lt": 1950}}),
)


def read_corpus() -> list[dict[str, Any]]:
    """The 1,400 abstracts."""
    with lzma.open(DATA / "corpus.jsonl.xz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def read_queries() -> dict[str, str]:
    """Question by id."""
    rows = (json.loads(line) for line in (DATA / "queries.jsonl").read_text("utf-8").splitlines())
    return {row["id"]: row["text"] for row in rows}


def read_judgements() -> dict[str, dict[str, int]]:
    """Gain by document, by question."""
    gains: dict[str, dict[str, int]] = defaultdict(dict)
    for line in (DATA / "qrels.tsv").read_text("utf-8").splitlines()[1:]:
        query, document, gain = line.split("\t")
        gains[query][document] = int(gain)
    return gains


def ndcg(ranked: list[str], gains: dict[str, int], *, depth: int = 10) -> float:
    """Normalised discounted cumulative gain (Järvelin and Kekäläinen 2002): gain / log2(rank + 1), over the ideal."""
    found = sum(gains.get(name, 0) / math.log2(rank + 1) for rank, name in enumerate(ranked[:depth], 1))
    ideal = sorted(gains.values(), reverse=True)[:depth]
    best = sum(gain / math.log2(rank + 1) for rank, gain in enumerate(ideal, 1))
    return found / best if best else 0.0


async def ingest(rag: EnhancedRAGSystem, console: Console) -> None:
    """All abstracts, with a progress bar; running the demo again replaces them."""
    corpus = read_corpus()
    documents = (
        {"document_id": row["id"], "title": row["title"], "content": row["text"], "metadata": row["metadata"]}
        for row in corpus
    )
    columns = (
        TextColumn("adding abstracts"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    started = time.perf_counter()
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=len(corpus))
        report = await rag.add_documents(
            documents, collect_errors=True, progress=lambda so_far: bar.update(task, completed=so_far.documents)
        )
        bar.update(task, completed=report.documents + len(report.failed))
    seconds = time.perf_counter() - started
    console.print(f"{report.documents} abstracts as {report.chunks} chunks in {seconds:.1f} s")
    for name, reason in report.failed.items():
        console.print(f"not added: {name}: {reason}")


def show(console: Console, question: str, filters: dict[str, Any] | None, results: list[SearchResult]) -> None:
    """Answers for people."""
    console.print(
        f"\n[bold]{question}[/bold]" + (f"   filter {json.dumps(filters)}" if filters else ""), highlight=False
    )
    for rank, result in enumerate(results, 1):
        year = result.metadata.get("year", "no year")
        console.print(
            f"  {rank}. {result.score:.3f}  {result.title}  ({year}, document {result.document_id})", highlight=False
        )
        passage = textwrap.shorten(result.content, width=200, placeholder=" …")
        console.print(textwrap.indent(textwrap.fill(passage, 90), "       "), style="dim", highlight=False)


async def evaluate(rag: EnhancedRAGSystem) -> tuple[float, float]:
    """Mean nDCG@10 over all questions, and the median time of a search in milliseconds."""
    judgements, values, times = read_judgements(), [], []
    for query_id, text in read_queries().items():
        started = time.perf_counter()
        results = await rag.search_knowledge(text, user_id="evaluation", top_k=10, group_by="document")
        times.append(time.perf_counter() - started)
        values.append(ndcg([result.document_id for result in results], judgements[query_id]))
    return sum(values) / len(values), sorted(times)[len(times) // 2] * 1000


async def main() -> None:
    """Run the whole demo."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", default=".vpa-demo", help="directory of the durable store (default .vpa-demo)")
    args = parser.parse_args()
    console = Console(width=110)
    config = get_config()
    config.vector_db_path = args.store
    async with create_enhanced_rag_system(config) as rag:
        await ingest(rag, console)
        for question, filters in QUESTIONS:
            show(
                console,
                question,
                filters,
                await rag.search_knowledge(question, top_k=3, filters=filters, group_by="document"),
            )
        value, median_ms = await evaluate(rag)
        model = (await rag.get_system_stats())["embedding"]["model"]
        console.print(
            f"\nnDCG@10 over 225 questions: {value:.3f} ({model}); median search {median_ms:.1f} ms", highlight=False
        )
    console.print(f"\nThe store stays in {args.store}; ask it yourself:", highlight=False)
    console.print(
        f'  .venv/bin/vpa search --path {args.store} "transition to turbulence on a flat plate"', highlight=False
    )


if __name__ == "__main__":
    asyncio.run(main())
