"""Resident memory of a stored collection of 100,000 x 384 that a fresh process opens and searches, by quantization.

What the process grew from before it was opened until after 200 searches, as a multiple of the raw vectors, with the recall of those searches.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile

import numpy as np
from common import machine
from embedded import TOP_K, resident, slots, truths
from peers import Ours, OursBinary, OursInt4, OursInt8
from vectors import dataset

import vpa

ROWS, DIMENSION = 100_000, 384
KINDS: dict[str, type[Ours]] = {"none": Ours, "int8": OursInt8, "int4": OursInt4, "binary": OursBinary}


async def store(kind: type[Ours], path: str) -> None:
    """Write it, and wait until everything is where it belongs."""
    vectors, _ = dataset(ROWS, DIMENSION)
    engine = kind(DIMENSION, path)
    await engine.open()
    await engine.insert(vectors, slots(ROWS))
    await engine.make_ready()
    await engine.settle()
    await engine.close()


async def measure(name: str, path: str) -> None:
    """In the fresh process."""
    queries, expected = dataset(10_000, DIMENSION)[1][:200], truths(ROWS, DIMENSION)["all"]
    async with vpa.connect("mock://") as warm:
        await warm.create_collection("warm", dimension=4)
    before = resident()
    engine = KINDS[name](DIMENSION, path)
    await engine.open()
    found = [await engine.search(query, TOP_K, None) for query in queries]
    grown = resident() - before
    await engine.close()
    recall = np.mean(
        [len(set(one) & set(wanted)) / TOP_K for one, wanted in zip(found, expected.tolist(), strict=False)]
    )
    print(
        f"  {name:<7} {grown:6.1f} MB, {grown / (ROWS * DIMENSION * 4 / 1e6):.2f} x the raw vectors, recall {recall:.4f}"
    )


def main() -> None:
    if len(sys.argv) > 1:
        asyncio.run(measure(*sys.argv[1:]))
        return
    print(f"{machine()}\nResident memory of a stored collection, opened and searched by a fresh process", flush=True)
    for name, kind in KINDS.items():
        with tempfile.TemporaryDirectory(prefix="vpa-bench-") as path:
            asyncio.run(store(kind, path))
            subprocess.run([sys.executable, __file__, name, path], check=True)


if __name__ == "__main__":
    main()
