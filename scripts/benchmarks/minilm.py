"""MiniLM's passages per second and per CPU second: idle, beside a busy neighbour, and with one CPU.

Each row is a process of its own. "BLAS threads" is the same forward pass, batch after batch, on OpenBLAS's own threads.
The neighbour spins on every core. One CPU: by affinity, and by a quota of the control group where one can be set.
With `--peer`, sentence-transformers (where it is installed) on the same passages, in turn.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import lzma
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import median_ms, table

from vpa.embeddings.minilm.bert import pooled
from vpa.embeddings.minilm.model import MiniLM
from vpa.embeddings.minilm.weights import find_weights
from vpa.rag.chunking.splitter import chunk_text

DATA = Path(__file__).resolve().parents[2] / "data" / "cranfield" / "corpus.jsonl.xz"
PASSAGES, ROUNDS = 128, 5
QUERY = "what similarity laws must be obeyed when constructing aeroelastic models of heated high speed aircraft"
GROUP = "vpa-benchmark"
CPU_GROUPS = (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup/cpu,cpuacct"))
SPIN = "while True: pass"


def passages() -> list[str]:
    """The first chunks, with their titles."""
    result: list[str] = []
    with lzma.open(DATA, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            result += [f"{row['title']}. {chunk.text}" for chunk in chunk_text(row["text"], size=1000, overlap=150)]
            if len(result) >= PASSAGES:
                return result[:PASSAGES]
    return result


def measure(way: str) -> dict[str, float]:
    """In this process: passages per second and per CPU second, and the time of one query; medians of the rounds."""
    texts, model = passages(), MiniLM()
    encode = model.encode if way == "workers" else lambda chosen: _on_blas_threads(model, chosen)
    encode(texts[:16])
    walls, cpus = [], []
    for _ in range(ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        encode(texts)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return {
        "per_second": PASSAGES / statistics.median(walls),
        "per_cpu_second": PASSAGES / statistics.median(cpus),
        "query_ms": median_ms(lambda: encode([QUERY]), runs=20),
    }


def _on_blas_threads(model: MiniLM, texts: Sequence[str]) -> Any:
    from vpa.embeddings.minilm import model as parts

    encoded = [parts._truncated(ids) for ids in model._ids(texts)]
    result = np.empty((len(encoded), parts.DIMENSION), dtype=np.float32)
    for group in parts._groups([len(ids) for ids in encoded]):
        ids, mask = parts._padded([encoded[i] for i in group])
        result[group] = pooled(model._encoder.states(ids, mask), mask)
    return result


def in_process(way: str, *, prefix: Sequence[str] = (), group: Path | None = None) -> dict[str, float]:
    """The same in a process of its own, in a control group if one is given."""
    command = [*prefix, sys.executable, str(Path(__file__).resolve()), "--measure", way]
    join = None if group is None else lambda: (group / "cgroup.procs").write_text(str(os.getpid()))
    done = subprocess.run(command, capture_output=True, text=True, check=True, preexec_fn=join)
    found: dict[str, float] = json.loads(done.stdout)
    return found


@contextlib.contextmanager
def neighbours() -> Iterator[None]:
    """A process that spins on each core."""
    spinning = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


@contextlib.contextmanager
def one_cpu_group() -> Iterator[Path | None]:
    """A control group (version 1) with a quota of one CPU; None where it cannot be made."""
    top = next((path for path in CPU_GROUPS if path.is_dir()), None)
    if top is None:
        yield None
        return
    group = top / GROUP
    try:
        group.mkdir(exist_ok=True)
        (group / "cpu.cfs_period_us").write_text("100000")
        (group / "cpu.cfs_quota_us").write_text("100000")
    except OSError:
        yield None
        return
    try:
        yield group
    finally:
        with contextlib.suppress(OSError):
            group.rmdir()


def situations() -> Iterator[tuple[str, Callable[[str], dict[str, float] | None]]]:
    """Name and how to measure a way in it."""
    yield "idle", in_process

    def busy(way: str) -> dict[str, float]:
        with neighbours():
            return in_process(way)

    yield "beside a neighbour on every core", busy
    yield "one CPU by affinity", lambda way: in_process(way, prefix=("taskset", "-c", "0"))

    def quota(way: str) -> dict[str, float] | None:
        with one_cpu_group() as group:
            return None if group is None else in_process(way, group=group)

    yield "one CPU by quota", quota


def peer() -> Callable[[Sequence[str]], Any] | None:
    """sentence-transformers on the same weights."""
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        return None
    model = SentenceTransformer(str(find_weights(None)), device="cpu")
    return lambda texts: model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)


def compare() -> None:
    """Rounds of ours and theirs in turn; medians."""
    texts, ours, theirs = passages(), MiniLM().encode, peer()
    rows: list[tuple[str, str]] = []
    for name, sample in (("chunks of up to 1,000 characters", texts), ("120 characters", [one[:120] for one in texts])):
        times: dict[str, list[float]] = {"ours": [], "theirs": []}
        for _ in range(ROUNDS):
            for who, embed in (("ours", ours), ("theirs", theirs)):
                if embed is not None:
                    started = time.perf_counter()
                    embed(sample)
                    times[who].append(time.perf_counter() - started)
        line = f"{PASSAGES / statistics.median(times['ours']):6.1f} passages/s"
        if times["theirs"]:
            line += f"; sentence-transformers {PASSAGES / statistics.median(times['theirs']):6.1f}"
        rows.append((name, line))
    if theirs is not None:
        cosine = float((ours(texts).astype(np.float64) * theirs(texts)).sum(axis=1).min())
        rows.append(("least cosine between the two", f"{cosine:.7f}"))
    table(f"MiniLM in NumPy, {PASSAGES} Cranfield chunks, median of {ROUNDS} rounds", rows)


def main() -> None:
    """Print the situations, or the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", choices=["workers", "blas"], help=argparse.SUPPRESS)
    parser.add_argument("--peer", action="store_true")
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.measure)))
        return
    if args.peer:
        compare()
        return
    rows, idle = [], {}
    for name, run in situations():
        for way, called in (("workers", "own workers"), ("blas", "BLAS threads")):
            found = run(way)
            if found is None:
                rows.append((f"{name}, {called}", "cannot be set here"))
                continue
            cost = idle.setdefault(way, found["per_cpu_second"]) / found["per_cpu_second"]
            line = f"{found['per_second']:6.1f} passages/s, {found['per_cpu_second']:6.1f} per CPU second"
            rows.append((f"{name}, {called}", f"{line} (cost x {cost:.2f}), query {found['query_ms']:.1f} ms"))
    table(f"MiniLM, {PASSAGES} Cranfield chunks, medians of {ROUNDS} rounds in a process each", rows)


if __name__ == "__main__":
    main()
