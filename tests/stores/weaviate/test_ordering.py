"""Comparisons in a class with more fields than it has properties for: some by properties, the others by tokens."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from deployments import WEAVIATE_IS_BUILT, RunningStores
from vpa import F, Record
from vpa.client.manager import VectorDatabaseManager
from vpa.filters import matches, normalize
from vpa.stores.weaviate import inserts, ordering

SERVERS = (["weaviate server"] if WEAVIATE_IS_BUILT else []) + ["weaviate 1.34"]
VALUES: list[Callable[[random.Random], Any]] = [
    lambda source: source.choice([0, 1, 2, -3, 1.5, 1e20, -0.25]),
    lambda source: [source.randrange(-3, 4) for _ in range(source.randrange(1, 4))],
    lambda source: source.choice(["", "a", "ab", "b", "ü", "2024-05-01", "2024-05-01T10:00:00Z", "x" * 200]),
    lambda source: [source.choice(["a", "ab", "b", "ba"]) for _ in range(source.randrange(1, 4))],
]


def _metadata(source: random.Random) -> dict[str, Any]:
    fields = source.sample(["f0", "f1", "f2", "f3", "f4"], source.randrange(1, 6))
    return {field: source.choice(VALUES)(source) for field in fields}


def _filters(source: random.Random) -> list[Any]:
    found = []
    for field in ("f0", "f1", "f2", "f3", "f4", "none"):
        for literal in (0, 1, source.choice([-3, 1.5, 1e20, 2]), "a", source.choice(["", "ab", "ü", "2024-05-01"])):
            one = source.choice([F(field) > literal, F(field) >= literal, F(field) < literal, F(field) <= literal])
            found += [one, ~one]
    return found


@pytest.mark.parametrize("most", [0, 3, 64])
@pytest.mark.parametrize("server", SERVERS)
async def test_every_comparison_means_the_same(
    stores: RunningStores, monkeypatch: pytest.MonkeyPatch, server: str, most: int
) -> None:
    monkeypatch.setattr(ordering, "MOST", most)
    monkeypatch.setattr(ordering, "_MANY", most // 2)
    monkeypatch.setattr(inserts, "_MOST_TOKENS", 500)
    source = random.Random(most)
    config = stores.config(server)
    async with VectorDatabaseManager(config) as db, VectorDatabaseManager(config) as other:
        docs = await db.create_collection("ordered", dimension=2)
        early = await other.collection("ordered")
        assert await early.count(filter=F("f0") > 0) == 0
        stored = {f"r{number}": _metadata(source) for number in range(60)}
        for start in range(0, 60, 20):
            part = [Record(f"r{n}", vector=[1, n], metadata=stored[f"r{n}"]) for n in range(start, start + 20)]
            await docs.upsert(part)
        for name in ("r1", "r5", "r25"):
            added = {"f0": [7, -7], "f4": "zz"}
            await early.update_metadata(ids=[name], set=added)
            stored[name] = {**stored[name], **added}
        for node in _filters(source):
            wanted = sum(matches(normalize(node), metadata, {}) for metadata in stored.values())
            assert await docs.count(filter=node) == wanted, node
            assert await early.count(filter=node) == wanted, node
        await db.drop_collection("ordered")


@pytest.mark.skipif(not WEAVIATE_IS_BUILT, reason="the real Weaviate is not built here: make weaviate")
@pytest.mark.parametrize("value", [1, "text"])
async def test_a_thousand_new_fields_are_written_at_once(stores: RunningStores, value: Any) -> None:
    async with VectorDatabaseManager(stores.config("weaviate server")) as db:
        docs = await db.create_collection("many", dimension=2)
        # Those that most records have get the properties.
        records = [Record(f"r{n}", vector=[1, n], metadata={f"f{n}": value, "common": n}) for n in range(1000)]
        started = time.monotonic()
        await docs.upsert(records)
        assert time.monotonic() - started < 10
        least = 0 if value == 1 else "s"
        assert await docs.count(filter=F("f999") > least) == await docs.count(filter=F("f0") > least) == 1
        assert await docs.count(filter=F("common") >= 500) == 500
        known = db._store.driver._known["many"]  # type: ignore[union-attr]
        assert len(known) == 3 + ordering.MOST
        await db.drop_collection("many")
