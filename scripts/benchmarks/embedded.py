"""The embedded engine next to what people would otherwise embed: same vectors, same queries, same truth, a process
each.

`python embedded.py` runs every engine that is installed at 100,000 x 384 and writes
docs/benchmarks/embedded-100000x384.json and .md.
`--rows`, `--dimension` and names of engines choose others. Times are medians; `ready` is until searches reach their
recall. Searches go through each engine's public API. Memory is what the process grew beyond the caller's own array.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib.metadata
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from common import machine
from peers import ENGINES, Engine
from vectors import CACHE, ROOT, dataset

TOP_K, SEARCHES, FILTERED, CALLERS = 10, 300, 100, 50
SHARES = {"50 %": 500, "10 %": 100, "1 %": 10, "0.1 %": 1}
SECONDS = 20.0
SETTLES_S = 0.5
# What takes no time at all did nothing: a bare library that is handed the matrix.
FASTEST_PER_S = 1e8
LONGEST_S = 1800
SLOW_MS = 500
# Whom `ratios` compares with.
LEAST_RECALL, SOON_MS = 0.99, 5.0
Matrix = np.ndarray


def slots(rows: int) -> Matrix:
    """The field that filters look at: 0 to 999, at random."""
    return np.random.default_rng(5).integers(1000, size=rows)


def doomed(rows: int) -> Matrix:
    """The tenth that is deleted."""
    return np.random.default_rng(6).choice(rows, size=rows // 10, replace=False)


def truth(vectors: Matrix, queries: Matrix, keep: Matrix) -> Matrix:
    """`(q, k)`: the rows among `keep` with the greatest products, by plain NumPy."""
    chosen = vectors[keep]
    found = []
    for start in range(0, len(queries), 50):
        products = queries[start : start + 50] @ chosen.T
        best = np.argpartition(-products, min(TOP_K, len(keep) - 1), axis=1)[:, :TOP_K]
        found.append(keep[best])
    return np.concatenate(found)


def truths(rows: int, dimension: int) -> dict[str, Matrix]:
    """For all rows, under each filter, and without the tenth that is deleted; kept as a file."""
    kept = CACHE / f"truth-{rows}x{dimension}.npz"
    if not kept.exists():
        vectors, queries = dataset(rows, dimension)
        field, everything = slots(rows), np.arange(rows)
        found = {"all": truth(vectors, queries[:SEARCHES], everything)}
        for name, below in SHARES.items():
            found[name] = truth(vectors, queries[:FILTERED], everything[field < below])
        found["left"] = truth(vectors, queries[:SEARCHES], np.setdiff1d(everything, doomed(rows)))
        np.savez(kept, **found)
    with np.load(kept) as stored:
        return dict(stored)


async def searched(engine: Engine, queries: Matrix, expected: Matrix, below: int | None = None) -> dict[str, float]:
    """Median milliseconds and recall; stops early where searches are slow."""
    for query in queries[-3:]:
        await engine.search(query, TOP_K, below)
    times, hits = [], []
    begun = time.perf_counter()
    for query, wanted in zip(queries, expected, strict=True):
        started = time.perf_counter()
        found = await engine.search(query, TOP_K, below)
        times.append(time.perf_counter() - started)
        hits.append(len(set(found) & set(wanted.tolist())) / len(wanted))
        if time.perf_counter() - begun > SECONDS:
            break
    return {
        "p50_ms": float(np.median(times)) * 1000,
        "p95_ms": float(np.quantile(times, 0.95)) * 1000,
        "recall": float(np.mean(hits)),
    }


async def throughput(engine: Engine, queries: Matrix) -> float:
    """Answers a second to 50 callers, tasks or threads, as the engine is meant to be called; the median of three
    rounds.
    """
    return float(np.median([await _round(engine, queries) for _ in range(3)]))


async def _round(engine: Engine, queries: Matrix) -> float:
    ends = time.perf_counter() + 3

    async def caller(number: int) -> int:
        count = 0
        while time.perf_counter() < ends:
            await engine.search(queries[(number * 31 + count) % len(queries)], TOP_K, None)
            count += 1
        return count

    def in_thread(number: int) -> int:
        count = 0
        while time.perf_counter() < ends:
            engine.search_now(queries[(number * 31 + count) % len(queries)], TOP_K, None)
            count += 1
        return count

    started = time.perf_counter()
    if engine.is_async:
        done = sum(await asyncio.gather(*(caller(number) for number in range(CALLERS))))
    else:
        with ThreadPoolExecutor(CALLERS) as pool:
            done = sum(pool.map(in_thread, range(CALLERS)))
    return done / (time.perf_counter() - started)


async def timed(step: Callable[[], Awaitable[object]]) -> float:
    """Seconds."""
    started = time.perf_counter()
    await step()
    return time.perf_counter() - started


def resident() -> float:
    gc.collect()
    return float(psutil.Process().memory_info().rss) / 1e6


async def measure(kind: type[Engine], rows: int, dimension: int, path: str) -> dict[str, Any]:
    """Everything that is measured on one engine."""
    vectors, queries = dataset(rows, dimension)
    vectors.sum()
    expected, field = truths(rows, dimension), slots(rows)
    memory_only = kind.name.startswith("vpa") and kind.quantization == "none"  # type: ignore[attr-defined]
    engine = kind(dimension, None if memory_only else path)
    await engine.open()
    before = resident()
    result: dict[str, Any] = {"engine": kind.name, "version": kind.version(), "bare": kind.is_bare, "rows": rows}
    inserted = await timed(lambda: engine.insert(vectors, field))
    ready = inserted + await timed(engine.make_ready)
    result |= {"inserted_per_s": rows / inserted, "ready_per_s": rows / ready}
    settle = getattr(engine, "settle", None)
    if settle is not None:
        await settle()
        await engine.search(queries[0], TOP_K, None)
        result["index"] = await engine.facts()  # type: ignore[attr-defined]
    # What was only needed to come this far may go first.
    await asyncio.sleep(SETTLES_S)
    result["grown_mb"] = resident() - before
    result["search"] = await searched(engine, queries[:SEARCHES], expected["all"])
    result["filtered"] = {}
    for name, below in SHARES.items() if kind.filters else ():
        result["filtered"][name] = await searched(engine, queries[:FILTERED], expected[name], below)
    # Fifty at once of one that takes so long would wait for minutes: those get what one caller gets.
    slow = result["search"]["p50_ms"] > SLOW_MS
    result["callers_per_s"] = 1000 / result["search"]["p50_ms"] if slow else await throughput(engine, queries)
    if kind.deletes:
        gone = doomed(rows).tolist()
        result["deleted_per_s"] = len(gone) / await timed(lambda: engine.delete(gone))
        result["after_delete"] = await searched(engine, queries[:SEARCHES], expected["left"])
    if not memory_only:
        if kind.reopens:
            result["opened_s"] = await reopened(engine, queries[0])
        await engine.close()
        return result
    await engine.close()
    result["exact_over_reading"] = (
        await exact_over_reading(kind, vectors, queries, field) if kind.recall == 1.0 else None
    )  # type: ignore[attr-defined]
    durable = kind(dimension, path)
    await durable.open()
    inserted = await timed(lambda: durable.insert(vectors, field))
    result["durable_inserted_per_s"] = rows / inserted
    result["durable_ready_per_s"] = rows / (inserted + await timed(durable.make_ready))
    await durable.settle()  # type: ignore[attr-defined]
    result["opened_s"] = await reopened(durable, queries[0])
    await durable.close()
    return result


async def reopened(engine: Engine, query: Matrix) -> float:
    """Seconds from nothing open to the first answer, files in the page cache; the median of five."""
    times = []
    for _ in range(5):
        await engine.close()
        started = time.perf_counter()
        await engine.reopen()
        await engine.search(query, TOP_K, None)
        times.append(time.perf_counter() - started)
    return float(np.median(times))


async def exact_over_reading(kind: type[Engine], vectors: Matrix, queries: Matrix, field: Matrix) -> float:
    """An exact search next to one product of the matrix and the query, which reads it once, in turn."""
    engine = kind(vectors.shape[1], None)
    await engine.open()
    await engine.insert(vectors, field)
    result = np.empty(len(vectors), dtype=np.float32)
    ours, reading = [], []
    for query in queries[:100]:
        ours.append(await timed(lambda query=query: engine.search(query, TOP_K, None)))  # type: ignore[misc]
        started = time.perf_counter()
        np.dot(vectors, query, out=result)
        reading.append(time.perf_counter() - started)
    await engine.close()
    return float(np.median(ours) / np.median(reading))


async def curve(kind: type[Engine], rows: int, dimension: int, path: str) -> dict[str, Any]:
    """Recall and latency at each setting of an engine."""
    vectors, queries = dataset(rows, dimension)
    expected, field = truths(rows, dimension)["all"], slots(rows)
    engine = kind(dimension, None if kind.name.startswith("vpa") else path)
    await engine.open()
    await engine.insert(vectors, field)
    await engine.make_ready()
    points = []
    for knob in kind.knobs:
        await engine.turn(knob)
        points.append({"knob": knob, **await searched(engine, queries[:SEARCHES], expected)})
    await engine.close()
    return {"engine": kind.name, "points": points}


def is_installed(kind: type[Engine]) -> bool:
    try:
        kind.version()
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def run_child(name: str, rows: int, dimension: int, *, task: str = "measure") -> dict[str, Any]:
    """One engine in a process of its own."""
    command = [
        sys.executable,
        __file__,
        "--child",
        name,
        "--rows",
        str(rows),
        "--dimension",
        str(dimension),
        "--task",
        task,
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST_S)
    except subprocess.TimeoutExpired:
        return {"engine": ENGINES[name].name, "error": f"not done after {LONGEST_S} s"}
    if done.returncode < 0:
        return {"engine": ENGINES[name].name, "error": f"the process was ended by signal {-done.returncode}"}
    if done.returncode:
        return {"engine": ENGINES[name].name, "error": (done.stderr.strip().splitlines() or ["no output"])[-1][:200]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _cell(found: dict[str, float] | None) -> str:
    return "–" if not found else f"{found['p50_ms']:.2f} ({found['recall']:.4f})"


def as_table(results: list[dict[str, Any]], rows: int, dimension: int) -> str:
    """Markdown."""
    raw = rows * dimension * 4 / 1e6
    lines = [
        f"{rows:,} x {dimension}, top {TOP_K}; raw vectors {raw:,.0f} MB; {machine()}. Milliseconds at the median "
        "(recall).",
        "",
        "| engine | version | ready, rows/s | durable | search | filter 50 % | 10 % | 1 % | 0.1 % | 50 callers, q/s | "
        "memory, x raw | deletes/s | after 10 % deleted | opened, s |",
        "|" + "---|" * 14,
    ]
    lines += [as_row(one, raw) for one in results]
    return "\n\n".join(part for part in ("\n".join(lines), ratios(results), claims(results)) if part)


def as_row(one: dict[str, Any], raw: float) -> str:
    """One engine; `raw` is the size of the vectors in MB."""
    if "error" in one:
        return f"| {one['engine']} | failed: {one['error']} |" + " |" * 12
    shares = " | ".join(_cell(one["filtered"].get(name)) for name in SHARES)
    ready = one["ready_per_s"] if one["ready_per_s"] < FASTEST_PER_S else None
    durable, deleted, opened = (one.get(name) for name in ("durable_ready_per_s", "deleted_per_s", "opened_s"))
    return (
        f"| {one['engine']} | {one['version']} | {_number(ready, ',.0f')} | {_number(durable, ',.0f')} | "
        f"{_cell(one['search'])} | {shares} | "
        f"{one['callers_per_s']:,.{0 if one['callers_per_s'] >= 10 else 1}f} | {one['grown_mb'] / raw:.2f} | "
        f"{_number(deleted, ',.0f')} | {_cell(one.get('after_delete'))} | {_number(opened, '.3f')} |"
    )


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def ratios(results: list[dict[str, Any]]) -> str:
    """`vpa` next to the best peer at each measure: databases only, and for searches those with a recall of 0.99 and
    more.
    """
    whole = [one for one in results if "error" not in one]
    ours = next((one for one in whole if one["engine"] == "vpa"), None)
    peers = [one for one in whole if not one["bare"] and not one["engine"].startswith("vpa")]
    if ours is None or not peers:
        return ""

    def milliseconds(found: dict[str, float] | None) -> float | None:
        return found["p50_ms"] if found and found["recall"] >= LEAST_RECALL else None

    measures: list[tuple[str, str, Callable[[dict[str, Any]], float | None], bool]] = [
        ("search, ms", ".2f", lambda one: milliseconds(one["search"]), False),
        *(
            (
                f"filter keeping {share}, ms",
                ".2f",
                lambda one, share=share: milliseconds(one["filtered"].get(share)),
                False,
            )
            for share in SHARES
        ),  # type: ignore[misc]
        ("50 callers, q/s", ",.0f", lambda one: one["callers_per_s"], True),
        (
            f"ready, rows/s, of those that answer within {SOON_MS:g} ms",
            ",.0f",
            lambda one: one["ready_per_s"] if one["search"]["p50_ms"] < SOON_MS else None,
            True,
        ),
        ("opened, s", ".3f", lambda one: one.get("opened_s"), False),
    ]
    lines = ["| measure | vpa | the best peer | its figure | ratio |", "|" + "---|" * 5]
    for name, form, value, more_is_better in measures:
        known = [(found, one["engine"]) for one in peers if (found := value(one)) is not None]
        mine = value(ours)
        if mine is not None and known:
            best, engine = max(known) if more_is_better else min(known)
            lines.append(f"| {name} | {mine:{form}} | {engine} | {best:{form}} | {mine / best:.2f} |")
    return "\n".join(lines)


def claims(results: list[dict[str, Any]]) -> str:
    """What the first plan of this system claimed, and by which factor `vpa` passes it."""
    ours = next((one for one in results if one["engine"] == "vpa" and "error" not in one), None)
    if ours is None:
        return ""
    longest = CALLERS / ours["callers_per_s"] * 1000
    per_thousand = ours["grown_mb"] / ours["rows"] * 1000
    found = [
        ("100 searches a second", f"{ours['callers_per_s']:,.0f}", ours["callers_per_s"] / 100),
        ("50 users at once, each answered in under 100 ms", f"{longest:.1f} ms with 50 at once", 100 / longest),
        ("a search in under 100 ms", f"{ours['search']['p50_ms']:.2f} ms", 100 / ours["search"]["p50_ms"]),
        ("2 MB for 1,000 documents", f"{per_thousand:.2f} MB", 2 / per_thousand),
        (
            "1,000 documents a second",
            f"{ours['ready_per_s']:,.0f} ready, {ours['durable_ready_per_s']:,.0f} durable",
            ours["durable_ready_per_s"] / 1000,
        ),
    ]
    lines = [
        "| the first plan's claim | measured | factor |",
        "|---|---|---|",
        *(f"| {claim} | {value} | {factor:,.1f} |" for claim, value, factor in found),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engines", nargs="*", help=", ".join(ENGINES))
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument(
        "--curves", action="store_true", help="recall against latency, for engines that have a setting for it"
    )
    parser.add_argument(
        "--merge", action="store_true", help="replace the rows of the named engines in the stored result"
    )
    parser.add_argument("--child")
    parser.add_argument("--task", default="measure")
    given = parser.parse_args()
    if given.child:
        task = {"measure": measure, "curve": curve}[given.task]
        with tempfile.TemporaryDirectory(prefix="vpa-bench-", ignore_cleanup_errors=True) as path:
            print(json.dumps(asyncio.run(task(ENGINES[given.child], given.rows, given.dimension, path))))
        return
    truths(given.rows, given.dimension)
    chosen = given.engines or [name for name, kind in ENGINES.items() if is_installed(kind)]
    task = "curve" if given.curves else "measure"
    if given.curves:
        chosen = [name for name in chosen if ENGINES[name].knobs]
    folder = ROOT / "docs" / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    place = Path(folder / f"{'curves' if given.curves else 'embedded'}-{given.rows}x{given.dimension}.json")
    kept = json.loads(place.read_text())["results"] if given.merge and place.exists() else []
    results = [one for one in kept if one["engine"] not in {ENGINES[name].name for name in chosen}]
    for name in chosen:
        found = run_child(name, given.rows, given.dimension, task=task)
        results.append(found)
        print(json.dumps(found) if given.curves else as_row(found, given.rows * given.dimension * 4 / 1e6), flush=True)
    if given.engines and not given.merge:
        return
    order = [kind.name for kind in ENGINES.values()]
    results.sort(key=lambda one: order.index(one["engine"]))
    place.write_text(
        json.dumps(
            {"machine": machine(), "rows": given.rows, "dimension": given.dimension, "results": results}, indent=1
        )
    )
    if not given.curves:
        place.with_suffix(".md").write_text(as_table(results, given.rows, given.dimension))


if __name__ == "__main__":
    main()
