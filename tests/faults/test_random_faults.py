"""A thousand operations while the way breaks at random: nothing acknowledged is lost, nothing is there twice, nothing
hangs.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from deployments import RunningStores
from faults.behind import REMOTE, behind
from vpa.base import errors
from vpa.base.records import Record
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager

IDS = [f"r{n}" for n in range(40)]


class Workload:
    """What each id may hold: one value after an acknowledged write, several while the outcome of a write is unknown."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.possible: dict[str, set[int | None]] = {name: {None} for name in IDS}
        self.acknowledged = self.unknown = 0
        self.counter = 0

    async def step(self, docs: Collection) -> None:
        """One operation."""
        names = self.random.sample(IDS, self.random.randint(1, 6))
        self.counter += 1
        kind = self.random.choice(("upsert", "upsert", "delete", "update"))
        try:
            if kind == "upsert":
                await docs.upsert(
                    [Record(name, vector=[1, self.counter], metadata={"n": self.counter}) for name in names]
                )
            elif kind == "delete":
                await docs.delete(ids=names)
            else:
                names = names[:1]
                await docs.update_metadata(ids=names, set={"n": self.counter})
        except errors.RecordNotFoundError:
            assert None in self.possible[names[0]]
            self.possible[names[0]] = {None}
            return
        except errors.PartialWriteError as error:
            for name in names:
                self.note(name, self.counter, certain=name in error.written)
            self.unknown += 1
            return
        except errors.VectorDatabaseError:
            for name in names:
                self.note(name, None if kind == "delete" else self.counter, certain=False)
            self.unknown += 1
            return
        self.acknowledged += 1
        for name in names:
            self.note(name, None if kind == "delete" else self.counter, certain=True)

    def note(self, name: str, value: int | None, *, certain: bool) -> None:
        self.possible[name] = {value} if certain else self.possible[name] | {value}

    async def check(self, docs: Collection) -> None:
        """Against what is there, read without faults."""
        found: dict[str, Any] = {}
        async for record in docs.scan():
            assert record.id not in found, f"{record.id} is there twice"
            found[record.id] = record.metadata["n"]
        assert await docs.count() == len(found)
        for name in IDS:
            assert found.get(name) in self.possible[name], name


async def run(config: Any, *, operations: int, seed: int) -> Workload:
    work = Workload(seed)
    with behind(config, seed=seed) as (broken, proxy):
        async with VectorDatabaseManager(broken) as db:
            docs = await db.create_collection("storm", dimension=2, metric="euclidean", exist_ok=True)
            # PostgreSQL's client needs ten answers to connect; each may break.
            proxy.share = 0.02 if config.provider == "pgvector" else 0.08
            breaker = db._pipelines.breaker
            breaker._cooldown_s = breaker._wait_s = 0.02
            # This proxy holds no request back, so what was given up is dead soon.
            if (fence := getattr(db._store, "fence", None)) is not None:
                fence.settling_s = 0.3
            for number in range(operations):
                # A stall costs a whole deadline: a few are enough.
                proxy.faults = ("stall",) if number % 100 == 0 else ("reset", "garble", "drip")
                await work.step(docs)
            proxy.share = 0.0
        async with VectorDatabaseManager(broken) as healed:
            await work.check(await healed.collection("storm"))
            await healed.drop_collection("storm")
    return work


@pytest.mark.parametrize("provider", REMOTE)
async def test_nothing_acknowledged_is_lost(stores: RunningStores, provider: str) -> None:
    config = stores.config(REMOTE[provider], timeout_seconds=1.0)
    work = await run(config, operations=200, seed=5)
    print(f"{provider}: {work.acknowledged} acknowledged, {work.unknown} with an outcome unknown")
    assert work.acknowledged > 60
