"""Random records and filters: every store returns what the reference evaluator says, for search, count, scan and
delete.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployments import STORES, RunningStores
from vpa.base.records import Record
from vpa.base.scope import Scope
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager
from vpa.filters import as_filter, matches
from vpa.testing import strategies

FILTERS_EACH = 8
corpora = st.lists(strategies.metadata, min_size=1, max_size=8)
questions = st.lists(strategies.filters, min_size=1, max_size=FILTERS_EACH)


async def check(docs: Collection, scope: Scope, rows: list[Any], asked: list[strategies.Pair]) -> int:
    """One corpus in one scope, several filters; leaves nothing behind."""
    rng = np.random.default_rng(len(rows))
    records = [Record(f"r{n}", vector=rng.standard_normal(3), metadata=row) for n, row in enumerate(rows)]
    await docs.upsert(records, scope=scope)
    try:
        for pair in asked:
            node = as_filter(pair.json)
            wanted = {f"r{n}" for n, row in enumerate(rows) if matches(node, row)}
            found = await docs.search(vector=[1.0, 0.5, 0.25], top_k=50, filter=pair.json, exact=True, scope=scope)
            assert set(found.ids) == wanted
            assert len(found) == len(wanted)
            assert await docs.count(filter=pair.json, scope=scope) == len(wanted)
            scanned = [record.id async for record in docs.scan(filter=pair.json, scope=scope, batch_size=5)]
            assert sorted(scanned) == sorted(wanted)
        gone = {f"r{n}" for n, row in enumerate(rows) if matches(as_filter(asked[-1].json), row)}
        assert await docs.delete(filter=asked[-1].json, allow_all=True, scope=scope) == len(gone)
        assert {record.id async for record in docs.scan(scope=scope)} == {record.id for record in records} - gone
    finally:
        await docs.delete(filter={}, allow_all=True, scope=scope)
    return len(asked)


def agree(config: Any, examples: int) -> int:
    """Run that many corpora; returns how many filters were checked."""
    loop = asyncio.new_event_loop()
    numbers, checked = itertools.count(), 0
    manager = VectorDatabaseManager(config)
    loop.run_until_complete(manager.connect())
    name = f"agree{os.getpid()}"
    docs = loop.run_until_complete(manager.create_collection(name, dimension=3))

    @given(rows=corpora, asked=questions)
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def holds(rows: list[Any], asked: list[strategies.Pair]) -> None:
        nonlocal checked
        place = next(numbers) % 6
        scope = Scope("t", f"n{place}") if place else Scope()
        checked += loop.run_until_complete(check(docs, scope, rows, asked))

    try:
        holds()
    finally:
        loop.run_until_complete(manager.drop_collection(name))
        loop.run_until_complete(manager.close())
        loop.close()
    return checked


@pytest.mark.parametrize("store", STORES)
def test_every_store_finds_what_the_evaluator_finds(stores: RunningStores, store: str) -> None:
    assert agree(stores.config(store), 120) > 120


@pytest.mark.long
@pytest.mark.parametrize("store", STORES)
def test_every_store_finds_what_the_evaluator_finds_at_length(stores: RunningStores, store: str) -> None:
    checked = 0
    while checked < 20_000:
        checked += agree(stores.config(store), 1000)
    print(f"{store}: {checked} filters, no disagreement")
