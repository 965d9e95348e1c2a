"""Two writers that replace and delete their own records until the server is gone, and what each id may hold then."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from vpa.base import errors
from vpa.base.records import Record
from vpa.client.collection import Collection

DIMENSION = 8
IDS_EACH = 150


def record_of(name: str, version: int) -> Record:
    """The one content that an id has in a version."""
    rng = np.random.default_rng([*name.encode(), version])
    vector = rng.standard_normal(DIMENSION)
    vector /= np.linalg.norm(vector)
    metadata = {"version": version, "kind": "abc"[version % 3], "tags": [name, f"v{version}"]}
    return Record(name, vector=vector.astype(np.float32), text=f"{name} as of {version}", metadata=metadata)


class Writer:
    """Writes its own ids only, so that every write of an id is ordered by the one before it."""

    def __init__(self, name: str, seed: int) -> None:
        self._random = random.Random(f"{name} {seed}")
        self._version = 0
        # None: not there. Several where the outcome of a write is unknown.
        self.possible: dict[str, set[int | None]] = {f"{name}{n}": {None} for n in range(IDS_EACH)}
        self.acknowledged = 0

    async def run(self, docs: Collection) -> None:
        """Until a write fails."""
        while True:
            self._version += 1
            deletes = self._random.random() < 0.15
            names = self._random.sample(sorted(self.possible), self._random.randint(1, 30))
            state = None if deletes else self._version
            for name in names:
                self.possible[name] = self.possible[name] | {state}
            try:
                if deletes:
                    await docs.delete(ids=names)
                else:
                    await docs.upsert([record_of(name, self._version) for name in names])
            except errors.VectorDatabaseError:
                return
            self.acknowledged += len(names)
            self.possible |= {name: {state} for name in names}


class Load:
    """Both writers, and the comparison."""

    def __init__(self, seed: int) -> None:
        self._writers = (Writer("a", seed), Writer("b", seed))

    @property
    def acknowledged(self) -> int:
        """How many records of acknowledged writes and deletes."""
        return sum(writer.acknowledged for writer in self._writers)

    async def run(self, docs: Collection) -> None:
        """Until both have failed."""
        await asyncio.gather(*(writer.run(docs) for writer in self._writers))

    async def compare(self, docs: Collection, *, settle: bool = True) -> list[str]:
        """What is there against what may be, whole records, by id; if `settle`, it is what must be from now on."""
        wrong = []
        for writer in self._writers:
            found = {record.id: record for record in await docs.get(list(writer.possible))}
            for name, versions in writer.possible.items():
                there = found.get(name)
                version = None if there is None else there.metadata.get("version")
                wrong += [f"{name}: {problem}" for problem in _problems(name, there, version, versions)]
                if settle:
                    writer.possible[name] = {version}
        return wrong


def _problems(name: str, there: Record | None, version: Any, allowed: set[int | None]) -> Iterator[str]:
    if version not in allowed:
        yield f"holds version {version}, acknowledged or under way were {sorted(allowed, key=str)}"
    elif there is not None:
        wanted = record_of(name, version)
        if (there.text, dict(there.metadata)) != (wanted.text, dict(wanted.metadata)):
            yield f"version {version} is not what was written: {there}"
        if not np.array_equal(np.asarray(there.vector), np.asarray(wanted.vector)):
            yield f"version {version} has another vector"
