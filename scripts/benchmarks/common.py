"""What the benchmarks share: data from a seed, medians, tables, and facts about the machine."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

ROWS, DIMENSION = 100_000, 384


def matrix(rows: int = ROWS, dimension: int = DIMENSION, *, seed: int = 0) -> np.ndarray:
    """Normal random vectors, float32; made 10,000 rows at a time, so that nothing larger than the result is needed."""
    rng = np.random.default_rng(seed)
    result = np.empty((rows, dimension), dtype=np.float32)
    for start in range(0, rows, 10_000):
        part = result[start : start + 10_000]
        rng.standard_normal(part.shape, dtype=np.float32, out=part)
    return result


def metadata(rows: int = ROWS) -> list[dict[str, Any]]:
    """Three fields a record."""
    return [{"year": 1900 + n % 120, "category": "abcdefgh"[n % 8], "weight": n / 7} for n in range(rows)]


def median_ms(call: Callable[[], object], *, runs: int) -> float:
    """Median time of a call in milliseconds."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


def machine() -> str:
    """Processor count, Python and NumPy."""
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}"


def table(title: str, rows: Sequence[tuple[str, str]]) -> None:
    """Print a table for people."""
    print(f"\n{title}\n({machine()})")
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"  {name:<{width}}  {value}")
