"""What a reader feels while dead rows are left out in the background: searches one after the other, before, during and
after.

100,000 x 384 of real text (see vectors.py); 60 % are deleted, which begins a compaction and new codes. Through the
public API.
"""

from __future__ import annotations

import asyncio
import time

import numpy as np
from common import machine, table
from vectors import dataset

import vpa

ROWS = 100_000


async def searched(docs: object, queries: np.ndarray, seconds: float) -> list[float]:
    """Milliseconds of each search, in that time."""
    times = []
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends:
        started = time.perf_counter()
        await docs.search(vector=queries[len(times) % len(queries)], top_k=10)  # type: ignore[attr-defined]
        times.append((time.perf_counter() - started) * 1000)
    return times


def shown(times: list[float]) -> str:
    middle = f"p50 {np.median(times):.2f}, p99 {np.quantile(times, 0.99):.2f}"
    return f"{middle}, longest {max(times):.2f} ms of {len(times):,} searches"


async def main() -> None:
    vectors, queries = dataset(ROWS)
    async with vpa.connect("embedded://") as db:
        docs = await db.create_collection("bench", dimension=vectors.shape[1])
        fields = {"n": np.arange(ROWS), "kind": np.char.add("kind-", (np.arange(ROWS) % 8).astype(str))}
        ids = [str(n) for n in range(ROWS)]
        await docs.upsert(vpa.RecordBatch.from_columns(ids=ids, vectors=vectors, metadata=fields))

        async def facts() -> dict[str, object]:
            found: dict[str, object] = (await db.get_statistics())["collections"]["bench"]
            return found

        while (await facts())["index"]["search"] == "exact" or (await facts())["index"]["at_work"]:  # type: ignore[index]
            await docs.search(vector=queries[0], top_k=10)
        before = await searched(docs, queries, 2)
        gone = np.random.default_rng(0).permutation(ROWS)[: int(ROWS * 0.6)].tolist()
        await docs.delete(ids=[str(n) for n in gone])
        during: list[float] = []
        started = time.perf_counter()
        while (await facts())["rows"] != ROWS - len(gone) and time.perf_counter() - started < 60:
            during += await searched(docs, queries, 0.05)
        taken = time.perf_counter() - started
        await asyncio.sleep(1)
        after = await searched(docs, queries, 2)
    print(machine())
    table(
        f"Searches of 100,000 x 384 while 60 % are left out, which took {taken:.2f} s (goal: no reader is kept 10 ms "
        "longer)",
        [("before", shown(before)), ("during", shown(during)), ("after", shown(after))],
    )


if __name__ == "__main__":
    asyncio.run(main())
