"""Stores of adapters share one manager a place, open it once, and let it go."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

import vpa
from vpa.integrations.owned import OwnedCollection
from vpa.integrations.shared import _LOOP


def owned(place: object, name: str = "docs", **options: object) -> OwnedCollection:
    return OwnedCollection(place, name, **options)  # type: ignore[arg-type]


async def put(collection: vpa.Collection, name: str = "a") -> int:
    return await collection.upsert([vpa.Record(name, vector=[1.0, 2.0])])


async def count(collection: vpa.Collection) -> int:
    return await collection.count()


@pytest.mark.parametrize("place", ["mock://", "durable"])
async def test_eight_first_writes_at_once_keep_eight_records(place: str, tmp_path: Path) -> None:
    store = owned(f"mock://{tmp_path}" if place == "durable" else place)
    await asyncio.gather(*(store.arun(lambda docs, n=n: put(docs, str(n)), dimension=2) for n in range(8)))
    assert await store.arun(count) == 8
    store.close()


def test_two_collections_of_one_directory_and_a_second_store_share_it(tmp_path: Path) -> None:
    place = f"mock://{tmp_path}/data"
    first, other, again = owned(place), owned(place, "others"), owned(place)
    for store in (first, other):
        store.run(put, dimension=2)
    assert again.run(count) == 1
    first.close()
    assert (other.run(count), again.run(count)) == (1, 1)
    other.close()
    again.close()
    # Closed with the last: another may lock the directory.
    with vpa.sync.connect(place) as db:
        assert db.list_collections() == ["docs", "others"]


def test_stores_in_memory_are_strangers() -> None:
    first, other = owned("mock://"), owned("mock://")
    first.run(put, dimension=2)
    assert other.run(count, default=0) == 0
    first.close()
    other.close()


@pytest.mark.parametrize("is_used", [False, True])
async def test_after_close_every_call_raises(is_used: bool) -> None:
    store = owned("mock://")
    if is_used:
        store.run(put, dimension=2)
    store.close()
    store.close()
    with pytest.raises(vpa.ClosedError):
        store.run(count)
    with pytest.raises(vpa.ClosedError):
        await store.arun(count)
    with pytest.raises(vpa.ClosedError):
        store.drop()


async def test_close_gives_up_what_is_under_way_and_leaves_others_alone(tmp_path: Path) -> None:
    first, other = owned(f"mock://{tmp_path}"), owned(f"mock://{tmp_path}")
    begun = threading.Event()

    async def wait(collection: vpa.Collection) -> None:
        begun.set()
        await asyncio.sleep(60)

    waiting = asyncio.create_task(first.arun(wait, dimension=2))
    await asyncio.to_thread(begun.wait)
    await first.aclose()
    with pytest.raises(vpa.ClosedError):
        await waiting
    assert await other.arun(put, dimension=2) == 1
    other.close()


def test_what_is_forgotten_is_closed(tmp_path: Path, new_threads: Callable[[], list[str]]) -> None:
    store = owned(f"mock://{tmp_path}")
    store.run(put, dimension=2)
    del store
    gc.collect()
    # It is closed beside: a thread may be listed before it has begun, and begin another.
    ends = time.monotonic() + 20
    while new_threads() and time.monotonic() < ends:
        time.sleep(0.01)
    assert new_threads() == []
    assert not _LOOP.places
    with vpa.sync.connect(f"mock://{tmp_path}") as db:
        assert db.list_collections() == ["docs"]


def test_one_thread_serves_all_and_ends_with_the_last(new_threads: Callable[[], list[str]]) -> None:
    stores = [owned("mock://") for _ in range(5)]
    for store in stores:
        store.run(put, dimension=2)
    assert new_threads().count("vpa-sync") <= 1
    for store in stores:
        store.close()
    assert new_threads() == []


def test_a_place_is_opened_anew_after_the_last_left(tmp_path: Path) -> None:
    for rounds in range(3):
        store = owned(f"mock://{tmp_path}")
        store.run(lambda docs, n=rounds: put(docs, str(n)), dimension=2)
        assert store.run(count) == rounds + 1
        store.close()


async def test_a_manager_of_the_caller_is_used_on_its_loop_and_stays_open() -> None:
    async with vpa.connect("mock://") as db:
        store = owned(db)
        await store.arun(put, dimension=2)
        with pytest.raises(vpa.ConfigurationError, match="await the asynchronous method"):
            store.run(count)
        assert await asyncio.to_thread(store.run, count) == 1
        handle = await db.collection("docs")
        assert await owned(handle).arun(count) == 1
        store.close()
        assert await handle.count() == 1
    with pytest.raises(vpa.ClosedError):
        await owned(db).arun(count)


async def test_a_manager_without_await_serves_both() -> None:
    with vpa.sync.connect("mock://") as db:
        store = owned(db)
        store.run(put, dimension=2)
        assert await store.arun(count) == 1
        assert await owned(db.collection("docs"), "ignored").arun(count) == 1
        store.close()
        assert db.collection("docs").count() == 1


def test_another_metric_is_refused_and_none_takes_what_is_there(tmp_path: Path) -> None:
    place = f"mock://{tmp_path}"
    with vpa.sync.connect(place) as db:
        db.create_collection("docs", dimension=2, metric="dot")
    refused = owned(place, metric="cosine")
    for dimension in (None, 2):
        with pytest.raises(vpa.ConfigurationError, match="has metric dot, cosine was asked for"):
            refused.run(count, dimension=dimension)
    taken = owned(place)
    assert taken.run(put, dimension=2) == 1
    refused.close()
    taken.close()


def test_another_model_is_refused(tmp_path: Path) -> None:
    def of(name: str) -> Callable[[int | None], vpa.EmbeddingIdentity]:
        return lambda dimension: vpa.EmbeddingIdentity(name=name, dimension=dimension or 0)

    first = owned(f"mock://{tmp_path}", embedding=of("publisher/small"))
    first.run(put, dimension=2)
    same, other = (owned(f"mock://{tmp_path}", embedding=of(name)) for name in ("Small", "large"))
    assert same.run(count) == 1
    with pytest.raises(vpa.EmbeddingMismatchError, match="holds vectors of publisher/small, the model in use is large"):
        other.run(count)
    for store in (first, same, other):
        store.close()


def test_a_collection_that_another_store_dropped_is_made_again(tmp_path: Path) -> None:
    first, other = owned(f"mock://{tmp_path}"), owned(f"mock://{tmp_path}")
    first.run(put, dimension=2)
    assert other.run(count) == 1
    first.drop()
    assert other.run(count, default=0) == 0
    assert other.run(put, dimension=2) == 1
    first.close()
    other.close()


def test_a_collection_that_another_store_made_with_another_dimension_is_taken_as_it_is(tmp_path: Path) -> None:
    first, other = owned(f"mock://{tmp_path}"), owned(f"mock://{tmp_path}")
    assert first.run(put, dimension=2) == other.run(count) == 1
    first.drop()
    wide = {"id": "w", "vector": [1.0, 2.0, 3.0]}
    assert first.run(lambda docs: docs.upsert([wide]), dimension=3) == 1
    assert other.run(lambda docs: docs.upsert([{**wide, "id": "x"}]), dimension=3) == 1
    assert other.run(count) == 2
    with pytest.raises(vpa.DimensionMismatchError):
        other.run(put, dimension=2)
    first.close()
    other.close()


def test_a_key_may_be_wrapped_so_that_it_is_not_printed() -> None:
    assert vpa.connect("qdrant://localhost", api_key=SecretStr("hunter2")).config.api_key == "hunter2"  # type: ignore[arg-type]
    OwnedCollection("qdrant://localhost", "docs", api_key=SecretStr("hunter2")).close()
    with pytest.raises(vpa.ConfigurationError, match=r"api_key .* is a text or a SecretStr, not int"):
        vpa.connect("qdrant://localhost", api_key=3)  # type: ignore[arg-type]


def test_what_is_no_place_is_named() -> None:
    with pytest.raises(vpa.ConfigurationError, match="place is a store URL"):
        owned(3)
