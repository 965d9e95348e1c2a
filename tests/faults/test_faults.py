"""What a caller sees when the way to the store is broken: an error of ours in time, and everything as before
afterwards.
"""

from __future__ import annotations

import asyncio
import time

import pytest

from deployments import RunningStores
from faults.behind import REMOTE, behind
from vpa.base import errors
from vpa.base.records import Record
from vpa.client.manager import VectorDatabaseManager
from wire.proxy import FAULTS, HTTP_FAULTS

OVER_HTTP = ("chromadb", "qdrant, REST")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("provider", REMOTE)
async def test_a_broken_way_is_an_error_in_time_and_heals(stores: RunningStores, provider: str, fault: str) -> None:
    with behind(stores.config(REMOTE[provider], timeout_seconds=2.0)) as (config, proxy):
        manager = VectorDatabaseManager(config)
        async with manager as db:
            docs = await db.create_collection(f"fault-{fault}", dimension=2, exist_ok=True)
            await docs.upsert([Record("a", vector=[1, 0])])
            proxy.fault = fault
            started = time.monotonic()
            found = None
            try:
                found = await docs.search(vector=[1, 0])
            except errors.VectorDatabaseError as error:
                assert error.provider == config.provider
            # A drip that is fast enough is no fault, nor is a refusal to who is connected; whatever comes is right.
            assert found is None or found.ids == ["a"]
            assert found is None or fault in ("refuse", "drip")
            assert time.monotonic() - started < 2.2 + 0.8  # The deadline, and what a busy machine may add.
            proxy.fault = None
            assert await _soon(lambda: docs.search(vector=[1, 0])) == ["a"]
            await db.drop_collection(docs.name)


@pytest.mark.parametrize("provider", ["chromadb", "milvus", "pgvector", "qdrant", "qdrant, REST"])
async def test_a_server_that_cannot_be_reached_is_named(stores: RunningStores, provider: str) -> None:
    with behind(stores.config(REMOTE[provider], timeout_seconds=5.0, max_retries=0)) as (config, proxy):
        proxy.fault = "refuse"
        with pytest.raises(errors.ConnectionFailedError, match=f"127.0.0.1:{proxy.port}"):
            async with VectorDatabaseManager(config) as db:
                await db.list_collections()


@pytest.mark.parametrize("provider", REMOTE)
async def test_answers_in_two_writes_over_a_slow_way_are_read_whole(stores: RunningStores, provider: str) -> None:
    with behind(stores.config(REMOTE[provider])) as (config, proxy):
        proxy.nagle, proxy.delay_s = True, 0.001
        async with VectorDatabaseManager(config) as db:
            docs = await db.create_collection("halves", dimension=2, exist_ok=True)
            records = [Record(f"r{row}", vector=[1, row], text="word " * 200) for row in range(20)]
            await docs.upsert(records)
            assert sorted([record.id async for record in docs.scan()]) == sorted(record.id for record in records)
            found = await docs.search(vector=[1, 0], top_k=20)
            assert found.ids[0] == "r0"
            assert {match.text for match in found} == {"word " * 200}
            await db.drop_collection("halves")


@pytest.mark.parametrize("provider", REMOTE)
async def test_a_connection_that_went_mute_is_replaced(stores: RunningStores, provider: str) -> None:
    with behind(stores.config(REMOTE[provider], timeout_seconds=1.0, max_retries=0)) as (config, proxy):
        async with VectorDatabaseManager(config) as db:
            docs = await db.create_collection("mute", dimension=2, exist_ok=True)
            await docs.upsert([Record("a", vector=[1, 0])])
            await asyncio.sleep(1.1)  # Older than the deadline: calls may have waited on it.
            proxy.fault = "mute"
            with pytest.raises(errors.VectorDatabaseError):
                await docs.search(vector=[1, 0])
            proxy.fault = None
            assert await _soon(lambda: docs.search(vector=[1, 0])) == ["a"]
            await db.drop_collection("mute")


@pytest.mark.parametrize("provider", REMOTE)
async def test_one_of_many_that_fails_is_one_error_of_ours(stores: RunningStores, provider: str) -> None:
    with behind(stores.config(REMOTE[provider], timeout_seconds=2.0, max_retries=0)) as (config, proxy):
        async with VectorDatabaseManager(config) as db:
            docs = await db.create_collection("many", dimension=2, exist_ok=True)
            await docs.upsert([Record("a", vector=[1, 0], metadata={"n": 1})])
            proxy.fault = "reset"
            with pytest.raises(errors.VectorDatabaseError):
                await docs.search_batch(vectors=[[1, 0]] * 2)
            with pytest.raises(errors.VectorDatabaseError):
                await docs.update_metadata(filter={"n": 1}, set={"n": 2})
            proxy.fault = None
            assert await _soon(lambda: docs.search(vector=[1, 0])) == ["a"]
            await db.drop_collection("many")


async def _soon(search) -> list[str]:
    for _ in range(40):
        try:
            return (await search()).ids
        except errors.VectorDatabaseError:
            await asyncio.sleep(0.25)
    return (await search()).ids


@pytest.mark.parametrize("status", HTTP_FAULTS)
@pytest.mark.parametrize("provider", OVER_HTTP)
async def test_a_busy_server_is_asked_again_and_then_named(stores: RunningStores, provider: str, status: str) -> None:
    with behind(stores.config(REMOTE[provider], timeout_seconds=5.0, max_retries=2)) as (config, proxy):
        async with VectorDatabaseManager(config) as db:
            docs = await db.create_collection("busy", dimension=2, exist_ok=True)
            proxy.fault, proxy.retry_after = status, "0.3" if provider == "chromadb" else "1"
            before, started = proxy.broken, time.monotonic()
            expected = errors.RateLimitedError if status == "429" else errors.ServiceUnavailableError
            with pytest.raises(expected) as caught:
                await docs.count()
            assert proxy.broken - before == 3
            if status == "429":
                assert isinstance(caught.value, errors.RateLimitedError)
                assert caught.value.retry_after == float(proxy.retry_after)
                assert time.monotonic() - started >= 2 * float(proxy.retry_after)
            proxy.fault = None
            assert await docs.count() == 0
            await db.drop_collection("busy")


@pytest.mark.parametrize("provider", ["chromadb", "qdrant", "qdrant, REST", "pgvector", "milvus"])
async def test_nobody_there_is_said_at_connect(stores: RunningStores, provider: str) -> None:
    with behind(stores.config(REMOTE[provider], timeout_seconds=3.0)) as (config, proxy):
        proxy.fault = "refuse"
        started = time.monotonic()
        with pytest.raises((errors.ConnectionFailedError, errors.OperationTimeoutError)):
            await VectorDatabaseManager(config).connect()
        assert time.monotonic() - started < 4
