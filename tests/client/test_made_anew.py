"""A handle of a collection that another process dropped, or dropped and made again: it says so, and writes nothing into
the new one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from deployments import PROVIDERS, RunningStores
from stores.layout.simulated import Server, simulated
from vpa import Record
from vpa.base import errors
from vpa.base.clock import SystemClock
from vpa.client.binding import LOOKS_EVERY_S
from vpa.client.manager import VectorDatabaseManager
from vpa.client.policy.pipeline import Call

T = TypeVar("T")
REMOTE = [name for name in PROVIDERS if name != "mock"]


class Hands(SystemClock):
    """A clock whose time the test sets."""

    seconds = 100.0

    def monotonic(self) -> float:
        return self.seconds


class Calls:
    """Every verb that goes through the pipeline of a manager."""

    def __init__(self) -> None:
        self.verbs: list[str] = []

    async def __call__(self, call: Call, proceed: Callable[[], Awaitable[T]]) -> T:
        self.verbs.append(call.verb)
        return await proceed()


class Two:
    """A manager with a clock, and another process, on one simulated server."""

    def __init__(self) -> None:
        self.server, self.clock, self.calls = Server(), Hands(), Calls()
        self.here = self._manager(clock=self.clock, interceptors=[self.calls])
        self.other = self._manager()

    def _manager(self, **options: Any) -> VectorDatabaseManager:
        store, _ = simulated(self.server)
        return VectorDatabaseManager(store=store, **options)


@pytest.mark.parametrize("provider", REMOTE)
async def test_a_handle_does_not_write_into_the_collection_that_took_its_name(
    stores: RunningStores, provider: str
) -> None:
    config, clock = stores.config(PROVIDERS[provider]), Hands()
    async with AsyncExitStack() as opened:
        here = await opened.enter_async_context(VectorDatabaseManager(config, clock=clock))
        other = await opened.enter_async_context(VectorDatabaseManager(config))
        docs = await here.create_collection("anew", dimension=2, metric="dot")
        assert (await other.collection("anew")).info.identity == docs.info.identity != ""
        await docs.upsert([Record("a", vector=[1, 2])])
        await other.drop_collection("anew")
        again = await other.create_collection("anew", dimension=2, metric="dot")
        assert again.info.identity not in ("", docs.info.identity)
        clock.seconds += LOOKS_EVERY_S
        for _ in range(2):
            with pytest.raises(errors.CollectionNotFoundError, match=r"dropped and made anew.*open it again"):
                await docs.upsert([Record("b", vector=[1, 2])])
        assert await again.count() == 0
        reopened = await here.collection("anew")
        await reopened.upsert([Record("c", vector=[3, 4])])
        assert [record.id for record in await again.get(["a", "b", "c"])] == ["c"]
        await other.drop_collection("anew")
        clock.seconds += LOOKS_EVERY_S
        with pytest.raises(errors.CollectionNotFoundError, match="anew"):
            await reopened.count()
        assert "anew" not in await here.list_collections()


async def test_a_collection_is_described_at_most_once_in_two_seconds() -> None:
    two = Two()
    async with two.here:
        docs = await two.here.create_collection("docs", dimension=2, metric="dot")
        two.calls.verbs.clear()
        for _ in range(5):
            await docs.count()
        assert two.calls.verbs == ["count"] * 5
        two.clock.seconds += LOOKS_EVERY_S
        for _ in range(3):
            await docs.count()
        assert two.calls.verbs[5:] == ["describe_collection", "count", "count", "count"]


async def test_a_description_that_could_not_be_read_is_asked_for_again_with_the_next_call() -> None:
    two = Two()
    async with two.here:
        docs = await two.here.create_collection("docs", dimension=2, metric="dot")
        two.clock.seconds += LOOKS_EVERY_S

        async def fail(name: str) -> None:
            raise errors.PermissionDeniedError(f"simulated: {name} is not described")

        store = two.here._open_store()
        describe, store.describe_collection = store.describe_collection, fail  # type: ignore[method-assign,assignment]
        with pytest.raises(errors.PermissionDeniedError, match="simulated"):
            await docs.count()
        store.describe_collection = describe  # type: ignore[method-assign]
        two.calls.verbs.clear()
        await docs.count()
        assert two.calls.verbs == ["describe_collection", "count"]


async def test_a_long_scan_ends_where_its_collection_was_made_anew() -> None:
    two = Two()
    async with two.here, two.other:
        docs = await two.here.create_collection("docs", dimension=2, metric="dot")
        await docs.upsert([Record(f"r{n}", vector=[n, 1]) for n in range(4)])
        batches = docs.scan_batches(batch_size=1)
        await anext(batches)
        await two.other.drop_collection("docs")
        await two.other.create_collection("docs", dimension=2, metric="dot")
        two.clock.seconds += LOOKS_EVERY_S
        with pytest.raises(errors.CollectionNotFoundError, match="made anew"):
            await anext(batches)


async def test_a_collection_that_is_opened_again_promises_what_the_new_one_promises() -> None:
    two = Two()
    async with two.here, two.other:
        docs = await two.here.create_collection("docs", dimension=2, metric="dot", recall=0.9)
        first, generation = docs._bound().promise, docs.generation
        await two.here.collection("docs")
        assert docs._bound().promise is first is not None
        assert docs.generation == generation
        for recall in (0.99, 0.99, None):
            await two.other.drop_collection("docs")
            await two.other.create_collection("docs", dimension=2, metric="dot", recall=recall)
            again = await two.here.collection("docs")
            promise = again._bound().promise
            assert (None if promise is None else promise.promised) == recall
            assert docs._bound().promise is None
            assert again.generation > generation
            generation = again.generation


async def test_two_descriptions_that_differ_in_their_identity_alone_are_equal() -> None:
    two = Two()
    async with two.here:
        info = (await two.here.create_collection("docs", dimension=2, metric="dot")).info
    other = replace(info, identity="another")
    assert (info == other, info.is_same_collection(other)) == (True, False)


@pytest.mark.parametrize("dimension", [2, 3])
async def test_a_handle_does_not_become_one_on_the_successor_that_this_manager_made(dimension: int) -> None:
    two = Two()
    async with two.here as db:
        old = await db.create_collection("docs", dimension=2)
        await db.drop_collection("docs")
        new = await db.create_collection("docs", dimension=dimension)
        assert (old.info.identity, old.info.dimension) != (new.info.identity, new.info.dimension)
        two.clock.seconds += LOOKS_EVERY_S
        with pytest.raises(errors.CollectionNotFoundError):
            await old.upsert([Record("a", vector=[1, 2])])
        assert await new.count() == 0


async def test_an_embedder_ends_with_its_collection() -> None:
    async with VectorDatabaseManager() as db:
        docs = await db.create_collection("docs", embedder="hashing")
        await db.drop_collection("docs")
        await db.create_collection("docs", dimension=docs.info.dimension)
        with pytest.raises(errors.ConfigurationError, match="embedder"):
            await (await db.collection("docs")).add_texts(["x"])
