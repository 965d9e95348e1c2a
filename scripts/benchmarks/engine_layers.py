"""Where the time of one search goes: the pass over codes, the exact ranking of its candidates, and everything around
the two.

100,000 x 384 of real text (see vectors.py), top 10, one caller, through the public API, with the clock read around the
inner calls.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from common import machine, table
from embedded import slots
from peers import Ours
from vectors import dataset

from vpa.engine.indexes import coded, flat

ROWS, SEARCHES, WARM = 100_000, 900, 20


def clocked(owner: object, name: str, times: list[float]) -> None:
    """Every call of `owner.name` from now on leaves its milliseconds behind."""
    inner: Callable[..., Any] = getattr(owner, name)

    def outer(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        try:
            return inner(*args, **kwargs)
        finally:
            times.append((time.perf_counter() - started) * 1000)

    setattr(owner, name, outer)


async def main() -> None:
    vectors, queries = dataset(ROWS)
    engine = Ours(vectors.shape[1], None)
    await engine.open()
    await engine.insert(vectors, slots(ROWS))
    await engine.make_ready()
    await engine.settle()
    passes: list[float] = []
    rankings: list[float] = []
    clocked(coded, "_candidates", passes)
    clocked(flat, "rank_candidates", rankings)
    whole = []
    for number in range(SEARCHES + WARM):
        started = time.perf_counter()
        await engine.docs.search(vector=queries[number % len(queries)], top_k=10)
        whole.append((time.perf_counter() - started) * 1000)
    facts = await engine.facts()
    await engine.close()
    took, codes, ranking = (np.asarray(times[WARM:]) for times in (whole, passes, rankings))
    rows = [
        ("the whole search", took),
        (f"the pass over codes ({facts['first_pass']})", codes),
        ("the exact ranking of its candidates", ranking),
        ("everything else", took - codes - ranking),
        ("all above the pass", took - codes),
    ]
    print(machine())
    table(
        f"{ROWS:,} x 384, top 10, {SEARCHES} searches, medians",
        [(name, f"{np.median(times):.3f} ms") for name, times in rows],
    )


if __name__ == "__main__":
    asyncio.run(main())
