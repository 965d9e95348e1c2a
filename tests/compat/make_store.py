"""Writes the store of `tests/compat/format-3` again. Run by hand, and only for a new format: old ones stay as they
are.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

import vpa
from vpa import F, Record, Scope

METADATA = [
    {"n": 1, "tags": ["a", "b"], "deep": {"x": None, "y": 2.0}},
    {"n": 2**53 + 1},
    {"n": -0.0, "ключ": "naïve 😀"},
    {"n": "1", "b": True},
    {},
]


async def write(directory: str) -> None:
    """A snapshot, and a log behind it; every metric; two scopes; an update and a delete."""
    async with vpa.connect(f"mock://{directory}") as db:
        for metric in ("cosine", "dot", "euclidean"):
            docs = await db.create_collection(
                f"docs-{metric}",
                dimension=3,
                metric=metric,
                embedding=vpa.EmbeddingIdentity(name="m", revision="1", dimension=3),
            )
            records = [
                Record(f"r{n}", vector=[1, n, 2], text=f"t{n}" if n else None, metadata=m)
                for n, m in enumerate(METADATA)
            ]
            await docs.upsert(records)
            await docs.upsert([Record("other", vector=[1, 2, 3])], scope=Scope("tenant", "space"))
            db._store._database.journal(docs.name).checkpoint()  # type: ignore[union-attr]
            await docs.update_metadata(filter=F("n") == 1, set={"updated": True})
            await docs.delete(ids=["r3"])


if __name__ == "__main__":
    target = Path(__file__).with_name("format-3")
    shutil.rmtree(target, ignore_errors=True)
    asyncio.run(write(sys.argv[1] if len(sys.argv) > 1 else str(target.absolute())))
    for name in ("LOCK", "RESERVE"):
        (target / name).unlink()
