"""A million records through each adapter: what takes how long, and whether anything grows with the number of records.

`python large.py [STORE …] [--rows 1000000] [--recall 0.99] [--exact-searches 3] [--store-options JSON] [--migrate]
[--json FILE]`.
The vectors of `vectors.py`, texts of 360 characters and three fields are loaded from columns in batches of 10,000; the
rate of each tenth and the memory of this process are printed, then searches, counts, scans from the beginning, the
middle and the end, a copy to Parquet, a delete by filter, and opening anew. Recall is counted against plain NumPy.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from adapters import GROUP, HALF, OURS, truth
from bare import TOP_K, Data
from common import machine
from running import running
from vectors import dataset

import vpa
from vpa.client.manager import VectorDatabaseManager

FORMS = {
    "pgvector": "pgvector",
    "pgvector-hnsw": "pgvector with hnsw",
    "qdrant": "qdrant engine",
    "weaviate": "weaviate server",
    "milvus": "milvus lite over gRPC",
    "chromadb": "chromadb server",
}
BATCH, DIMENSION, SEARCHES = 10_000, 384, 50
# So long one kind of search is asked again, and a scan goes on.
PATIENCE_S = 60.0
SCANNED = 20_000
FILTERS: tuple[str | None, ...] = (None, "1 %", "50 %")


class Texts(list[str]):
    """Texts that are made when they are asked for: a million of them would be the memory that is measured."""

    def __init__(self, first: int, last: int) -> None:
        super().__init__(f"text of record {n} " * 20 for n in range(first, last))


def metadata(first: int, last: int) -> list[dict[str, Any]]:
    """The three fields of the records."""
    return [{"group": n % 100, "half": ("even", "odd")[n % 2], "score": n * 37 % 1000 / 10} for n in range(first, last)]


class Measured:
    """One store: what was seen of it, by name."""

    def __init__(self, store: str, rows: int, vectors: np.ndarray, queries: np.ndarray) -> None:
        self.store, self.rows, self.vectors, self.queries = store, rows, vectors, queries
        self.seen: dict[str, Any] = {}

    def note(self, name: str, value: Any) -> None:
        """Keep and print it."""
        self.seen[name] = value
        print(f"  {self.store:<14} {name:<22} {value}", flush=True)

    async def timed(self, name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        """Seconds of one step; what it raises is kept in their place."""
        started = time.perf_counter()
        try:
            answer = await work()
        except vpa.VectorDatabaseError as error:
            self.note(name, f"{type(error).__name__} after {time.perf_counter() - started:.1f} s: {str(error)[:200]}")
            return None
        self.note(name, f"{time.perf_counter() - started:.2f} s")
        return answer

    async def load(self, docs: vpa.Collection) -> None:
        """In batches; the rate of each tenth, and how far memory rose above the vectors that were there before."""
        process, before, rates = psutil.Process(), psutil.Process().memory_info().rss, []
        highest, started, last = before, time.perf_counter(), time.perf_counter()
        for first in range(0, self.rows, BATCH):
            end = min(self.rows, first + BATCH)
            batch = vpa.RecordBatch(
                ids=[f"record-{n}" for n in range(first, end)],
                vectors=self.vectors[first:end],
                texts=Texts(first, end),
                metadata=metadata(first, end),
            )
            await docs.upsert(batch)
            highest = max(highest, process.memory_info().rss)
            if end * 10 // self.rows > first * 10 // self.rows:
                rates.append(round(self.rows / 10 / (time.perf_counter() - last)))
                last = time.perf_counter()
        self.note("load", f"{self.rows / (time.perf_counter() - started):,.0f} records/s; each tenth {rates}")
        self.note("memory while loading", f"{(highest - before) / 2**20:,.0f} MiB")

    async def search(self, docs: vpa.Collection, exact_searches: int) -> None:
        """Medians and recall, without and with filters; and exact ones."""
        data = Data(self.vectors, range(self.rows), [], [], [])  # type: ignore[arg-type]
        expected = truth(data, self.queries[:SEARCHES])
        for name in FILTERS:
            times, shares, began = [], [], time.perf_counter()
            for query, wanted in zip(self.queries, expected[name], strict=False):
                started = time.perf_counter()
                found = await docs.search(vector=query, top_k=TOP_K, filter=OURS[name])
                times.append(time.perf_counter() - started)
                shares.append(len({f"record-{place}" for place in wanted} & set(found.ids)) / len(wanted))
                if time.perf_counter() - began > PATIENCE_S:
                    break
            shown = f"{statistics.median(times) * 1000:,.2f} ms, recall {np.mean(shares):.4f} ({len(times)} searches)"
            self.note("search" if name is None else f"filter {name}", shown)
        for number in range(exact_searches):
            query = self.queries[number]
            await self.timed("exact", lambda query=query: docs.search(vector=query, top_k=TOP_K, exact=True))

    async def scan(self, docs: vpa.Collection) -> None:
        """Rates at the beginning and behind ever more records, by the cursor: flat if no step grows with them."""
        read, rates, started, began = 0, [], time.perf_counter(), time.perf_counter()
        async for batch in docs.scan_batches(batch_size=1000):
            read += len(batch)
            if read % SCANNED == 0:
                rates.append(round(SCANNED / (time.perf_counter() - started)))
                started = time.perf_counter()
        parts = [rates[0], rates[len(rates) // 2], rates[-1]] if rates else []
        self.note(
            "scan", f"{read / (time.perf_counter() - began):,.0f} records/s of {read:,}; start, middle, end {parts}"
        )

    async def migrate(self, db: VectorDatabaseManager) -> None:
        """To the embedded engine, and the proof that it arrived."""
        with tempfile.TemporaryDirectory(prefix="vpa-bench-") as directory:
            async with vpa.connect(f"embedded://{directory}/copy") as target:
                await self.timed("migrate with proof", lambda: vpa.migrate(db, target, collection="large"))

    async def rest(self, docs: vpa.Collection) -> None:
        """Count, export with proof of its own, delete by filter."""
        counted = await self.timed("count", docs.count)
        assert counted is None or counted == self.rows, counted
        await self.timed("count 1 %", lambda: docs.count(filter={"group": GROUP}))
        await self.timed("count 50 %", lambda: docs.count(filter={"half": HALF}))
        with tempfile.TemporaryDirectory() as directory:
            await self.timed("export to Parquet", lambda: vpa.export_parquet(docs, Path(directory) / "copy.parquet"))
        await self.timed("delete 1 %", lambda: docs.delete(filter={"group": GROUP}))


async def measure(store: str, arguments: argparse.Namespace, stores: Any) -> dict[str, Any]:
    """Every step of one store."""
    vectors, queries = dataset(arguments.rows, DIMENSION)
    measured = Measured(store, arguments.rows, vectors, queries)
    config = stores.config(FORMS[store], timeout_seconds=3600.0)
    options = json.loads(arguments.store_options)
    async with VectorDatabaseManager(config) as db:
        docs = await db.create_collection(
            "large", dimension=DIMENSION, recall=arguments.recall, store_options=options or None
        )
        await measured.load(docs)
        await measured.timed("optimize", docs.optimize)
        promise = (await db.get_statistics())["collections"]["large"].get("promise")
        if promise is not None:
            measured.note("promise", {key: promise.get(key) for key in ("kept", "measured", "effort", "filtered")})
        await measured.search(docs, arguments.exact_searches)
        await measured.scan(docs)
        if arguments.migrate:
            await measured.migrate(db)
        await measured.rest(docs)

    async def opened() -> None:
        async with VectorDatabaseManager(config) as db:
            await (await db.collection("large")).search(vector=queries[0])

    await measured.timed("opened and asked", opened)
    return measured.seen


async def main(arguments: argparse.Namespace) -> None:
    """Store by store."""
    print(f"{arguments.rows:,} records x {DIMENSION}; {machine()}")
    results = {}
    for store in arguments.stores or list(FORMS):
        with running() as stores:
            results[store] = await measure(store, arguments, stores)
        if arguments.json is not None:
            facts = {"machine": machine(), "rows": arguments.rows, "stores": results}
            arguments.json.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stores", nargs="*", help=", ".join(FORMS))
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--recall", type=float, default=None)
    parser.add_argument("--exact-searches", type=int, default=3)
    parser.add_argument("--store-options", default="{}", help="as JSON, for a single store")
    parser.add_argument("--migrate", action="store_true", help="also copy all of it to the embedded engine, verified")
    parser.add_argument("--json", type=Path, default=None)
    asyncio.run(main(parser.parse_args()))
