"""How long each verb keeps the event loop from others: a heartbeat of one millisecond beside the verb, at 1, 1,000 and
100,000 records.

384 dimensions, three metadata fields and a text. `loop.py [--durable] [--no-collector] [VERB …]`; a stall is what a
beat came later than asked. Python's cyclic garbage collector holds every thread for as long as the program has objects;
`--no-collector` switches it off, so that what is left is the library's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import platform
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from common import DIMENSION, machine, table

import vpa

SIZES = (1, 1_000, 100_000)
SECONDS = 1.0
BEAT_S = 0.001
VECTORS = np.random.default_rng(0).standard_normal((SIZES[-1], DIMENSION)).astype(np.float32)
Verb = Callable[[vpa.VectorDatabaseManager, vpa.Collection, int], Awaitable[object]]


def processor() -> str:
    """Its name, as Linux knows it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.processor()


@asynccontextmanager
async def heartbeat(stalls: list[float]) -> AsyncIterator[None]:
    """Seconds by which each beat was late."""

    async def beat() -> None:
        while True:
            asked = time.perf_counter() + BEAT_S
            await asyncio.sleep(BEAT_S)
            stalls.append(max(0.0, time.perf_counter() - asked))

    task = asyncio.create_task(beat())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()


class Collections:
    """Times the full runs of Python's cyclic garbage collector: they hold every thread, and grow with the objects of
    the program.
    """

    def __init__(self) -> None:
        self.full: list[float] = []
        self._started = 0.0

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        if info["generation"] < 2:
            return
        if phase == "start":
            self._started = time.perf_counter()
        else:
            self.full.append(time.perf_counter() - self._started)


def records(count: int) -> list[vpa.Record]:
    return [
        vpa.Record(
            str(n),
            vector=VECTORS[n],
            text=f"the text of {n}",
            metadata={"year": 1900 + n % 120, "kind": f"k{n % 8}", "n": n},
        )
        for n in range(count)
    ]


def columns(count: int) -> vpa.RecordBatch:
    numbers = np.arange(count)
    return vpa.RecordBatch.from_columns(
        ids=[str(n) for n in range(count)],
        vectors=VECTORS[:count],
        metadata={"n": numbers, "year": 1900 + numbers % 120},
    )


def ids(count: int) -> list[str]:
    return [str(n) for n in range(count)]


async def drained(items: AsyncIterator[Any]) -> int:
    count = 0
    async for _ in items:
        count += 1
    return count


async def created_and_dropped(db: vpa.VectorDatabaseManager, given: vpa.RecordBatch) -> None:
    other = await db.create_collection("other", dimension=DIMENSION)
    await other.upsert(given)
    await db.drop_collection("other")


async def counted(docs: vpa.Collection, node: dict[str, Any]) -> None:
    with contextlib.suppress(vpa.errors.InvalidFilterError):
        await docs.count(filter=node)


# What a verb is given is made before its time begins; `ready` fills the collection first.
GIVEN: dict[str, Callable[[int], Any]] = {
    "upsert": records,
    "upsert of columns": columns,
    "create, upsert, drop": columns,
    "get": ids,
    "update_metadata": ids,
    "delete": ids,
    "$or of that many": lambda count: {"$or": [{"n": n} for n in range(count)]},
}
VERBS: dict[str, Callable[[vpa.VectorDatabaseManager, vpa.Collection, int, Any], Awaitable[object]]] = {
    "nothing: the machine itself": lambda db, docs, n, given: asyncio.sleep(0.2),
    "upsert": lambda db, docs, n, given: docs.upsert(given),
    "upsert of columns": lambda db, docs, n, given: docs.upsert(given),
    "get": lambda db, docs, n, given: docs.get(given),
    "update_metadata": lambda db, docs, n, given: docs.update_metadata(ids=given, set={"year": 2000}),
    "count": lambda db, docs, n, given: docs.count(filter={"year": {"$gte": 1950}}),
    "search": lambda db, docs, n, given: docs.search(vector=VECTORS[0]),
    "search, top 1,000": lambda db, docs, n, given: docs.search(vector=VECTORS[0], top_k=1_000),
    "search with a filter": lambda db, docs, n, given: docs.search(vector=VECTORS[0], filter={"kind": "k3"}),
    "search_batch": lambda db, docs, n, given: docs.search_batch(vectors=VECTORS[: min(n, 1_000)]),
    "scan": lambda db, docs, n, given: drained(docs.scan()),
    "scan_batches of 10,000": lambda db, docs, n, given: drained(docs.scan_batches(batch_size=10_000)),
    "distinct": lambda db, docs, n, given: docs.distinct("n"),
    "fields": lambda db, docs, n, given: docs.fields(),
    "min_max": lambda db, docs, n, given: docs.min_max("year"),
    "$or of that many": lambda db, docs, n, given: counted(docs, given),
    "delete": lambda db, docs, n, given: docs.delete(ids=given),
    "optimize": lambda db, docs, n, given: docs.optimize(),
    "create, upsert, drop": lambda db, docs, n, given: created_and_dropped(db, given),
}


async def measure(db: vpa.VectorDatabaseManager, name: str, count: int) -> list[float]:
    """Stalls while one verb runs, again and again for a second."""
    stalls: list[float] = []
    docs = await db.create_collection("docs", dimension=DIMENSION)
    if not name.startswith("upsert"):
        await docs.upsert(records(count))
    given = GIVEN.get(name, lambda _: None)(count)
    await asyncio.sleep(0.05)
    ends = time.perf_counter() + SECONDS
    while not stalls or time.perf_counter() < ends:
        async with heartbeat(stalls):
            # The result is kept: to free it is the caller's business.
            result = await VERBS[name](db, docs, count, given)
            # What runs in the background after a verb counts too, and so does what it frees.
            await asyncio.sleep(0.02)
        del result
        if name == "delete":
            await docs.upsert(records(count))
    async with heartbeat(stalls):
        await db.drop_collection("docs")
        await asyncio.sleep(0.01)
    return stalls


def shown(stalls: list[float]) -> str:
    longest = np.sort(np.asarray(stalls))[::-1] * 1000
    return f"{longest[0]:7.1f} {np.quantile(longest, 0.999):7.1f}"


def wanted(names: list[str]) -> Iterator[str]:
    for name in VERBS:
        if not names or any(name.startswith(given) for given in names):
            yield name


async def main(path: str | None, names: list[str]) -> None:
    rows = []
    worst = 0.0
    collections = Collections()
    gc.callbacks.append(collections)
    everything: list[float] = []
    async with vpa.connect("embedded://" if path is None else f"embedded://{path}") as db:
        for name in wanted(names):
            cells = []
            for count in SIZES:
                stalls = await measure(db, name, count)
                everything += stalls
                worst = max(worst, *stalls)
                cells.append(shown(stalls))
            rows.append((name, "   ".join(cells)))
    rows.append(
        (
            "collections of all garbage by Python, in all threads",
            f"{len(collections.full)}, longest {max(collections.full, default=0) * 1000:.1f} ms",
        )
    )
    rows.append(("all of them", f"longest {worst * 1000:.1f} ms, p99.9 {np.quantile(everything, 0.999) * 1000:.1f} ms"))
    table(
        "Stalls of the event loop in ms, longest and p99.9, at 1, 1,000 and 100,000 records, "
        f"{'in memory' if path is None else 'durable'} "
        "(goal: p99.9 <= 10, longest <= 25)",
        rows,
    )
    print(f"{processor()}; {machine()}")


if __name__ == "__main__":
    chosen = [value for value in sys.argv[1:] if not value.startswith("-")]
    if "--no-collector" in sys.argv:
        gc.disable()
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(main(directory if "--durable" in sys.argv else None, chosen))
