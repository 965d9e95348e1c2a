"""A workload that follows from a seed, and the plain dict that says what must be there after n operations.

Run as a program it writes into a directory until it is killed, and prints the number of each acknowledged operation.
"""

from __future__ import annotations

import asyncio
import random
import sys
from typing import Any

import numpy as np

from vpa.base.metadata import canonical_metadata
from vpa.base.records import Record
from vpa.client.collection import Collection
from vpa.filters import as_filter, matches

DIMENSION = 4
State = dict[str, tuple[bytes, str | None, str]]
FILTERS: tuple[dict[str, Any], ...] = (
    {"n": {"$gte": 50}},
    {"kind": "b"},
    {"tags": {"$contains_any": ["x", "y"]}},
    {"deep.leaf": {"$exists": True}},
    {"n": {"$exists": False}},
    {"kind": {"$ne": "a"}},
    {"at": {"$lt": "m"}},
    {"$or": [{"n": 3}, {"flag": True}]},
)


class Workload:
    """Operation number i, and the state after it."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.records: dict[str, tuple[np.ndarray, str | None, dict[str, Any]]] = {}

    def _metadata(self) -> dict[str, Any]:
        r = self._random
        everything = {
            "n": r.choice((r.randrange(100), r.random() * 100, 2**53 + r.randrange(3), None)),
            "kind": r.choice("abc"),
            "tags": r.sample(["x", "y", "z", "ü"], r.randrange(4)),
            "deep": {"leaf": r.choice(("", "v", None))},
            "flag": r.random() < 0.5,
            "at": r.choice(("a", "z", "'; --")),
        }
        return {key: everything[key] for key in everything if r.random() < 0.7}

    def next(self) -> tuple[str, dict[str, Any]]:
        """The next verb and its arguments; the model is moved on at once."""
        r = self._random
        choice = r.random()
        if choice < 0.55 or not self.records:
            names = r.sample(range(120), r.choice((1, 1, 2, 5, 20)))
            rows = [
                (f"id-{n}", self._vector(), r.choice((None, "", "text " * r.randrange(30))), self._metadata())
                for n in names
            ]
            replacing = r.choice((None, None, None, {"kind": "c"}))
            if replacing is not None:
                for name in self.matching(replacing):
                    del self.records[name]
            for name, vector, text, metadata in rows:
                self.records[name] = (_unit(vector), text, canonical_metadata(metadata))
            records = [Record(name, vector=v, text=t, metadata=m) for name, v, t, m in rows]
            return "upsert", {"records": records, "replacing": replacing}
        if choice < 0.7:
            names = r.sample(sorted(self.records), min(len(self.records), r.randrange(1, 6)))
            for name in names:
                del self.records[name]
            return "delete", {"ids": names}
        if choice < 0.8:
            chosen = r.choice(FILTERS)
            for name in self.matching(chosen):
                del self.records[name]
            return "delete", {"filter": chosen}
        chosen, change = r.choice(FILTERS), {"n": r.randrange(100), "new": r.choice((1, 1.0, "1", True))}
        for name in self.matching(chosen):
            vector, text, metadata = self.records[name]
            metadata = {key: value for key, value in metadata.items() if key != "kind"}
            self.records[name] = (vector, text, {**metadata, **change})
        return "update_metadata", {"filter": chosen, "set": change, "remove": ["kind"]}

    def _vector(self) -> list[float]:
        return [self._random.uniform(-1, 1) for _ in range(DIMENSION)]

    def matching(self, given: dict[str, Any]) -> list[str]:
        """Ids that the evaluator accepts."""
        node = as_filter(given)
        return [name for name, (_, _, metadata) in self.records.items() if matches(node, metadata)]

    def state(self) -> State:
        """Everything that must be there, comparable."""
        return {name: (v.tobytes(), t, _shown(m)) for name, (v, t, m) in self.records.items()}


def _shown(metadata: Any) -> str:
    return repr(sorted(metadata.items()))


def _unit(vector: list[float]) -> np.ndarray:
    wide = np.asarray(vector, dtype=np.float32).astype(np.float64)
    return (wide / np.sqrt((wide**2).sum())).astype(np.float32)


async def stored_state(docs: Collection) -> State:
    """Everything that is there; every filter path is checked against the evaluator on the way."""
    found: State = {}
    metadata: dict[str, dict[str, Any]] = {}
    async for record in docs.scan():
        found[record.id] = (np.asarray(record.vector).tobytes(), record.text, _shown(record.metadata))
        metadata[record.id] = dict(record.metadata)
    for given in FILTERS:
        node = as_filter(given)
        wanted = {name for name, row in metadata.items() if matches(node, row)}
        assert {record.id async for record in docs.scan(filter=given)} == wanted, given
        assert await docs.count(filter=given) == len(wanted)
    return found


async def _write(directory: str, seed: int) -> None:
    from vpa.client.connect import connect
    from vpa.engine.persist import journal

    # Small enough that checkpoints happen all the time.
    journal.CHECKPOINT_BYTES = 20_000  # type: ignore[misc]
    workload = Workload(seed)
    async with connect(f"mock://{directory}") as db:
        docs = await db.create_collection("docs", dimension=DIMENSION, exist_ok=True)
        number = 0
        while True:
            verb, arguments = workload.next()
            await getattr(docs, verb)(**arguments)
            number += 1
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_write(sys.argv[1], int(sys.argv[2])))
