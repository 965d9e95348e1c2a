"""Moves a collection mock -> pgvector -> qdrant -> mock, each step verified, and compares the digests at both ends."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import resource
import tempfile
import time

import numpy as np
from running import running

import vpa
from vpa.client.manager import VectorDatabaseManager
from vpa.transfer.digest import digest


def records(count: int, dimension: int) -> vpa.RecordBatch:
    rng = np.random.default_rng(0)
    return vpa.RecordBatch(
        ids=[f"record-{n}" for n in range(count)],
        vectors=rng.standard_normal((count, dimension)).astype(np.float32),
        texts=[f"text of record {n}" for n in range(count)],
        metadata=[{"n": n, "share": n / 7, "kind": f"kind-{n % 10}", "tags": ["a", f"t{n % 5}"]} for n in range(count)],
    )


async def main(count: int, dimension: int) -> None:
    with running() as stores, tempfile.TemporaryDirectory() as directory:
        places = [
            vpa.connect("embedded://"),
            VectorDatabaseManager(stores.config("pgvector", timeout_seconds=120.0)),
            VectorDatabaseManager(stores.config("qdrant engine", timeout_seconds=120.0)),
            vpa.connect("embedded://"),
        ]
        for place in places:
            await place.connect()
        docs = await places[0].create_collection("moving", dimension=dimension)
        for start in range(0, count, 10_000):
            await docs.upsert(
                records(min(10_000, count - start), dimension) if start == 0 else _part(start, count, dimension)
            )
        first = await digest(docs)
        for source, target in itertools.pairwise(places):
            started = time.perf_counter()
            done = await vpa.migrate(source, target, collection="moving", state_directory=directory)
            seconds = time.perf_counter() - started
            report = done.verification
            print(
                f"{source.config.provider} -> {target.config.provider}: {done.copied:,} records copied and verified "
                f"in {seconds:.1f} s "
                f"({done.copied / seconds:,.0f}/s), {report.agreeing_queries} of {report.queries} searches agree"
            )
        last = await digest(await places[-1].collection("moving"))
        equal = {scope: one.to_json() for scope, one in first.items()} == {
            scope: one.to_json() for scope, one in last.items()
        }
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"digests at both ends are {'identical' if equal else 'DIFFERENT'}; peak memory of this process "
            f"{peak:,.0f} MiB"
        )
        for place in places:
            await place.close()


def _part(start: int, count: int, dimension: int) -> vpa.RecordBatch:
    size = min(10_000, count - start)
    part = records(size, dimension)
    rng = np.random.default_rng(start)
    return vpa.RecordBatch(
        ids=[f"record-{start + n}" for n in range(size)],
        vectors=rng.standard_normal((size, dimension)).astype(np.float32),
        texts=part.texts,
        metadata=part.metadata,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=384)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.records, arguments.dimension))
