"""Data stays data: ids, keys, values and filters full of other languages, on every store."""

from __future__ import annotations

import gc
from typing import Any, Final

import pytest

from deployments import PROVIDERS, RunningStores
from vpa import F, Record, Scope
from vpa.base import errors
from vpa.client.manager import VectorDatabaseManager

HOSTILE: Final = (
    "'; DROP TABLE vpa_collections; --",
    "' OR '1'='1",
    '" or 1 == 1 or "',
    'x" in ["',
    "array_contains(t, 'x')",
    '$."a"[*] ? (@ > 1)',
    '{"$gt": ""}',
    "$ne",
    "%_\\%",
    "\\' \\\" \\\\",
    "*/ /* --",
    "${jndi:ldap://x}",
    "a\nb\r\n\tc",
    "null",
    "true",
    "😀" * 20,
    "\u202eright to left",
    "_vpa_t",
)
# What may not be a key is not tried as one; "x" before it makes it one.
KEYS: Final = tuple(
    value if not value.startswith(("$", "_vpa")) else f"x{value}" for value in HOSTILE if len(value.encode()) <= 120
)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_nothing_that_looks_like_a_query_is_one(stores: RunningStores, provider: str) -> None:
    async with VectorDatabaseManager(stores.config(PROVIDERS[provider])) as db:
        docs = await db.create_collection("hostile", dimension=2)
        rows = [Record(f"{n}{value}", vector=[1, n], metadata={"v": value, "n": n}) for n, value in enumerate(HOSTILE)]
        rows += [Record(f"k{n}", vector=[1, n], metadata={key: "here", "n": n}) for n, key in enumerate(KEYS)]
        long = "y'\"" * 3400
        rows.append(Record("long", vector=[1, 1], metadata={"v": long}))
        await docs.upsert(rows)
        for n, value in enumerate(HOSTILE):
            name = f"{n}{value}"
            assert await docs.count(filter={"v": value}) == 1
            assert [record.id async for record in docs.scan(filter={"v": {"$in": [value, "nobody"]}})] == [name]
            assert (await docs.search(vector=[1, 0], filter=F("v") == value)).ids == [name]
            above = {f"{m}{other}" for m, other in enumerate(HOSTILE) if other > value} | (
                {"long"} if long > value else set()
            )
            assert {record.id async for record in docs.scan(filter=F("v") > value)} == above
            assert [record.id for record in await docs.get([name])] == [name]
        for n, key in enumerate(KEYS):
            assert [record.id async for record in docs.scan(filter=F(key) == "here")] == [f"k{n}"]
            assert await docs.count(filter=F(key) != "here") == len(rows) - 1
        assert await docs.count(filter={"v": long}) == 1
        assert await docs.count(filter=F("v") >= long) >= 1
        assert await docs.delete(filter={"v": {"$in": list(HOSTILE)}}) == len(HOSTILE)
        assert await docs.count() == len(rows) - len(HOSTILE)
        assert await docs.delete(ids=list(HOSTILE)) == 0
        with pytest.raises(errors.InvalidQueryError):
            Scope("x' OR '1'='1")
        await db.drop_collection("hostile")


SECRET: Final = "hush-hush-0123456789"


@pytest.mark.parametrize("provider", [name for name in PROVIDERS if name not in ("mock", "chromadb", "milvus")])
async def test_a_wrong_key_is_one_clear_error_at_connect_without_the_key(stores: RunningStores, provider: str) -> None:
    config: Any = stores.config(PROVIDERS[provider])
    manager = VectorDatabaseManager(
        stores.config(PROVIDERS[provider], api_key=SECRET) if provider != "pgvector" else _as_nobody(config)
    )
    with pytest.raises((errors.AuthenticationError, errors.PermissionDeniedError)) as caught:
        await manager.connect()
    assert SECRET not in str(caught.value) + repr(caught.value) + repr(manager.config)
    assert not manager.is_connected
    with pytest.raises(errors.ClosedError):
        await manager.list_collections()


def _as_nobody(config: Any) -> Any:
    from dataclasses import replace

    return replace(config, url=config.url.replace("postgres:@", f"nobody:{SECRET}@"))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("milvus://", "server .* or a file"),
        ("weaviate://", "server"),
        ("pinecone://", "API key"),
        ("qdrant://host/path", "no path"),
        ("qdrant://host?tenant=x", "no option 'tenant'"),
        ("postgresql://h/db?index=ivf", "none .* or hnsw"),
        ("mock://?timeout=3", "no option 'timeout'; there are: index_type, recall"),
        ("mock://?recall=high", "a number above 0 and at most 1, not 'high'"),
        ("mock://?originals=perhaps&quantization=int8", "True or False, not 'perhaps'"),
    ],
)
async def test_a_url_that_cannot_be_right_says_what_to_write(url: str, message: str) -> None:
    import vpa

    with pytest.raises(errors.ConfigurationError, match=message):
        await vpa.connect(url).connect()


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_an_index_of_another_dimension_is_refused_at_connect(stores: RunningStores, provider: str) -> None:
    name = "other-dimension"
    async with VectorDatabaseManager(stores.config(PROVIDERS[provider], index_name=name, dimension=3)) as db:
        with pytest.raises(errors.DimensionMismatchError, match=r"3.*4|4.*3"):
            if provider == "mock":
                await db.create_collection(name, dimension=4)
            else:
                await VectorDatabaseManager(stores.config(PROVIDERS[provider], index_name=name, dimension=4)).connect()
        await db.drop_collection(name)


@pytest.mark.parametrize("provider", [name for name in PROVIDERS if name != "mock"])
async def test_close_leaves_no_task_socket_or_thread(stores: RunningStores, provider: str, new_threads: Any) -> None:
    import asyncio

    import psutil

    process, config = psutil.Process(), stores.config(PROVIDERS[provider])
    async with VectorDatabaseManager(config) as db:
        await db.list_collections()
    before = set(asyncio.all_tasks())
    sockets = _client_sockets(process, config)
    async with VectorDatabaseManager(config) as db:
        docs = await db.create_collection("leaks", dimension=2, exist_ok=True)
        await docs.upsert([Record(f"r{n}", vector=[1, n]) for n in range(10)])
        await asyncio.gather(*(docs.search(vector=[1, n]) for n in range(10)))
        await db.drop_collection("leaks")
    await asyncio.sleep(0.05)
    assert set(asyncio.all_tasks()) - before == set()
    assert new_threads() == []
    assert _client_sockets(process, config) <= sockets


@pytest.mark.parametrize("provider", [name for name in PROVIDERS if name != "mock"])
async def test_a_cancelled_manager_leaves_no_task_socket_or_thread(
    stores: RunningStores, provider: str, new_threads: Any
) -> None:
    import asyncio

    import psutil

    process, config = psutil.Process(), stores.config(PROVIDERS[provider])
    async with VectorDatabaseManager(config) as db:
        await db.create_collection("cancelled", dimension=2, exist_ok=True)

    async def work() -> None:
        async with VectorDatabaseManager(config) as db:
            docs = await db.collection("cancelled")
            for number in range(1000):
                await docs.upsert([Record(f"r{number}-{n}", vector=[1, n]) for n in range(50)])
                await docs.search_batch(vectors=[[1, number]] * 4)

    before, sockets = set(asyncio.all_tasks()), _client_sockets(process, config)
    # While it connects, soon after, and in the middle of its work.
    for seconds in (0.0, 0.002, 0.02, 0.05, 0.1, 0.3):
        task = asyncio.create_task(work())
        await asyncio.sleep(seconds)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    for _ in range(50):
        await asyncio.sleep(0.1)
        gc.collect()  # Milvus's client is a cycle, and gRPC closes a socket with the last object that knows it.
        if _client_sockets(process, config) <= sockets and set(asyncio.all_tasks()) == before:
            break
    assert set(asyncio.all_tasks()) - before == set()
    assert new_threads() == []
    assert _client_sockets(process, config) <= sockets
    async with VectorDatabaseManager(config) as db:
        await db.drop_collection("cancelled")


def _client_sockets(process: Any, config: Any) -> int:
    from urllib.parse import urlsplit

    port = urlsplit(config.url or "").port or config.port
    return sum(
        1
        for one in process.net_connections()
        if one.raddr and port and one.raddr[-1:] == (port,) and one.status == "ESTABLISHED"
    )
