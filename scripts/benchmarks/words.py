"""Keyword and hybrid search of the embedded engine, beside bm25s and Tantivy on the same texts in the same run.

`python words.py [--rows 100000] [--json FILE]`. Texts: three neighbouring pieces of the prose of `vectors.py` each
(about 60 words). Questions: 3 to 8 neighbouring words of a piece, and 20 of them. Each library cuts the texts by
itself: bm25s with its own tokenizer, PyStemmer and English stop words, Tantivy with `en_stem`. Times are medians over
all questions, in turn. Filters: for bm25s a mask over all scores, for Tantivy a clause on an indexed number. Tantivy
returns keys only; ours are matches with text and metadata. Hybrid takes the vectors of `vectors.py`, which belong to
other texts: it is measured for its time. `question`: hybrid with the embedding of the question by MiniLM.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
import psutil
import Stemmer
import tantivy
from common import machine
from vectors import dataset, passages

import vpa
from vpa import F, RecordBatch
from vpa.analysis.analyser import analyser_of
from vpa.engine.lexical.index import WordIndex

TOP_K, QUESTIONS, WARM = 10, 300, 20


def texts(rows: int) -> list[str]:
    """Three pieces of prose each; pieces repeat where there are too few."""
    pieces = list(islice(passages(), 40_000))
    rng = np.random.default_rng(0)
    firsts = rng.permutation(rows) % (len(pieces) - 2)
    seconds = rng.integers(0, len(pieces), rows)
    return [f"{pieces[a]} {pieces[a + 1]} {pieces[b]}" for a, b in zip(firsts.tolist(), seconds.tolist(), strict=True)]


def questions(among: Sequence[str], *, least: int, most: int, seed: int) -> list[str]:
    """Neighbouring words of texts."""
    rng = np.random.default_rng(seed)
    result = []
    while len(result) < QUESTIONS:
        words = among[rng.integers(0, len(among))].split()
        size = int(rng.integers(least, most + 1))
        if len(words) > size:
            first = int(rng.integers(0, len(words) - size))
            result.append(" ".join(words[first : first + size]))
    return result


def memory_mb() -> float:
    """Resident memory of this process."""
    return psutil.Process().memory_info().rss / 1e6


async def timed(asked: Sequence[Any], call: Callable[[Any], Awaitable[object]]) -> float:
    """Median milliseconds of a question."""
    for question in asked[:WARM]:
        await call(question)
    times = []
    for question in asked:
        started = time.perf_counter()
        await call(question)
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


class Ours:
    """The embedded engine in memory."""

    name = "vpa"

    async def load(self, corpus: Sequence[str], vectors: np.ndarray, asked: np.ndarray) -> float:
        """Seconds until the words of all texts are there, without the time to write the records."""
        self._db = await vpa.connect("embedded://").__aenter__()
        self._docs = await self._db.create_collection("words", embedder="minilm", keywords="english")
        groups = np.arange(len(corpus)) % 100
        ids = [f"t{n}" for n in range(len(corpus))]
        for start in range(0, len(corpus), 10_000):
            part = slice(start, start + 10_000)
            await self._docs.upsert(
                RecordBatch.from_columns(
                    ids=ids[part], vectors=vectors[part], texts=corpus[part], metadata={"group": groups[part]}
                )
            )
        self._asked = asked
        # The engine does this in the background; here once more, alone, so that it can be timed.
        await self._docs.optimize()
        started = time.perf_counter()
        alone = WordIndex.of(analyser_of("english"))
        alone.settle(len(corpus), lambda numbers: [corpus[number] for number in numbers])
        return time.perf_counter() - started

    async def search(self, question: str, share: float | None = None) -> object:
        """Ten matches."""
        node = None if share is None else F("group") < round(100 * share)
        return await self._docs.search(text=question, mode="keyword", top_k=TOP_K, filter=node)

    async def hybrid(self, question: str) -> object:
        """Ten matches by both."""
        vector = self._asked[len(question) % len(self._asked)]
        return await self._docs.search(vector, text=question, mode="hybrid", top_k=TOP_K)

    async def question(self, question: str) -> object:
        """Ten matches by both, the question's vector made by MiniLM."""
        return await self._docs.search(text=question, mode="hybrid", top_k=TOP_K)

    async def close(self) -> None:
        """Let the store go."""
        await self._db.close()


class Bm25s:
    """bm25s with its defaults but for the method."""

    name = "bm25s"

    async def load(self, corpus: Sequence[str], vectors: np.ndarray, asked: np.ndarray) -> float:
        """Seconds to tokenize and index."""
        started = time.perf_counter()
        self._stemmer = Stemmer.Stemmer("english")
        tokens = bm25s.tokenize(list(corpus), stopwords="en", stemmer=self._stemmer, show_progress=False)
        self._index = bm25s.BM25(method="lucene")
        self._index.index(tokens, show_progress=False)
        taken = time.perf_counter() - started
        self._groups = np.arange(len(corpus)) % 100
        return taken

    async def search(self, question: str, share: float | None = None) -> object:
        """Ten numbers and scores."""
        tokens = bm25s.tokenize(question, stopwords="en", stemmer=self._stemmer, show_progress=False)
        mask = None if share is None else (self._groups < round(100 * share)).astype(np.float32)
        return self._index.retrieve(tokens, k=TOP_K, show_progress=False, weight_mask=mask)

    async def close(self) -> None:
        """Nothing."""


class Tantivy:
    """Tantivy in memory, one segment."""

    name = "tantivy"

    async def load(self, corpus: Sequence[str], vectors: np.ndarray, asked: np.ndarray) -> float:
        """Seconds to add and commit."""
        started = time.perf_counter()
        builder = tantivy.SchemaBuilder()
        builder.add_integer_field("key", stored=True)
        builder.add_integer_field("group", indexed=True, fast=True)
        builder.add_text_field("text", tokenizer_name="en_stem")
        self._index = tantivy.Index(builder.build())
        writer = self._index.writer(heap_size=256 << 20, num_threads=1)
        for number, text in enumerate(corpus):
            writer.add_document(tantivy.Document(key=number, group=number % 100, text=text))
        writer.commit()
        writer.wait_merging_threads()
        self._index.reload()
        self._searcher = self._index.searcher()
        return time.perf_counter() - started

    async def search(self, question: str, share: float | None = None) -> object:
        """Ten keys and scores."""
        plain = "".join(letter if letter.isalnum() else " " for letter in question)
        query = self._index.parse_query(plain, ["text"])
        if share is not None:
            chosen = tantivy.Query.range_query(
                self._index.schema, "group", tantivy.FieldType.Integer, 0, round(100 * share) - 1
            )
            query = tantivy.Query.boolean_query([(tantivy.Occur.Must, query), (tantivy.Occur.Must, chosen)])
        hits = self._searcher.search(query, TOP_K).hits
        return [self._searcher.doc(address)["key"] for _, address in hits]

    async def close(self) -> None:
        """Nothing."""


async def measure(rows: int) -> list[dict[str, Any]]:
    """A row of figures for each library."""
    corpus = texts(rows)
    vectors, asked = dataset(rows)
    short = questions(corpus, least=3, most=8, seed=1)
    long = questions(corpus, least=20, most=20, seed=2)
    words = sum(len(text.split()) for text in corpus[:1000]) / 1000
    print(f"{rows} texts of {words:.0f} words; {QUESTIONS} questions of 3 to 8 words and of 20 ({machine()})")
    result = []
    for library in (Ours(), Bm25s(), Tantivy()):
        before = memory_mb()
        ready = await library.load(corpus, vectors, asked)
        figures: dict[str, Any] = {
            "library": library.name,
            "ready texts/s": rows / ready,
            "grew MB": memory_mb() - before,
            "3-8 words ms": await timed(short, library.search),
            "20 words ms": await timed(long, library.search),
            "1 % ms": await timed(short, lambda q, one=library: one.search(q, 0.01)),
            "50 % ms": await timed(short, lambda q, one=library: one.search(q, 0.5)),
        }
        if isinstance(library, Ours):
            figures["hybrid ms"] = await timed(short, library.hybrid)
            figures["question ms"] = await timed(short, library.question)
            figures["20-word question ms"] = await timed(long, library.question)
        print(
            json.dumps(
                {name: round(value, 3) if isinstance(value, float) else value for name, value in figures.items()}
            )
        )
        result.append(figures)
        await library.close()
    return result


def main() -> None:
    """Print the figures, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = asyncio.run(measure(options.rows))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
