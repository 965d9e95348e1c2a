"""Searches of the default scope leave the scope out while there is no other: no record of another one is ever shown,
and none of their own is missed, whatever other processes write, at any moment.
"""

from __future__ import annotations

import os
import random
from typing import Any

import numpy as np
import pytest

from stores.layout.simulated import Server, SimulatedDriver, simulated
from vpa.base.records import CollectionInfo, Metric
from vpa.base.scope import Scope
from vpa.filters import F, normalize
from vpa.stores.layout import tokens
from vpa.stores.layout.sharing import SharedCollections
from vpa.stores.layout.store import LayoutStore
from vpa.stores.requests import ALWAYS, Count, Delete, Get, Scan, Search

INFO = CollectionInfo(name="docs", dimension=2, metric=Metric.DOT)
# Interleavings of two processes; ten thousand in the long tests.
SEEDS = int(os.environ.get("VPA_TEST_INTERLEAVINGS", "1000"))
OTHERS = (Scope("a"), Scope("b", "n"), Scope("", "n"))


def ask(*vector: float, top_k: int = 3, **options: Any) -> Search:
    return Search(vectors=np.asarray([vector], dtype=np.float32), top_k=top_k, **options)


async def ids(store: LayoutStore, request: Search) -> list[str]:
    [found] = await store.search(INFO, request)
    return [match.id for match in found]


def filled(**options: Any) -> tuple[Server, LayoutStore, SimulatedDriver]:
    server = Server(info=INFO)
    for number in range(10):
        server.put(Scope(), f"r{number}", [number, 1])
    return server, *simulated(server, **options)


async def test_a_collection_of_one_scope_is_asked_without_it() -> None:
    _, store, driver = filled()
    assert await ids(store, ask(1, 0)) == ["r9", "r8", "r7"]
    assert driver.asked == [None]


async def test_a_foreign_record_is_not_shown_and_the_scope_is_sent_from_then_on() -> None:
    server, store, driver = filled()
    server.put(Scope("a"), "r9", [50, 1])
    for _ in range(3):
        assert await ids(store, ask(1, 0)) == ["r9", "r8", "r7"]
    assert driver.asked == [None, Scope(), Scope(), Scope()]


async def test_a_named_scope_is_always_sent() -> None:
    server, store, driver = filled()
    server.put(Scope("a"), "mine", [0, 1])
    assert await ids(store, ask(1, 0, scope=Scope("a"))) == ["mine"]
    assert driver.asked == [Scope("a")]


def test_it_is_remembered_for_a_minute() -> None:
    seconds = 0.0
    shared = SharedCollections(lambda: seconds)
    shared.note("docs")
    seconds = 59.0
    assert shared.is_shared("docs")
    assert not shared.is_shared("other")
    seconds = 61.0
    assert not shared.is_shared("docs")


@pytest.mark.parametrize("exact_search", ["native", "scan", "listed"])
async def test_interleavings(exact_search: str) -> None:
    for seed in range(SEEDS):
        await _one_story(random.Random(seed), exact_search)


async def _one_story(source: random.Random, exact_search: str) -> None:
    server, store, _ = filled(exact_search=exact_search)
    begins = source.randrange(8)
    requests = 0

    def meanwhile() -> None:
        nonlocal requests
        requests += 1
        if requests < begins:
            return
        for _ in range(source.choice((0, 1, 1, 12))):
            scope, name = source.choice(OTHERS), f"r{source.randrange(12)}"
            key = tokens.record_key(scope, name)
            if key in server.rows and source.random() < 0.4:
                del server.rows[key]
            else:
                server.put(scope, name, [source.uniform(-5, 15), 1], {"a": 1})

    server.meanwhile = meanwhile
    for _ in range(6):
        top_k, exact = source.choice((1, 3, 9, 10, 11, 50)), source.random() < 0.5
        expected = [f"r{number}" for number in range(9, -1, -1)][:top_k]
        assert await ids(store, ask(1, 0, top_k=top_k, exact=exact)) == expected
    size = source.choice((1, 3, 100))
    scanned = [record.id async for batch in store.scan(INFO, Scan(batch_size=size)) for record in batch]
    assert sorted(scanned) == sorted(f"r{number}" for number in range(10))
    assert await store.count(INFO, Count()) == 10
    assert [record.id for record in await store.get(INFO, Get(ids=["r3", "r11"]))] == ["r3"]
    assert await store.delete(INFO, Delete(ids=["r3"])) == 1
    others = {key for key, stored in server.rows.items() if stored.scope != Scope()}
    server.meanwhile = lambda: None
    assert await store.delete(INFO, Delete()) == 9
    assert set(server.rows) == others


@pytest.mark.parametrize("scope", [Scope(), Scope("a")])
async def test_what_is_deleted_or_changed_between_the_ranking_and_the_fetch_gives_its_place_to_the_next(
    scope: Scope,
) -> None:
    server, store, _ = filled(exact_search="listed")
    for number in range(40):
        server.put(Scope("a"), f"a{number}", [20 + number, 1], {"a": 1})
    requests = 0

    def meanwhile() -> None:
        nonlocal requests
        requests += 1
        if requests == 3:
            for number in range(10, 40):
                del server.rows[tokens.record_key(Scope("a"), f"a{number}")]
            server.put(Scope("a"), "a9", [29, 1], {"a": 2})

    server.meanwhile = meanwhile
    chosen = normalize(F("a") == 1) if scope != Scope() else ALWAYS
    found = await ids(store, ask(1, 0, exact=True, scope=scope, filter=chosen))
    assert found == (["r9", "r8", "r7"] if scope == Scope() else ["a8", "a7", "a6"])


@pytest.mark.long
@pytest.mark.parametrize("exact_search", ["native", "scan", "listed"])
async def test_ten_thousand_interleavings(exact_search: str) -> None:
    for seed in range(1_000_000, 1_010_000):
        await _one_story(random.Random(seed), exact_search)


@pytest.mark.parametrize("exact_search", ["native", "scan", "listed"])
async def test_scopes_whose_keys_begin_alike(exact_search: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_scope_prefix", lambda scope: "0badcafe")
    server, store, driver = filled(exact_search=exact_search)
    for scope in OTHERS:
        for number in range(5):
            server.put(scope, f"r{number}", [20 + number, 1])
    for exact in (False, True):
        assert await ids(store, ask(1, 0, exact=exact)) == ["r9", "r8", "r7"]
        assert await ids(store, ask(1, 0, exact=exact, scope=Scope("a"))) == ["r4", "r3", "r2"]
    scanned = [record.id async for batch in store.scan(INFO, Scan(batch_size=2)) for record in batch]
    assert sorted(scanned) == [f"r{number}" for number in range(10)]
    assert driver.asked[0] is None
