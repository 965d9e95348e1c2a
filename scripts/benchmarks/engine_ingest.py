"""Upsert of 100,000 x 384 with three metadata fields: as a RecordBatch in memory and durable, as Record objects;
memory.

Each figure comes from a process of its own: `engine_ingest.py KIND` prints one.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import subprocess
import sys
import tempfile
import time

import psutil
from common import DIMENSION, ROWS, matrix, metadata, table

import vpa

KINDS = {"memory": "RecordBatch, in memory", "durable": "RecordBatch, durable", "records": "Record objects, in memory"}


async def measure(kind: str) -> None:
    """Print seconds, and what the process grew beyond the caller's arrays, as a multiple of the raw vectors."""
    vectors, fields = matrix(), metadata()
    ids = [f"id{n}" for n in range(ROWS)]
    process = psutil.Process()
    with tempfile.TemporaryDirectory() as directory:
        async with vpa.connect(f"embedded://{directory}" if kind == "durable" else "embedded://") as db:
            docs = await db.create_collection("docs", dimension=DIMENSION)
            await docs.upsert([vpa.Record("warm", vector=vectors[0])])
            given = vpa.RecordBatch(ids=ids, vectors=vectors, metadata=fields)
            if kind == "records":
                given = [vpa.Record(ids[n], vector=vectors[n], metadata=fields[n]) for n in range(ROWS)]
            gc.collect()
            before = process.memory_info().rss
            started = time.perf_counter()
            await docs.upsert(given)
            seconds = time.perf_counter() - started
            gc.collect()
            grown = process.memory_info().rss - before
            assert await docs.count() == ROWS + 1
    print(seconds, grown / vectors.nbytes)


def main() -> None:
    """Three runs of each kind, in turn."""
    runs: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
    for _ in range(3):
        for kind, found in runs.items():
            done = subprocess.run([sys.executable, __file__, kind], capture_output=True, text=True, check=True)
            seconds, grown = map(float, done.stdout.split())
            found.append((seconds, grown))
    goals = {"memory": "  (goal >= 50,000)", "durable": "  (goal >= 20,000)", "records": ""}
    rows = []
    for kind, name in KINDS.items():
        seconds = statistics.median(one for one, _ in runs[kind])
        grown = statistics.median(two for _, two in runs[kind])
        rows.append(
            (
                name,
                f"{ROWS / seconds:>9,.0f} records/s{goals[kind]}; memory grows {grown:.2f} x the raw vectors (goal <= "
                "1.5)",
            )
        )
    table(f"upsert of {ROWS:,} x {DIMENSION} with three metadata fields, median of 3 processes", rows)


if __name__ == "__main__":
    asyncio.run(measure(sys.argv[1])) if len(sys.argv) > 1 else main()
