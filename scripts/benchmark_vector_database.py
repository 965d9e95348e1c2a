"""Benchmark of a store through the public API: writes vpa_vector_db_benchmark_report.json and prints a table.

    python scripts/benchmark_vector_database.py [--provider mock] [--url URL] [--records 10000] [--dimension 384]

Exit status 1 if a measurement failed. The schema of the report is in docs/reports.md. Speed depends on the machine:
compare ratios of one run, not numbers of two.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np

import vpa
from vpa import F
from vpa.base.errors import VectorDatabaseError
from vpa.config.deployment_config import get_config
from vpa.core.vector_database import Collection, VectorDatabaseManager, create_vector_database_manager
from vpa.stores.config import provider_name

QUERIES, CALLERS = 100, 50


async def latencies(call: Callable[[int], Awaitable[object]], *, runs: int) -> dict[str, float]:
    """p50, p95 and p99 in milliseconds, and calls a second."""
    times = []
    for number in range(runs):
        started = time.perf_counter()
        await call(number)
        times.append((time.perf_counter() - started) * 1000)
    ordered = sorted(times)
    return {
        "p50_ms": statistics.median(ordered),
        "p95_ms": ordered[int(runs * 0.95)],
        "p99_ms": ordered[int(runs * 0.99)],
        "per_second": 1000 * runs / sum(times),
    }


async def measure(manager: VectorDatabaseManager, *, records: int, dimension: int) -> dict[str, dict[str, float]]:
    """Every measurement, by name."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((records, dimension), dtype=np.float32)
    queries = rng.standard_normal((QUERIES, dimension), dtype=np.float32)
    metadata = [{"n": n, "category": "abcdefgh"[n % 8], "even": n % 2 == 0} for n in range(records)]
    ids = [f"r{n:07d}" for n in range(records)]
    name = f"bench{uuid.uuid4().hex[:8]}"
    async with manager:
        docs = await manager.create_collection(name, dimension=dimension)
        try:
            return await _measured(docs, vpa.RecordBatch(ids=ids, vectors=vectors, metadata=metadata), queries)
        finally:
            await manager.drop_collection(name)


async def _measured(docs: Collection, batch: vpa.RecordBatch, queries: np.ndarray) -> dict[str, dict[str, float]]:
    results: dict[str, dict[str, float]] = {}
    started = time.perf_counter()
    await docs.upsert(batch)
    results["upsert, one batch"] = {"per_second": len(batch) / (time.perf_counter() - started)}
    results["upsert, one record"] = await latencies(
        lambda n: docs.upsert([vpa.Record(f"one{n}", vector=queries[n % QUERIES], metadata={"n": -1})]), runs=200
    )
    results["get, one id"] = await latencies(lambda n: docs.get([batch.ids[n]]), runs=200)
    results["search, top 10"] = await latencies(lambda n: docs.search(vector=queries[n % QUERIES]), runs=2 * QUERIES)
    for title, node in {
        "search, filter keeps 50 %": F("even") == True,  # noqa: E712 (builds a filter)
        "search, filter keeps 12.5 %": F("category") == "a",
        "search, filter keeps 1 %": F("n") < len(batch) // 100,
    }.items():
        results[title] = await latencies(
            lambda n, node=node: docs.search(vector=queries[n % QUERIES], filter=node), runs=QUERIES
        )
    started = time.perf_counter()
    await docs.search_batch(vectors=queries)
    results["search_batch, 100 queries"] = {"per_second": QUERIES / (time.perf_counter() - started)}
    started = time.perf_counter()
    for _ in range(4):
        await asyncio.gather(*(docs.search(vector=query) for query in queries[:CALLERS]))
    results[f"search, {CALLERS} callers at once"] = {"per_second": 4 * CALLERS / (time.perf_counter() - started)}
    results["count with a filter"] = await latencies(lambda n: docs.count(filter=F("n") >= n), runs=100)
    started = time.perf_counter()
    scanned = len([record async for record in docs.scan(include_vectors=False)])
    results["scan"] = {"per_second": scanned / (time.perf_counter() - started)}
    started = time.perf_counter()
    gone = await docs.delete(filter=F("category") == "b")
    results["delete by filter"] = {"per_second": gone / (time.perf_counter() - started)}
    return results


def main() -> int:
    """Run, print, write; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--provider", default="mock", help="which store (default mock: in memory)")
    parser.add_argument("--url", help="where it is; settings come from VPA_* otherwise")
    parser.add_argument("--durable", action="store_true", help="mock: in a temporary directory instead of in memory")
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--report", default="vpa_vector_db_benchmark_report.json")
    args = parser.parse_args()
    provider, results, failure = provider_name(args.provider), {}, None
    with tempfile.TemporaryDirectory() as directory:
        try:
            if args.url or provider == "mock":
                manager = vpa.connect(args.url or (f"embedded://{directory}" if args.durable else "embedded://"))
            else:
                config = get_config()
                config.vector_db_provider = provider
                manager = create_vector_database_manager(config)
            results = asyncio.run(measure(manager, records=args.records, dimension=args.dimension))
        except VectorDatabaseError as error:
            failure = str(error)
    report: dict[str, Any] = {
        "format": 1,
        "vpa": vpa.__version__,
        "provider": provider,
        "records": args.records,
        "dimension": args.dimension,
        "machine": {
            "cores": os.cpu_count(),
            "architecture": platform.machine(),
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
        "seed": 0,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "error": failure,
        "results": results,
    }
    Path(args.report).write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    if failure is not None:
        sys.stderr.write(f"benchmark: {failure}\n")
        return 1
    print(f"{provider}, {args.records:,} x {args.dimension}")
    for name, values in results.items():
        timings = "  ".join(
            f"{key.removesuffix('_ms')} {values[key]:8.3f} ms"
            for key in ("p50_ms", "p95_ms", "p99_ms")
            if key in values
        )
        print(f"  {name:30} {values['per_second']:>12,.0f} /s   {timings}")
    print(f"report: {args.report}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
