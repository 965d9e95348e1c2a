"""What vpa costs over a bare client, as the client's own documentation shows it, on real servers.

`python adapters.py [STORE …] [--rows 20000] [--recall 0.99] [--json FILE]`. The same vectors (those of `vectors.py`),
texts of 360 characters and three fields go through the manager and through the client; questions are asked in turn, one
of each, so that a busy moment hits both. Times are medians; below 1.00 vpa is faster. CPU is that of the client's
process. Recall is counted against plain NumPy. `pgvector-tuned`: the client with the setting that keeps the promise,
found with these very questions.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from bare import FILTERS, GROUP, HALF, TOP_K, Bare, Data
from bare_qdrant import BARE
from common import machine
from running import running
from vectors import dataset

import vpa
from vpa.client.manager import VectorDatabaseManager

SEARCHES, SMALL, DIMENSION = 200, 50, 384
# A search that takes so long is not asked so often.
SLOW_S = 0.2
GOALS = {"search": 1.10, "cpu": 1.30, "load": 1 / 0.9, "scan": 1 / 0.8}
Call = Callable[[], Awaitable[Any]]
OURS = {None: None, "1 %": {"group": GROUP}, "50 %": {"half": HALF}}


def make(rows: int) -> tuple[Data, np.ndarray]:
    """What is stored, and the queries."""
    vectors, queries = dataset(rows, DIMENSION)
    random = np.random.default_rng(4)
    uuids = [str(UUID(bytes=random.bytes(16), version=4)) for _ in range(rows)]
    return Data(
        vectors,
        [f"record-{n}" for n in range(rows)],
        uuids,
        [f"text of record {n} " * 20 for n in range(rows)],
        [{"group": n % 100, "half": ("even", "odd")[n % 2], "score": n * 37 % 1000 / 10} for n in range(rows)],
    ), queries


def truth(data: Data, queries: np.ndarray) -> dict[str | None, np.ndarray]:
    """Positions of the nearest of each query, under each filter."""
    everything = np.arange(len(data.ids))
    chosen = {None: everything, "1 %": everything[everything % 100 == GROUP], "50 %": everything[everything % 2 == 1]}
    return {
        name: places[np.argsort(-(queries @ data.vectors[places].T), axis=1, kind="stable")[:, :TOP_K]]
        for name, places in chosen.items()
    }


async def timed(call: Call) -> tuple[float, float, Any]:
    """Seconds, seconds of CPU, and the answer."""
    cpu, started = time.process_time(), time.perf_counter()
    answer = await call()
    return time.perf_counter() - started, time.process_time() - cpu, answer


async def in_turn(ours: Call, bare: Call, rounds: int) -> dict[str, Any]:
    """Medians of both, and their ratios."""
    seen: list[list[tuple[float, float, Any]]] = [[], []]
    for _ in range(rounds):
        for side, call in enumerate((ours, bare)):
            seen[side].append(await timed(call))
        if seen[0][0][0] + seen[1][0][0] > SLOW_S and len(seen[0]) >= 7:
            break
    time_s = [statistics.median(one[0] for one in side) for side in seen]
    # Of one call, CPU time is too coarse.
    cpu_s = [statistics.fmean(one[1] for one in side) for side in seen]
    return {
        "ms": [one * 1000 for one in time_s],
        "ratio": time_s[0] / time_s[1],
        "cpu_ratio": cpu_s[0] / max(cpu_s[1], 1e-6),
        "answers": [[one[2] for one in side] for side in seen],
    }


def recall(answers: list[list[str]], names: list[str], expected: np.ndarray) -> float:
    """Of the searches that were made, in order."""
    hits = [
        len(set(found) & {names[place] for place in wanted}) / len(wanted)
        for found, wanted in zip(answers, expected, strict=False)
    ]
    return float(np.mean(hits))


class Pair:
    """One store with both."""

    def __init__(self, docs: vpa.Collection, bare: Bare, data: Data, queries: np.ndarray) -> None:
        self.docs, self.bare, self.data, self.queries = docs, bare, data, queries
        self.names = data.uuids if bare.by_uuid else data.ids
        self.rows: dict[str, dict[str, Any]] = {}

    async def load(self) -> None:
        data = self.data
        batch = vpa.RecordBatch(ids=data.ids, vectors=data.vectors, texts=data.texts, metadata=data.metadata)
        ours = await timed(lambda: self._load(batch))
        bare = await timed(lambda: self.bare.load(data))
        await self.docs.optimize()
        await self.bare.finish()
        self.rows["load"] = {
            "per_s": [len(data.ids) / ours[0], len(data.ids) / bare[0]],
            "ratio": ours[0] / bare[0],
            "cpu_ratio": ours[1] / max(bare[1], 1e-6),
        }

    async def _load(self, batch: vpa.RecordBatch) -> None:
        """An index that is built after loading belongs to it; measuring what was promised does not."""
        await self.docs.upsert(batch)
        bound = self.docs._bound()
        if bound.store.efforts(self.docs.info) and not bound.store.is_approximate(self.docs.info):
            await bound.store.optimize(self.docs.info)

    async def tune(self, promised: float) -> None:
        """Let the client have the setting that keeps the same promise, where it can be tuned."""
        tune = getattr(self.bare, "tune", None)
        if tune is None:
            return
        expected = truth(self.data, self.queries[:SEARCHES])

        async def reaches() -> bool:
            for name, wanted in expected.items():
                found = [await self.bare.search(query, name) for query in self.queries[: len(wanted)]]
                if recall(found, self.names, wanted) < promised:
                    return False
            return True

        print(f"  the client's setting for a recall of {promised}: {await tune(reaches)}", flush=True)

    async def search(self) -> None:
        expected = truth(self.data, self.queries[:SEARCHES])
        for name in (None, *FILTERS):
            for query in self.queries[-3:]:
                await self._ours(query, name)
                await self.bare.search(query, name)
            sides = [iter(self.queries), iter(self.queries)]
            row = await in_turn(
                lambda name=name, side=sides[0]: self._ours(next(side), name),  # type: ignore[misc]
                lambda name=name, side=sides[1]: self.bare.search(next(side), name),  # type: ignore[misc]
                SEARCHES,
            )
            found = row.pop("answers")
            row["recall"] = [
                recall(found[0], self.data.ids, expected[name]),
                recall(found[1], self.names, expected[name]),
            ]
            self.rows["search" if name is None else f"filter {name}"] = row

    async def _ours(self, query: np.ndarray, name: str | None) -> list[str]:
        return (await self.docs.search(vector=query, top_k=TOP_K, filter=OURS[name])).ids

    async def rest(self) -> None:
        exact = await timed(lambda: self.docs.search(vector=self.queries[0], top_k=TOP_K, exact=True))
        self.rows["exact"] = {"ms": [exact[0] * 1000, float("nan")]}
        await self._row("count", self.docs.count, self.bare.count, rounds=SMALL)
        ids, names = self.data.ids[:100], self.names[:100]
        await self._row("get 100", lambda: self.docs.get(ids), lambda: self.bare.get(names), rounds=SMALL)
        await self._row("scan", self._scan, self.bare.scan, rounds=3)
        given = {"group": GROUP}
        await self._row("delete 1 %", lambda: self.docs.delete(filter=given), self.bare.delete, rounds=1)

    async def _scan(self) -> int:
        return sum([len(batch) async for batch in self.docs.scan_batches()])

    async def _row(self, name: str, ours: Call, bare: Call, *, rounds: int) -> None:
        row = await in_turn(ours, bare, rounds)
        answers = row.pop("answers")
        if name in ("scan", "count", "get 100"):
            sizes = [one if isinstance(one, int) else len(one) for side in answers for one in side]
            assert len(set(sizes)) == 1, f"{name}: not the same everywhere: {sizes}"
        self.rows[name] = row


def shown(store: str, name: str, row: dict[str, Any]) -> str:
    """One line for people."""
    if "per_s" in row:
        ours, bare = (f"{value:,.0f}/s" for value in row["per_s"])
    else:
        ours, bare = (f"{value:,.2f} ms" for value in row["ms"])
    kind = "search" if name.startswith(("search", "filter")) else name
    line = f"  {store:<14} {name:<12} {ours:>12} {bare:>12}"
    if "ratio" not in row:
        return line
    goal = GOALS.get(kind)
    missed = " missed" if goal is not None and row["ratio"] > goal else ""
    line += f"   {row['ratio']:6.2f} x{missed:<7}  CPU {row['cpu_ratio']:5.2f} x"
    if "recall" in row:
        line += f"   recall {row['recall'][0]:.4f} / {row['recall'][1]:.4f}"
    return line


async def measure(store: str, rows: int, stores: Any, promised: float | None) -> dict[str, dict[str, Any]]:
    """Every row of one store."""
    form, kind = BARE[store]
    config = stores.config(form, timeout_seconds=3600.0)
    data, queries = make(rows)
    bare = kind(config, DIMENSION)
    async with VectorDatabaseManager(config) as db:
        docs = await db.create_collection("benchmark", dimension=DIMENSION, recall=promised)
        await bare.open()
        try:
            pair = Pair(docs, bare, data, queries)
            for step in (pair.load, partial(pair.tune, promised or 0.0), pair.search, pair.rest):
                before = set(pair.rows)
                await step()
                for name in [name for name in pair.rows if name not in before]:
                    print(shown(store, name, pair.rows[name]), flush=True)
            promise = (await db.get_statistics())["collections"]["benchmark"].get("promise")
            if promise is not None:
                print(f"  {store:<14} promised {promise}", flush=True)
            return pair.rows
        finally:
            await bare.close()


async def main(chosen: list[str], rows: int, file: Path | None, promised: float | None) -> None:
    print(f"{rows:,} records x {DIMENSION}, ours and the bare client; {machine()}")
    results = {}
    for store in chosen:
        with running() as stores:
            results[store] = await measure(store, rows, stores, promised)
        if file is not None:
            file.write_text(json.dumps({"machine": machine(), "rows": rows, "stores": results}, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stores", nargs="*", help=", ".join(BARE))
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--recall", type=float, default=None, help="what our collection promises")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.stores or list(BARE), arguments.rows, arguments.json, arguments.recall))
    sys.stdout.flush()
