"""Search at 100,000 x 384, top 10, through the public API, next to plain NumPy (`X @ q` and `argpartition`) in one
run.
"""

from __future__ import annotations

import asyncio
import statistics
import time

import numpy as np
from common import DIMENSION, ROWS, matrix, metadata, table

import vpa
from vpa import F

RUNS = 200


async def main() -> None:
    """Alternate the two, query by query, so that both meet the same machine."""
    raw = matrix()
    unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    queries = matrix(RUNS, seed=1)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    async with vpa.connect("embedded://") as db:
        docs = await db.create_collection("docs", dimension=DIMENSION, index={"index_type": "flat"})
        await docs.upsert(vpa.RecordBatch(ids=[f"id{n}" for n in range(ROWS)], vectors=raw, metadata=metadata()))
        plain, ours, agree = [], [], 0
        filtered: dict[str, list[float]] = {"50 %": [], "12.5 %": [], "0.8 %": []}
        filters = {"50 %": F("year") >= 1960, "12.5 %": F("category") == "a", "0.8 %": F("year") == 1950}
        for query in queries:
            started = time.perf_counter()
            scores = unit @ query
            top = np.argpartition(scores, -10)[-10:]
            top = top[np.argsort(-scores[top])]
            plain.append(time.perf_counter() - started)
            started = time.perf_counter()
            found = await docs.search(vector=query, top_k=10)
            ours.append(time.perf_counter() - started)
            agree += found.ids == [f"id{n}" for n in top]
        for query in queries[:60]:
            for name, node in filters.items():
                started = time.perf_counter()
                await docs.search(vector=query, top_k=10, filter=node)
                filtered[name].append(time.perf_counter() - started)
        started = time.perf_counter()
        await docs.search_batch(vectors=queries, top_k=10)
        batch = time.perf_counter() - started
        started = time.perf_counter()
        await asyncio.gather(*(docs.search(vector=query, top_k=10) for query in queries))
        gathered = time.perf_counter() - started
    a, b = statistics.median(plain) * 1000, statistics.median(ours) * 1000
    rows = [
        ("plain NumPy, p50", f"{a:.2f} ms"),
        ("vpa search, p50", f"{b:.2f} ms"),
        ("ratio", f"{b / a:.2f}  (goal <= 1.3)"),
        ("same ten in the same order", f"{agree} of {RUNS}"),
        *(
            (f"vpa search, filter keeps {name}, p50", f"{statistics.median(times) * 1000:.2f} ms")
            for name, times in filtered.items()
        ),
        ("vpa search_batch, a query", f"{batch / RUNS * 1000:.2f} ms"),
        ("200 searches at once, a query", f"{gathered / RUNS * 1000:.2f} ms"),
    ]
    table(f"exact search, {ROWS:,} x {DIMENSION}, top 10, cosine, {RUNS} queries", rows)


if __name__ == "__main__":
    asyncio.run(main())
