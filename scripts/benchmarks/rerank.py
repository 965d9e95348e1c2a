"""The light reranker: what it takes, in milliseconds and bytes, and what it gains over hybrid search.

`python rerank.py FOLDER [--chunk-sizes 1000 100000] [--documents N] [--json FILE]`. FOLDER holds judged queries as
BEIR lays them out (Cranfield, for the figures of docs/retrieval.md). For each chunk size the documents are added to a
collection in memory, every query is asked without and with `rerank="light"`, and the two are compared query by query.
Then the reranker alone is timed, each query's 50 best candidates at a time: from token vectors in memory, and in a
file. That is the time to read, check and score them, on one thread, and to order the candidates; the token vectors of
the question come with its embedding. The cost grows with the tokens of a chunk, which are printed. With `--documents`
only the first N are added and only the costs are measured, which do not depend on how many there are.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from common import machine

import vpa
from vpa.config.settings import DeploymentConfig
from vpa.evaluation import compare, evaluate
from vpa.evaluation.files import Dataset, read_dataset
from vpa.kit.shelf.contract import Shelf
from vpa.kit.shelf.file import FileShelf
from vpa.kit.shelf.memory import MemoryShelf
from vpa.rag.documents import NewDocument
from vpa.rag.system import EnhancedRAGSystem
from vpa.rag.tokens.layout import TOKEN_VECTORS
from vpa.rag.tokens.source import Tokens
from vpa.retrieval.candidates import Candidate, ranked
from vpa.retrieval.light.codes import decode
from vpa.retrieval.light.reranker import LightReranker
from vpa.retrieval.rerank import Facts, Reranker, reranked

DEPTH = 50


def processor() -> str:
    """The name of the processor, where the system tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


class Recorded(Reranker):
    """Keeps what a search hands to its reranker, and leaves the order."""

    reads_vectors = True

    def __init__(self) -> None:
        self.seen: list[tuple[str, list[Candidate], Facts]] = []

    async def scores(self, question: str, candidates: Any) -> list[float]:
        """All the same."""
        return [0.0] * len(candidates)

    async def judge(self, question: str, candidates: Any, facts: Facts) -> Any:
        """Note what was given."""
        self.seen.append((question, list(candidates), facts))
        return await super().judge(question, candidates, facts)


async def quality(system: EnhancedRAGSystem, data: Dataset) -> dict[str, Any]:
    """nDCG@10 without and with the reranker, and the paired test of the two."""

    def search(rerank: Any) -> Any:
        async def ask(question: str) -> list[str]:
            results = await system.search_knowledge(question, top_k=10, group_by="document", rerank=rerank)
            return [result.document_id for result in results]

        return ask

    plain = await evaluate(search("none"), data.queries, data.qrels, measures=["nDCG@10"])
    light = await evaluate(search("light"), data.queries, data.qrels, measures=["nDCG@10"])
    test = compare(light, plain).tests["nDCG@10"]
    return {
        "hybrid nDCG@10": plain.mean["nDCG@10"],
        "light nDCG@10": light.mean["nDCG@10"],
        "difference": test.difference,
        "95 % interval": [test.interval.low, test.interval.high],
        "p": test.p_value,
        "better/worse/equal": f"{test.better}/{test.worse}/{test.equal}",
    }


async def timed(system: EnhancedRAGSystem, shelf: Shelf, seen: list[tuple[str, list[Candidate], Facts]]) -> Any:
    """Milliseconds of one reranking: median and 95th percentile, and the same of processor time, which a busy machine
    changes less.
    """
    source = Tokens(system._embedder, shelf, workers=system._workers)
    reranker = LightReranker(source, run=system._workers.run)
    times, used = [], []
    for question, candidates, facts in [*seen[:20], *seen]:
        await source.question(question)
        fresh = ranked(Candidate(one.match, one.score, fused=one.fused) for one in candidates)
        started, worked = time.perf_counter(), time.process_time()
        await reranked(question, fresh, reranker, depth=DEPTH, seconds=10, facts=facts)
        times.append(1000 * (time.perf_counter() - started))
        used.append(1000 * (time.process_time() - worked))
    return [round(float(value), 2) for row in (times, used) for value in np.percentile(row[20:], [50, 95])]


async def costs(system: EnhancedRAGSystem, data: Dataset) -> dict[str, Any]:
    """Times from memory and from a file, and bytes."""
    recorded = Recorded()
    for question in data.queries.values():
        await system.search_knowledge(question, top_k=10, rerank=recorded, rerank_depth=DEPTH, rerank_weight=0.0)
    shelf = system._tokens._shelf
    assert isinstance(shelf, MemoryShelf)
    values = list(shelf._values.values())
    tokens = [len(codes.tokens.codes) for value in values if (codes := decode(value)) is not None]
    result: dict[str, Any] = {
        "tokens a chunk": round(float(np.mean(tokens)), 1),
        "bytes a chunk": round(float(np.mean([len(value) for value in values]))),
        "memory ms, CPU ms": await timed(system, shelf, recorded.seen),
    }
    with tempfile.TemporaryDirectory() as folder:
        file = FileShelf(f"{folder}/tokens.sqlite", layout=TOKEN_VECTORS, max_bytes=1 << 30)
        file.put(shelf._values)
        result["file ms, CPU ms"] = await timed(system, file, recorded.seen)
        file.close()
        result["file bytes a chunk"] = Path(file.path).stat().st_size // len(values)
    return result


async def measure(folder: Path, chunk_size: int, documents: int | None) -> dict[str, Any]:
    """All figures for one chunk size."""
    data = read_dataset(folder)
    config = DeploymentConfig(
        embedding_model="minilm", chunk_size=chunk_size, rerank="light", token_vectors_mb=4096, cache_size_mb=0
    )
    async with vpa.connect("embedded://") as manager, vpa.create_enhanced_rag_system(config, manager=manager) as system:
        report = await system.add_documents(
            NewDocument(document_id=one.document_id, title=one.title, content=one.content)
            for one in islice(data.documents(), documents)
            if one.content.strip()
        )
        figures: dict[str, Any] = {"chunk size": chunk_size, "chunks": report.chunks}
        if documents is None:
            figures |= await quality(system, data)
        return figures | await costs(system, data)


def main() -> None:
    """Print the figures, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--chunk-sizes", type=int, nargs="+", default=[1000, 100_000])
    parser.add_argument("--documents", type=int)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(f"{processor()}; {machine()}")
    figures = [asyncio.run(measure(options.folder, size, options.documents)) for size in options.chunk_sizes]
    for row in figures:
        for name, value in row.items():
            print(f"  {name:<20} {round(value, 4) if isinstance(value, float) else value}")
        print()
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
