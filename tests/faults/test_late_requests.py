"""A request that was given up may still arrive. It must not undo a later one that was acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from deployments import RunningStores
from faults.behind import REMOTE, behind
from vpa.base import errors
from vpa.base.records import Record
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.requests import NativeRequest
from wire.proxy import FaultProxy

DEADLINE_S = 0.6
HELD_S = 0.9
SETTLING_S = 1.2


def record(number: int) -> Record:
    """The record that every request of these tests is about."""
    return Record("a", vector=[1, number], metadata={"n": number})


VERBS: dict[str, Callable[[Collection], Awaitable[object]]] = {
    "upsert": lambda docs: docs.upsert([record(2)]),
    "delete": lambda docs: docs.delete(ids=["a"]),
    "delete by filter": lambda docs: docs.delete(filter={"n": {"$gte": 0}}),
    "update": lambda docs: docs.update_metadata(ids=["a"], set={"n": 2}),
}


# A store's verbs go through one writer: all of them on one store, two on the others.
CASES = [
    (provider, verb)
    for provider in REMOTE
    for verb in (VERBS if provider in ("qdrant", "pgvector") else ("upsert", "delete"))
]


@pytest.mark.parametrize(("provider", "verb"), CASES)
async def test_a_late_request_does_not_undo_a_later_one(stores: RunningStores, provider: str, verb: str) -> None:
    config = stores.config(REMOTE[provider], timeout_seconds=DEADLINE_S, max_retries=0)
    with behind(config) as (slow, proxy):
        async with VectorDatabaseManager(slow) as db:
            if (fence := getattr(db._store, "fence", None)) is not None:
                fence.settling_s = SETTLING_S
            docs = await db.create_collection("late", dimension=2, metric="euclidean", exist_ok=True)
            await docs.upsert([record(1)])
            await _give_up(db, proxy, lambda: VERBS[verb](docs))
            assert await _acknowledged(lambda: docs.upsert([record(3)]))
            while proxy.held:
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.3)
            [found] = await docs.get(["a"])
            assert found.metadata == {"n": 3}
            await db.drop_collection("late")


AFTER: dict[str, Callable[[Collection], Awaitable[object]]] = {
    "delete": lambda docs: docs.delete(ids=["late"]),
    "delete by filter": lambda docs: docs.delete(filter={"n": 2}),
    "update": lambda docs: docs.update_metadata(ids=["a"], set={"m": 5}),
    "skip": lambda docs: docs.upsert([record(3)], on_conflict="skip"),
}


@pytest.mark.parametrize("verb", AFTER)
async def test_a_verb_that_reads_first_reads_what_was_late(stores: RunningStores, verb: str) -> None:
    """A delete counts before it deletes and an update merges with what it read: both wait before they read."""
    name = "a" if verb in ("update", "skip") else "late"
    with behind(stores.config(REMOTE["qdrant"], timeout_seconds=DEADLINE_S, max_retries=0)) as (slow, proxy):
        async with VectorDatabaseManager(slow) as db:
            db._store.fence.settling_s = SETTLING_S  # type: ignore[union-attr]
            docs = await db.create_collection("reads", dimension=2, metric="euclidean", exist_ok=True)
            if verb == "update":
                await docs.upsert([record(1)])
            late = Record(name, vector=[1, 2], metadata={"n": 2})
            await _give_up(db, proxy, lambda: docs.upsert([late]))
            await _acknowledged(lambda: AFTER[verb](docs))
            while proxy.held:
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.3)
            left = {one.id: (one.vector.tolist(), one.metadata) for one in await docs.get(["a", "late"])}
            await db.drop_collection("reads")
    expected = {"update": {"a": ([1, 2], {"n": 2, "m": 5})}, "skip": {"a": ([1, 2], {"n": 2})}}
    assert left == expected.get(verb, {})


@contextmanager
def held_when_it_writes(db: VectorDatabaseManager, proxy: FaultProxy) -> Iterator[None]:
    """Hold the request that writes, not the reads before it."""
    store: Any = db._store
    session = getattr(store, "session", None) or store._database._session
    send = session._send

    async def hold(request: NativeRequest, work: Callable[[], Awaitable[Any]]) -> Any:
        if request.verb in ("upsert", "delete", "update_metadata", "drop_collection"):
            proxy.hold_s = HELD_S
        return await send(request, work)

    session._send = hold
    yield
    proxy.hold_s, session._send = 0.0, send


async def _give_up(db: VectorDatabaseManager, proxy: FaultProxy, verb: Callable[[], Awaitable[object]]) -> None:
    """Until its deadline passed with a request of it on the way: on a busy machine it may pass before."""
    before = proxy.held_in_all
    for _ in range(10):
        with held_when_it_writes(db, proxy), pytest.raises(errors.VectorDatabaseError):
            await verb()
        if proxy.held_in_all > before:
            return
    pytest.fail("no request was sent before its deadline")


async def _acknowledged(verb: Callable[[], Awaitable[object]]) -> bool:
    """Until it is acknowledged."""
    for _ in range(20):
        try:
            await verb()
        except errors.VectorDatabaseError:
            await asyncio.sleep(0.05)
        else:
            return True
    return False


# Qdrant's collections are dropped over REST.
@pytest.mark.parametrize("provider", ["chromadb", "qdrant, REST"])
async def test_a_late_drop_does_not_take_a_successor_with_it(stores: RunningStores, provider: str) -> None:
    with behind(stores.config(REMOTE[provider], timeout_seconds=DEADLINE_S, max_retries=0)) as (slow, proxy):
        async with VectorDatabaseManager(slow) as db:
            db._store.fence.settling_s = SETTLING_S  # type: ignore[union-attr]
            docs = await db.create_collection("dropped", dimension=2)
            await docs.upsert([record(1)])
            await _give_up(db, proxy, lambda: db.drop_collection("dropped"))

            async def anew() -> object:
                if "dropped" in await db.list_collections():
                    await db.drop_collection("dropped")
                made = await db.create_collection("dropped", dimension=2)
                return await made.upsert([record(3)])

            assert await _acknowledged(anew)
            while proxy.held:
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.3)
            assert [one.metadata for one in await (await db.collection("dropped")).get(["a"])] == [{"n": 3}]
            await db.drop_collection("dropped")


async def test_a_late_write_is_replaced_by_a_later_one_of_the_same_thing(stores: RunningStores) -> None:
    """Their records have other ids: only the filter of `replacing` says that they are of one thing."""
    with behind(stores.config(REMOTE["qdrant"], timeout_seconds=DEADLINE_S, max_retries=0)) as (slow, proxy):
        async with VectorDatabaseManager(slow) as db:
            db._store.fence.settling_s = SETTLING_S  # type: ignore[union-attr]
            docs = await db.create_collection("versions", dimension=2)

            async def write(version: int) -> int:
                new = Record(f"v{version}", vector=[1, version], metadata={"of": "price"})
                return await docs.upsert([new], replacing={"of": "price"})

            assert await write(1) == 1
            await _give_up(db, proxy, lambda: write(2))
            assert await _acknowledged(lambda: write(3))
            while proxy.held:
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.3)
            assert [one.id async for one in docs.scan()] == ["v3"]
            await db.drop_collection("versions")
