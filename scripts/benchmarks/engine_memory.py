"""Resident memory of a stored collection of 100,000 records that a fresh process opens and searches, by quantization.

What the process grew from before it was opened until after 200 searches, as a multiple of the raw vectors, with the
recall of those searches.
"""

from __future__ import annotations

import argparse
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

ROWS = 100_000
KINDS: dict[str, type[Ours]] = {"none": Ours, "int8": OursInt8, "int4": OursInt4, "binary": OursBinary}


async def store(kind: type[Ours], dimension: int, path: str) -> None:
    """Write it, and wait until everything is where it belongs."""
    vectors, _ = dataset(ROWS, dimension)
    engine = kind(dimension, path)
    await engine.open()
    await engine.insert(vectors, slots(ROWS))
    await engine.make_ready()
    await engine.settle()
    await engine.close()


async def measure(name: str, dimension: int, path: str) -> None:
    """In the fresh process."""
    queries, expected = dataset(10_000, dimension)[1][:200], truths(ROWS, dimension)["all"]
    async with vpa.connect("embedded://") as warm:
        await warm.create_collection("warm", dimension=4)
    before = resident()
    engine = KINDS[name](dimension, path)
    await engine.open()
    found = [await engine.search(query, TOP_K, None) for query in queries]
    grown = resident() - before
    await engine.close()
    recall = np.mean(
        [len(set(one) & set(wanted)) / TOP_K for one, wanted in zip(found, expected.tolist(), strict=False)]
    )
    print(
        f"  {name:<7} {grown:6.1f} MB, {grown / (ROWS * dimension * 4 / 1e6):.2f} x the raw vectors, recall "
        f"{recall:.4f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--child", nargs=2, metavar=("KIND", "PATH"))
    given = parser.parse_args()
    if given.child:
        asyncio.run(measure(given.child[0], given.dimension, given.child[1]))
        return
    size = f"{ROWS:,} x {given.dimension}"
    print(
        f"{machine()}\nResident memory of a stored collection of {size}, opened and searched by a fresh process",
        flush=True,
    )
    for name, kind in KINDS.items():
        with tempfile.TemporaryDirectory(prefix="vpa-bench-") as path:
            asyncio.run(store(kind, given.dimension, path))
            command = [sys.executable, __file__, "--dimension", str(given.dimension), "--child", name, path]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
