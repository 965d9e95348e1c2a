"""From documents to answers: our pipeline beside LangChain's and LlamaIndex's, on the same documents in the same run.

`python retrieval.py [NAME …] [--data FOLDER] [--rounds 3] [--depth 50] [--documents N] [--json FILE]`. FOLDER has a
collection of BEIR's form, that of the repository unless given. The pipelines are those of `retrieval_peers.py`, each
with its own defaults; MiniLM embeds for all of them. nDCG@10 by document (the best chunk ranks it) over all judged
questions. Ingest: until a first question is answered, as some build their index of words then. A question: from text to
a ranking, one at a time.

Rounds go through the pipelines in turn, each new every time: once with the model at work, once with vectors that it
made before, so that embedding costs nothing. As the model takes minutes for the documents, it embeds them in the first
rounds only (`--embedding-rounds`); questions it embeds in each. Figures are medians of rounds; p50 and p95 are of the
questions of a round. CPU is that of this process: on a machine with other work it is the steadier figure.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import importlib.metadata
import json
import os
import statistics
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

# Chroma asks its makers' server otherwise, while the clock runs.
os.environ.setdefault("ANONYMIZED_TELEMETRY", "False")

from common import machine
from retrieval_peers import PIPELINES, Model, Pipeline

from vpa.evaluation.files import read_corpus, read_qrels, read_queries
from vpa.evaluation.measures import ndcg

DATA = Path(__file__).resolve().parents[2] / "data" / "cranfield"
CORPORA = ("corpus.jsonl", "corpus.jsonl.gz", "corpus.jsonl.xz")
Figures: TypeAlias = dict[str, dict[str, dict[str, float]]]
FIRST_QUESTION = "what is this collection about"


@dataclass(frozen=True)
class Data:
    """Documents as mappings, questions by id, judgements by question."""

    documents: Sequence[Mapping[str, Any]]
    questions: Mapping[str, str]
    judgements: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Round:
    """One pipeline, once: seconds of ingest, milliseconds of questions, wall and CPU."""

    ndcg: float
    ingest_s: float
    ingest_cpu_s: float
    p50_ms: float
    p95_ms: float
    p50_cpu_ms: float


def read(folder: Path, limit: int | None) -> Data:
    """The whole collection, or its first documents with the questions that have a relevant one among them."""
    corpus = next(folder / name for name in CORPORA if (folder / name).exists())
    rows = list(read_corpus(corpus))[:limit]
    documents = [{"id": row.document_id, "title": row.title, "text": row.content} for row in rows]
    known = {row.document_id for row in rows}
    qrels = next(folder / name for name in ("qrels.tsv", "qrels/test.tsv") if (folder / name).exists())
    judgements = {
        query: {name: gain for name, gain in judged.items() if name in known}
        for query, judged in read_qrels(qrels).items()
    }
    judgements = {query: judged for query, judged in judgements.items() if any(gain > 0 for gain in judged.values())}
    questions = read_queries(folder / "queries.jsonl")
    return Data(documents, {query: questions[query] for query in judgements}, judgements)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share lies, by nearest rank."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def played(pipeline: Pipeline, data: Data, *, embeds_documents: bool, embeds_questions: bool) -> Round:
    """Documents in, every question asked once."""
    gc.collect()
    pipeline.model.replays = not embeds_documents
    wall, cpu = time.perf_counter(), time.process_time()
    pipeline.ingest(data.documents)
    pipeline.ask(FIRST_QUESTION)
    ingest_s, ingest_cpu_s = time.perf_counter() - wall, time.process_time() - cpu
    pipeline.model.replays = not embeds_questions
    values, walls, cpus = [], [], []
    for query, question in data.questions.items():
        wall, cpu = time.perf_counter(), time.process_time()
        ranking = pipeline.ask(question)
        walls.append((time.perf_counter() - wall) * 1000)
        cpus.append((time.process_time() - cpu) * 1000)
        values.append(ndcg(ranking, data.judgements[query], k=10))
    return Round(
        ndcg=statistics.mean(values),
        ingest_s=ingest_s,
        ingest_cpu_s=ingest_cpu_s,
        p50_ms=percentile(walls, 0.5),
        p95_ms=percentile(walls, 0.95),
        p50_cpu_ms=percentile(cpus, 0.5),
    )


def medians(rounds: Sequence[Round], *, ingests: int) -> dict[str, float]:
    """Of each figure over the rounds; of ingest over the first ones only."""
    rows = [asdict(one) for one in rounds]
    return {
        name: statistics.median(row[name] for row in (rows[:ingests] if name.startswith("ingest") else rows))
        for name in rows[0]
    }


def installed(names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Those whose packages are there with their versions; the others are said."""
    present, versions = [], {}
    for name in names:
        try:
            versions[name] = PIPELINES[name].version()
            present.append(name)
        except importlib.metadata.PackageNotFoundError as error:
            print(f"left out: {PIPELINES[name].name}: the package {error.name} is not installed")
    return present, versions


def measure(names: Sequence[str], data: Data, *, rounds: int, embedding_rounds: int, depth: int) -> Figures:
    """By name, the medians with the model at work and with its vectors known."""
    model = Model()
    # What no ingest may wait for: the first question's vector, and the model's first pass.
    model.encode([FIRST_QUESTION])
    seen: dict[str, dict[str, list[Round]]] = {name: {"embedding": [], "known": []} for name in names}
    for number in range(rounds):
        for name in names:
            for state in ("embedding", "known"):
                with contextlib.closing(PIPELINES[name](model, depth)) as pipeline:
                    embeds = state == "embedding"
                    result = played(
                        pipeline,
                        data,
                        embeds_documents=embeds and number < embedding_rounds,
                        embeds_questions=embeds,
                    )
                seen[name][state].append(result)
                figures = {key: round(value, 3) for key, value in asdict(result).items()}
                print(f"  round {number + 1}, {name}, {state}: {figures}", flush=True)
    asyncio.run(model.end())
    sizes = {"embedding": embedding_rounds, "known": rounds}
    return {
        name: {state: medians(results, ingests=sizes[state]) for state, results in states.items()}
        for name, states in seen.items()
    }


HEAD = """
| | nDCG@10 | ingest s (CPU) | without embedding (CPU) | p50, p95 ms (CPU p50) | without embedding (CPU p50) |
|---|---|---|---|---|---|"""


def shown(name: str, figures: Mapping[str, Mapping[str, float]]) -> str:
    """A line of the table."""
    cells = [PIPELINES[name].name, f"{figures['embedding']['ndcg']:.3f}"]
    for state in ("embedding", "known"):
        one = figures[state]
        cells.append(f"{one['ingest_s']:.1f} ({one['ingest_cpu_s']:.1f})")
    for state in ("embedding", "known"):
        one = figures[state]
        cells.append(f"{one['p50_ms']:.1f}, {one['p95_ms']:.1f} ({one['p50_cpu_ms']:.1f})")
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table, and write the figures where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PIPELINES))
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--embedding-rounds", type=int, default=1, help="rounds in which the model embeds documents")
    parser.add_argument("--depth", type=int, default=50, help="candidates that the peers take from either side")
    parser.add_argument("--documents", type=int, default=None, help="the first so many only")
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    # The peers' own warnings about themselves.
    warnings.simplefilter("ignore")
    names, versions = installed(options.names or list(PIPELINES))
    data = read(options.data, options.documents)
    print(f"{len(data.documents)} documents, {len(data.questions)} questions, {options.rounds} rounds; {machine()}")
    figures = measure(
        names, data, rounds=options.rounds, embedding_rounds=options.embedding_rounds, depth=options.depth
    )
    print(HEAD)
    for name in names:
        print(shown(name, figures[name]))
    if options.json is not None:
        report = {
            "machine": machine(),
            "data": options.data.name,
            "documents": len(data.documents),
            "questions": len(data.questions),
            "rounds": options.rounds,
            "embedding_rounds": options.embedding_rounds,
            "depth": options.depth,
            "versions": versions,
            "figures": figures,
        }
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
