"""What the adapters of LangChain, Haystack and LlamaIndex cost over the collection below them, embedded and durable.

`python frameworks.py [NAME …] [--rows 20000] [--json FILE]`. The vectors of `vectors.py`, given with the documents, so
that no model is timed; texts of 360 characters and three fields; the framework's own documents are made beforehand. The
same records go through the collection without await, as a list of mappings. Both sides are asked in turn; times are
medians. A search returns the framework's documents, ours our matches.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import machine
from vectors import dataset

import vpa.sync

DIMENSION, TOP_K, SEARCHES, PART, GOAL = 384, 10, 300, 1000, 1.15


def metadata(number: int) -> dict[str, Any]:
    """Three fields."""
    return {"group": number % 100, "half": ("even", "odd")[number % 2], "score": number * 37 % 1000 / 10}


def text(number: int) -> str:
    """360 characters."""
    return f"text of record {number} " * 20


class Given:
    """An embedding model of LangChain's shape that knows the vectors beforehand."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.rows = vectors.tolist()
        self.at = 0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """The next so many."""
        self.at += len(texts)
        return self.rows[self.at - len(texts) : self.at]

    def embed_query(self, text: str) -> list[float]:
        """The first."""
        return self.rows[0]


class LangChain:
    """`add_texts` and `similarity_search_with_score_by_vector`."""

    def __init__(self, place: str, vectors: np.ndarray) -> None:
        from langchain_core.embeddings import Embeddings

        from vpa.integrations.langchain import VPAVectorStore

        model = type("GivenEmbeddings", (Given, Embeddings), {})(vectors)
        self.store = VPAVectorStore(model, place=place, collection_name="framework", metric="cosine")
        self.documents = [(text(n), metadata(n), f"record-{n}") for n in range(len(vectors))]

    def write(self, part: slice) -> None:
        """One batch."""
        texts, fields, ids = zip(*self.documents[part], strict=True)
        self.store.add_texts(texts, list(fields), ids=list(ids))

    def search(self, query: list[float]) -> list[str]:
        """Ids."""
        found = self.store.similarity_search_with_score_by_vector(query, k=TOP_K)
        return [document.id for document, _ in found]


class Haystack:
    """`write_documents` and `embedding_retrieval`."""

    def __init__(self, place: str, vectors: np.ndarray) -> None:
        from haystack import Document

        from vpa.integrations.haystack import VPADocumentStore

        self.store = VPADocumentStore(place=place, collection="framework", metric="cosine")
        self.documents = [
            Document(id=f"record-{n}", content=text(n), meta=metadata(n), embedding=row)
            for n, row in enumerate(vectors.tolist())
        ]

    def write(self, part: slice) -> None:
        """One batch, replacing as upsert does."""
        self.store.write_documents(self.documents[part], policy="overwrite")

    def search(self, query: list[float]) -> list[str]:
        """Ids."""
        return [document.id for document in self.store.embedding_retrieval(query, top_k=TOP_K)]


class LlamaIndex:
    """`add` and `query`."""

    def __init__(self, place: str, vectors: np.ndarray) -> None:
        from llama_index.core.schema import TextNode

        from vpa.integrations.llamaindex import VPAVectorStore

        self.store = VPAVectorStore(place=place, collection_name="framework", metric="cosine")
        self.documents = [
            TextNode(id_=f"record-{n}", text=text(n), metadata=metadata(n), embedding=row)
            for n, row in enumerate(vectors.tolist())
        ]

    def write(self, part: slice) -> None:
        """One batch."""
        self.store.add(self.documents[part])

    def search(self, query: list[float]) -> list[str]:
        """Ids."""
        from llama_index.core.vector_stores.types import VectorStoreQuery

        found = self.store.query(VectorStoreQuery(query_embedding=query, similarity_top_k=TOP_K))
        return list(found.ids or ())


FRAMEWORKS: dict[str, Callable[[str, np.ndarray], Any]] = {
    "langchain": LangChain,
    "haystack": Haystack,
    "llamaindex": LlamaIndex,
}


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and the answer."""
    started = time.perf_counter()
    answer = call()
    return time.perf_counter() - started, answer


def measure(name: str, vectors: np.ndarray, queries: np.ndarray) -> dict[str, Any]:
    """Medians of both sides, and their ratios."""
    parts = [slice(start, start + PART) for start in range(0, len(vectors), PART)]
    with tempfile.TemporaryDirectory(prefix="vpa-bench-") as directory:
        framework = FRAMEWORKS[name](f"embedded://{directory}/framework", vectors)
        with vpa.sync.connect(f"embedded://{directory}/core") as db:
            core = db.create_collection("core", dimension=DIMENSION)
            rows = [
                {"id": f"record-{n}", "vector": row, "text": text(n), "metadata": metadata(n)}
                for n, row in enumerate(vectors.tolist())
            ]
            written: list[list[float]] = [[], []]
            for part in parts:
                written[0].append(timed(lambda part=part: framework.write(part))[0])
                written[1].append(timed(lambda part=part: core.upsert(rows[part]))[0])
            searched: list[list[float]] = [[], []]
            for query in queries[:SEARCHES].tolist():
                took, theirs = timed(lambda query=query: framework.search(query))
                searched[0].append(took)
                took, ours = timed(lambda query=query: core.search(query, top_k=TOP_K))
                searched[1].append(took)
                assert theirs == ours.ids, (theirs, ours.ids)
        framework.store.close()
    seen = {}
    for verb, (above, below) in (("write 1,000", written), ("search", searched)):
        medians = statistics.median(above), statistics.median(below)
        seen[verb] = {"ms": [one * 1000 for one in medians], "ratio": medians[0] / medians[1]}
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=", ".join(FRAMEWORKS))
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    vectors, queries = dataset(arguments.rows, DIMENSION)
    print(f"{arguments.rows:,} documents x {DIMENSION}; {machine()}; goal {GOAL}")
    results = {}
    for name in arguments.names or FRAMEWORKS:
        results[name] = measure(name, vectors, queries)
        for verb, one in results[name].items():
            mark = "" if one["ratio"] <= GOAL else "  above the goal"
            above, below = one["ms"]
            print(f"  {name:<12} {verb:<12} {above:8.2f} ms, core {below:8.2f} ms, ratio {one['ratio']:.2f}{mark}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({"machine": machine(), "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
