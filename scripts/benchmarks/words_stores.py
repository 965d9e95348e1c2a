"""Keyword and hybrid search store by store: nDCG@10 on Cranfield, how far answers are from the engine's, and times.

`python words_stores.py [FORM…] [--rows 20000] [--json FILE]`. Quality: the 1,400 abstracts of `data/cranfield`, whole,
title and text, with MiniLM's vectors; every judged question by words, and by words and vector (z-scores). Times: as
many texts as `--rows`, three pieces of the prose of `vectors.py` each, with random vectors of 64 dimensions, questions
of 3 to 8 words, after `optimize()`; `load` is beside that of the same records in a collection without a keyword index.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import lzma
import math
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import machine
from running import running
from vectors import CACHE, DATA
from words import questions, texts

import vpa
from vpa import Record, RecordBatch
from vpa.analysis.analyser import analyser_of
from vpa.embeddings.minilm.model import MiniLM

FORMS = (
    "mock",
    "pgvector",
    "qdrant engine",
    "chromadb server",
    "milvus lite",
    "weaviate server",
    "pinecone, soft deletes",
)
TOP_K, DIMENSION, BATCH = 10, 64, 1000


class Cranfield:
    """Documents, questions, judgements and MiniLM's vectors of both, which are kept in `.vpa-bench/`."""

    def __init__(self) -> None:
        with lzma.open(DATA / "corpus.jsonl.xz", "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        written = [row for row in rows if row["text"].strip()]
        self.texts = {str(row.get("_id", row.get("id"))): f"{row['title']}. {row['text']}" for row in written}
        with open(DATA / "queries.jsonl", encoding="utf-8") as lines:
            asked = [json.loads(line) for line in lines]
        self.judged: dict[str, dict[str, int]] = {}
        for line in (DATA / "qrels.tsv").read_text("utf-8").splitlines()[1:]:
            query, document, judgement = line.split("\t")
            self.judged.setdefault(query, {})[document] = int(judgement)
        self.questions = {str(row.get("_id", row.get("id"))): row["text"] for row in asked}
        self.vectors, self.asked = self._embedded()

    def _embedded(self) -> tuple[np.ndarray, np.ndarray]:
        file = CACHE / "cranfield-whole.npz"
        if not file.is_file():
            model = MiniLM()
            CACHE.mkdir(exist_ok=True)
            documents, asked = model.encode(list(self.texts.values())), model.encode(list(self.questions.values()))
            np.savez(file, documents=documents, asked=asked)
        held = np.load(file)
        return held["documents"], held["asked"]

    def ndcg(self, rankings: dict[str, list[str]]) -> float:
        """Mean nDCG@10 over the judged questions."""
        values = []
        for query, judged in self.judged.items():
            gains = [judged.get(name, 0) / math.log2(place + 2) for place, name in enumerate(rankings[query][:TOP_K])]
            best = sorted(judged.values(), reverse=True)[:TOP_K]
            ideal = sum(gain / math.log2(place + 2) for place, gain in enumerate(best))
            values.append(sum(gains) / ideal if ideal else 0.0)
        return statistics.mean(values)


async def load(docs: vpa.Collection, rows: RecordBatch) -> float:
    """Seconds that it took."""
    started = time.perf_counter()
    for start in range(0, len(rows), BATCH):
        part = slice(start, start + BATCH)
        await docs.upsert(RecordBatch(ids=rows.ids[part], vectors=rows.vectors[part], texts=rows.texts[part]))  # type: ignore[index]
    return time.perf_counter() - started


async def quality(db: vpa.VectorDatabaseManager, data: Cranfield) -> dict[str, Any]:
    """nDCG of both modes, and every ranking with its scores."""
    docs = await db.create_collection("cranfield", dimension=384, keywords="english")
    try:
        pairs = zip(data.texts.items(), data.vectors, strict=True)
        await docs.upsert([Record(name, vector=vector, text=text) for (name, text), vector in pairs])
        await docs.optimize()
        answers: dict[str, dict[str, Any]] = {"keyword": {}, "hybrid": {}}
        for (query, text), vector in zip(data.questions.items(), data.asked, strict=True):
            answers["keyword"][query] = await docs.search(text=text, mode="keyword", top_k=TOP_K)
            answers["hybrid"][query] = await docs.search(vector, text=text, mode="hybrid", top_k=TOP_K)
    finally:
        await db.drop_collection("cranfield")
    shown = {mode: data.ndcg({query: one.ids for query, one in found.items()}) for mode, found in answers.items()}
    return {"ndcg": shown, "answers": answers}


def distance(answers: dict[str, Any], reference: dict[str, Any]) -> dict[str, float]:
    """The share of questions with the same ten records, and the largest difference of two scores in one place."""
    same, furthest = 0, 0.0
    for query, answer in answers.items():
        same += answer.ids == reference[query].ids
        pairs = zip(answer, reference[query], strict=False)
        furthest = max(furthest, max((abs(mine.score - theirs.score) for mine, theirs in pairs), default=0.0))
    return {"same": same / len(answers), "furthest": furthest}


async def speed(db: vpa.VectorDatabaseManager, rows: int) -> dict[str, float]:
    """Milliseconds of searches, and seconds of loading with and without words."""
    written = texts(rows)
    vectors = np.random.default_rng(0).standard_normal((rows, DIMENSION)).astype(np.float32)
    batch = RecordBatch(ids=[f"r{n}" for n in range(rows)], vectors=vectors, texts=written)
    plain = await db.create_collection("plain", dimension=DIMENSION)
    facts = {"load without": await load(plain, batch)}
    await db.drop_collection("plain")
    docs = await db.create_collection("words", dimension=DIMENSION, keywords="english")
    try:
        facts["load with"] = await load(docs, batch)
        started = time.perf_counter()
        await docs.optimize()
        facts["optimize"] = time.perf_counter() - started
        analyser = analyser_of("english")
        asked = [text for text in questions(written, least=3, most=8, seed=1) if analyser.terms(text)][:100]
        for name in ("keyword", "hybrid"):
            times = []
            for place, text in enumerate(asked):
                started = time.perf_counter()
                vector = vectors[place] if name == "hybrid" else None
                await docs.search(vector, text=text, mode=name, top_k=TOP_K)
                times.append(time.perf_counter() - started)
            facts[name] = statistics.median(times[10:]) * 1000
            facts[f"{name} p95"] = float(np.quantile(times[10:], 0.95)) * 1000
    finally:
        await db.drop_collection("words")
    return facts


async def measure(form: str, data: Cranfield, rows: int) -> dict[str, Any]:
    """One store, in a process of its own."""
    with running() as stores:
        async with vpa.VectorDatabaseManager(stores.config(form, timeout_seconds=3600.0)) as db:
            facts = await quality(db, data)
            return {**facts, "speed": await speed(db, rows) if rows else {}}


async def main(forms: list[str], rows: int, file: Path | None) -> None:
    print(f"Cranfield and {rows:,} texts; {machine()}")
    data, results, reference = Cranfield(), {}, None
    for form in ["mock", *[form for form in forms if form != "mock"]]:
        facts = await measure(form, data, rows)
        answers = facts.pop("answers")
        reference = reference or answers
        facts["beside the engine"] = {mode: distance(answers[mode], reference[mode]) for mode in answers}
        results[form] = facts
        shown = "  ".join(
            f"{mode} {facts['ndcg'][mode]:.4f} ({one['same']:.1%} same, scores to {one['furthest']:.0e})"
            for mode, one in facts["beside the engine"].items()
        )
        times = "  ".join(f"{name} {value:.1f}" for name, value in facts["speed"].items())
        print(f"  {form:<24} {shown}\n  {'':<24} {times}", flush=True)
        if file is not None:
            file.write_text(json.dumps({"machine": machine(), "rows": rows, "stores": results}, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("forms", nargs="*", help=", ".join(FORMS))
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.forms or list(FORMS), arguments.rows, arguments.json))
