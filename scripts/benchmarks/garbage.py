"""Dead rows and memory while two writers replace records without pause: 40,000 live rows x 384, 500 records a call.

`garbage.py [SECONDS] [--durable]`, 60 seconds by default. Then writing stops, and it prints how long dead rows stay.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from typing import Any

import numpy as np
import psutil
from common import machine, table

import vpa

ROWS, DIMENSION, EACH = 40_000, 384, 500


def batch(first: int, vectors: np.ndarray, version: int) -> vpa.RecordBatch:
    """Records `first`, `first + 1`, … with vectors that change from one version to the next."""
    places = (np.arange(first, first + EACH) + version) % len(vectors)
    fields = [{"n": n, "version": version} for n in range(first, first + EACH)]
    return vpa.RecordBatch(ids=[str(n) for n in range(first, first + EACH)], vectors=vectors[places], metadata=fields)


async def main(seconds: float, path: str | None) -> None:
    vectors = np.random.default_rng(0).standard_normal((ROWS, DIMENSION)).astype(np.float32)
    memory = psutil.Process()
    async with vpa.connect("embedded://" if path is None else f"embedded://{path}") as db:
        docs = await db.create_collection("docs", dimension=DIMENSION)
        for first in range(0, ROWS, EACH):
            await docs.upsert(batch(first, vectors, 0))
        before = memory.memory_info().rss
        ends = time.perf_counter() + seconds
        times: list[float] = []

        async def replace(seed: int) -> None:
            rng = np.random.default_rng(seed)
            version = 0
            while (started := time.perf_counter()) < ends:
                version += 1
                await docs.upsert(batch(int(rng.integers(ROWS // EACH)) * EACH, vectors, version))
                times.append(time.perf_counter() - started)

        async def facts() -> dict[str, Any]:
            found: dict[str, Any] = (await db.get_statistics())["collections"]["docs"]
            return found

        seen: list[tuple[float, int, int]] = []

        async def watch() -> None:
            while time.perf_counter() < ends:
                now = await facts()
                seen.append((now["dead_rows"] / now["records"], memory.memory_info().rss, now["dead_rows"]))
                await asyncio.sleep(0.02)

        await asyncio.gather(replace(1), replace(2), watch())
        at_end = await facts()
        stopped = time.perf_counter()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(30):
                while (await facts())["dead_rows"] > ROWS // 2:
                    await asyncio.sleep(0.02)
        settled = time.perf_counter() - stopped
        rested = await facts()
        await docs.optimize()
        last = await facts()
    shares = np.array([share for share, _, _ in seen])
    grown = np.array([rss - before for _, rss, _ in seen]) / (ROWS * DIMENSION * 4)
    writes = np.array(times) * 1000
    table(
        f"{ROWS:,} live rows x {DIMENSION}, two writers replacing {EACH} at a time for {seconds:.0f} s, "
        f"{'in memory' if path is None else 'durable'}",
        [
            ("records replaced", f"{len(times) * EACH / seconds:,.0f} per second"),
            (
                "a write",
                f"p50 {np.median(writes):.1f} ms, p99 {np.quantile(writes, 0.99):.1f} ms, longest {writes.max():.0f} "
                "ms",
            ),
            (
                "dead rows per live row",
                f"mean {shares.mean():.2f}, p99 {np.quantile(shares, 0.99):.2f}, most {shares.max():.2f} (bound 2.25)",
            ),
            (
                "dead rows",
                f"most {max(dead for _, _, dead in seen):,}; bound {at_end['dead_rows_bound']:,}; "
                f"{at_end['compactions']:,} compactions",
            ),
            ("memory grown, in raw vectors", f"mean {grown.mean():.2f}, most {grown.max():.2f}, last {grown[-1]:.2f}"),
            ("after writing stops", f"{rested['dead_rows']:,} dead rows after {settled:.2f} s"),
            ("after optimize()", f"{last['dead_rows']:,} dead rows, search {last['index']['search']}"),
        ],
    )
    print(machine())


if __name__ == "__main__":
    numbers = [float(value) for value in sys.argv[1:] if not value.startswith("-")]
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(main(numbers[0] if numbers else 60.0, directory if "--durable" in sys.argv else None))
