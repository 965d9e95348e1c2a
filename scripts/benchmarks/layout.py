"""What lies in a store beside the records: bytes, load, filters and new fields, with eight fields of metadata.

`python layout.py [STORE …] [--rows 20000]`. Vectors are short (8 dimensions) so that metadata is what is measured.
Bytes are those of the store's files without its write-ahead log, by how much they grow from the first quarter of the
records to the last; beside them stands what the metadata is as JSON. Runs on any version of the library.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import machine
from running import running

import vpa
from vpa.client.manager import VectorDatabaseManager

FORMS = {
    "pgvector": "pgvector",
    "qdrant": "qdrant engine",
    "weaviate": "weaviate server",
    "milvus": "milvus lite over gRPC",
    "chromadb": "chromadb server",
}
DIMENSION, BATCH, SEARCHES, NEW_FIELDS = 8, 1000, 30, 1000
FILTERS: dict[str, dict[str, Any]] = {
    "equal, 5 %": {"category": "category 7"},
    "range, 10 %": {"price": {"$lt": 100.0}},
    "in a list, 3 %": {"tags": "tag 11"},
    "date, 10 %": {"created": {"$gte": "2024-11-25T00:00:00Z"}},
}
# What grows for a while and is emptied, and what is no record.
LOGS = ("wal", "pg_wal", "raft", "log")


def metadata(n: int) -> dict[str, Any]:
    """As of a catalogue of goods."""
    return {
        "category": f"category {n % 20}",
        "brand": f"brand {n % 317}",
        "price": (n * 37 % 10_000) / 10,
        "stock": n * 13 % 500,
        "rating": n % 50 / 10,
        "active": n % 3 > 0,
        "tags": [f"tag {n * step % 100}" for step in (1, 7, 31)],
        "created": f"2024-{1 + n % 12:02}-{1 + n % 28:02}T{n % 24:02}:00:00Z",
    }


def batch(first: int, last: int) -> vpa.RecordBatch:
    """Records by number."""
    vectors = np.random.default_rng(first).standard_normal((last - first, DIMENSION)).astype(np.float32)
    return vpa.RecordBatch(
        ids=[f"record-{n}" for n in range(first, last)],
        vectors=vectors,
        texts=[f"text of record {n}" for n in range(first, last)],
        metadata=[metadata(n) for n in range(first, last)],
    )


def bytes_below(directory: Path) -> int:
    """Of all files but logs; of those with holes, what is in them."""
    files = [path for path in directory.rglob("*") if path.is_file() and path.suffix != ".log"]
    kept = [path for path in files if not any(part in LOGS for part in path.relative_to(directory).parts)]
    return sum(min(path.stat().st_size, path.stat().st_blocks * 512) for path in kept)


async def size(docs: vpa.Collection, db: VectorDatabaseManager, directory: Path) -> int:
    """What the store says of itself, or else its files."""
    await docs.optimize()
    said = (await db.get_statistics())["collections"]["layout"].get("size_bytes")
    return int(said) if said else bytes_below(directory)


async def measure(store: str, rows: int, stores: Any, directory: Path) -> None:
    """All of one store."""
    async with VectorDatabaseManager(stores.config(FORMS[store], timeout_seconds=600.0)) as db:
        docs = await db.create_collection("layout", dimension=DIMENSION)
        sizes, first = [], rows // 4
        for begin, end in ((0, first), (first, rows)):
            started = time.perf_counter()
            for at in range(begin, end, BATCH):
                await docs.upsert(batch(at, min(end, at + BATCH)))
            taken = time.perf_counter() - started
            sizes.append(await size(docs, db, directory))
        print(f"  {store:<10} load             {(rows - first) / taken:>10,.0f} records/s")
        print(f"  {store:<10} bytes a record   {(sizes[1] - sizes[0]) / (rows - first):>10,.0f}", flush=True)
        queries = np.random.default_rng(1).standard_normal((SEARCHES, DIMENSION)).astype(np.float32)
        for name, given in FILTERS.items():
            times = []
            await docs.search(vector=queries[0], filter=given)
            for query in queries:
                started = time.perf_counter()
                await docs.search(vector=query, filter=given)
                times.append(time.perf_counter() - started)
            print(f"  {store:<10} {name:<16} {statistics.median(times) * 1000:>10,.2f} ms", flush=True)
        started = time.perf_counter()
        await docs.upsert(
            [vpa.Record(f"new-{n}", vector=queries[0], metadata={f"field {n}": n}) for n in range(NEW_FIELDS)]
        )
        print(f"  {store:<10} 1,000 new fields {time.perf_counter() - started:>10,.2f} s", flush=True)


async def main(chosen: list[str], rows: int) -> None:
    """Store by store."""
    plain = statistics.fmean(len(json.dumps(metadata(n))) for n in range(1000))
    print(f"{rows:,} records, metadata of {plain:.0f} bytes as JSON; {machine()}")
    for store in chosen:
        with running() as stores:
            await measure(store, rows, stores, Path(stores._directory))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stores", nargs="*", help=", ".join(FORMS))
    parser.add_argument("--rows", type=int, default=20_000)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.stores or list(FORMS), arguments.rows))
