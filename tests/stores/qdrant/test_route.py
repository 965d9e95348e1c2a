"""When records go by gRPC, when by REST, and that a way which breaks is left in time."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

import grpc
import pytest

from vpa import Record, connect
from vpa.base import errors
from vpa.client.manager import VectorDatabaseManager
from vpa.observe.log import configure_logging
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.qdrant.route import grpc_target
from vpa.stores.remote.endpoint import Endpoint
from wire.http import serve
from wire.proxy import FaultProxy, fault_proxy
from wire.qdrant_grpc import Behaviour, serve_grpc
from wire.qdrant_server import QdrantServer


@dataclass
class Running:
    """A server with both ports; gRPC is reached by way of the proxy."""

    app: QdrantServer
    behaviour: Behaviour
    proxy: FaultProxy
    port: int

    def manager(self, mode: str = "auto", **changes: Any) -> VectorDatabaseManager:
        options = MappingProxyType({"grpc": mode, "grpc_port": str(changes.pop("grpc_port", self.proxy.port))})
        given = {"api_key": "secret", "max_retries": 2, "timeout_seconds": 5.0, **changes}
        url = f"http://127.0.0.1:{self.port}"
        return VectorDatabaseManager(VectorDatabaseConfig(provider="qdrant", url=url, options=options, **given))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    app, behaviour = QdrantServer(tmp_path, key="secret"), Behaviour()
    with ExitStack() as stack:
        stack.callback(app.close)
        port = stack.enter_context(serve(app))
        grpc_port = stack.enter_context(serve_grpc(app, behaviour))
        proxy = stack.enter_context(fault_proxy(("127.0.0.1", grpc_port)))
        yield Running(app, behaviour, proxy, port)


async def protocol(db: VectorDatabaseManager) -> tuple[str, str]:
    facts = await db.health()
    return facts["protocol"], facts["protocol_reason"]


async def becomes(db: VectorDatabaseManager, wanted: str) -> None:
    for _ in range(200):
        if (await protocol(db))[0] == wanted:
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"{wanted} was not used: {await protocol(db)}")


@asynccontextmanager
async def filled(db: VectorDatabaseManager) -> AsyncIterator[Any]:
    async with db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert([Record("a", vector=[1, 0])])
        yield docs


async def test_grpc_is_used_where_it_answers_and_the_log_says_so(server: Running) -> None:
    stream = StringIO()
    configure_logging(level="INFO", fmt="json", stream=stream)
    db = server.manager()
    async with filled(db) as docs:
        assert (await docs.search(vector=[1, 0])).ids == ["a"]
        assert await protocol(db) == ("grpc", f"gRPC answers at 127.0.0.1:{server.proxy.port}")
    assert "POST /collections/docs/points/query" in server.behaviour.calls
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(one["level"], one["protocol"]) for one in lines if one["event"] == "protocol"] == [("info", "grpc")]


@contextmanager
def something_else(what: str, server: Running) -> Iterator[int]:
    """A gRPC port that is not this server's."""
    if what == "nobody":
        with fault_proxy(("127.0.0.1", 1)) as proxy:
            proxy.fault = "refuse"
            yield proxy.port
    elif what == "HTTP":
        with serve(server.app) as port:
            yield port
    elif what == "silence":
        with fault_proxy(("127.0.0.1", server.proxy.port)) as proxy:
            proxy.fault = "mute"
            yield proxy.port
    else:
        behaviour = Behaviour()
        if what == "version":
            behaviour.about["version"] = "1.2.3"
        elif what == "build":
            behaviour.about["commit"] = "other"
        elif what == "key":
            behaviour.refuse = (grpc.StatusCode.UNAUTHENTICATED, "Must provide an API key", ())
        other = QdrantServer(server.app._directory / "other", key="secret") if what == "collections" else server.app
        with serve_grpc(other, behaviour) as port:
            yield port
        if other is not server.app:
            other.close()


REASONS = {
    "nobody": "UNAVAILABLE",
    "HTTP": "UNAVAILABLE",
    "silence": "no answer within 1 s",
    "version": "Qdrant 1.2.3",
    "build": "another build",
    "key": "UNAUTHENTICATED",
    "collections": "other collections",
}


@pytest.mark.parametrize("what", REASONS)
async def test_rest_is_used_where_something_else_is_behind_the_port(server: Running, what: str) -> None:
    async with server.manager("off") as db:
        await db.create_collection("before", dimension=2)
    with something_else(what, server) as port:
        started = time.monotonic()
        db = server.manager(grpc_port=port)
        async with filled(db) as docs:
            # Far less than a request may take, which a port that is silent would use up.
            assert time.monotonic() - started < db.config.timeout_seconds / 3
            found = await protocol(db)
            assert found[0] == "rest"
            assert REASONS[what] in found[1]
            assert str(port) in found[1]
            assert (await docs.search(vector=[1, 0])).ids == ["a"]
            await db.drop_collection("docs")
        with pytest.raises(errors.ConnectionFailedError, match=f"gRPC port 127.0.0.1:{port} .*{REASONS[what]}.*grpc="):
            await server.manager("on", grpc_port=port).connect()


async def test_an_empty_server_behind_the_port_is_noticed_by_the_first_request(server: Running, tmp_path: Path) -> None:
    other = QdrantServer(tmp_path / "other", key="secret")
    with serve_grpc(other) as port:
        db = server.manager(grpc_port=port)
        async with filled(db) as docs:
            assert (await docs.search(vector=[1, 0])).ids == ["a"]
            for _ in range(100):
                if "other collections" in (await protocol(db))[1]:
                    break
                await asyncio.sleep(0.02)
            assert "other collections" in (await protocol(db))[1]
    other.close()


async def test_off_asks_nobody(server: Running) -> None:
    db = server.manager("off")
    async with filled(db) as docs:
        assert await docs.count() == 1
        assert await protocol(db) == ("rest", "grpc=off")
    assert server.behaviour.calls == []
    assert server.proxy.requests == 0


@pytest.mark.parametrize("fault", ["refuse", "reset", "mute"])
async def test_grpc_that_dies_is_left_for_rest_and_comes_back(server: Running, fault: str) -> None:
    db = server.manager(timeout_seconds=1.0)
    async with filled(db) as docs:
        await asyncio.sleep(1.1)
        server.proxy.fault = fault
        if fault == "refuse":
            server.proxy.drop_connections()
        for _ in range(2):
            try:
                started = time.monotonic()
                assert (await docs.search(vector=[1, 0])).ids == ["a"]
                break
            except errors.OperationTimeoutError:
                # This call waited for an answer that broke off, the next one does not.
                assert fault in ("mute", "reset")
                assert time.monotonic() - started < 1.5
        else:
            pytest.fail("the second call timed out too")
        assert (await protocol(db))[0] == "rest"
        assert await docs.upsert([Record("b", vector=[0, 1])]) == 1
        server.proxy.fault = None
        await _probed_anew(db)
        await becomes(db, "grpc")
        assert await docs.count() == 2


async def _probed_anew(db: VectorDatabaseManager) -> None:
    # The next look would be half a minute later.
    route = db._store.driver._connection.route
    if route._probing is not None:
        route._probing.cancel()
        await asyncio.gather(route._probing, return_exceptions=True)
    route._lose("for the test")


async def test_a_deadline_and_a_cancellation_end_a_call(server: Running) -> None:
    release = threading.Event()
    db = server.manager("on", timeout_seconds=0.5, max_retries=0)
    async with filled(db) as docs:
        server.behaviour.wait = lambda: release.wait(5) and None
        started = time.monotonic()
        with pytest.raises(errors.OperationTimeoutError):
            await docs.search(vector=[1, 0])
        task = asyncio.create_task(docs.search(vector=[1, 0]))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - started < 2
        server.behaviour.wait = lambda: None
        release.set()
        assert (await docs.search(vector=[1, 0])).ids == ["a"]


async def test_a_rate_limit_is_waited_for(server: Running) -> None:
    db = server.manager("on", max_retries=1)
    async with filled(db) as docs:
        server.behaviour.refuse = (grpc.StatusCode.RESOURCE_EXHAUSTED, "rate limit", (("retry-after", "1"),))
        started = time.monotonic()
        with pytest.raises(errors.RateLimitedError) as caught:
            await docs.count()
        assert caught.value.retry_after == 1.0
        assert time.monotonic() - started >= 1.0


@pytest.mark.parametrize(
    ("rest", "asked", "wanted"),
    [(6333, {}, 6334), (443, {}, 6334), (7333, {}, 7334), (7333, {"grpc_port": "9000"}, 9000)],
)
def test_the_port_beside_the_port_of_rest(rest: int, asked: dict[str, str], wanted: int) -> None:
    config = VectorDatabaseConfig(provider="qdrant", url=f"http://host:{rest}", options=MappingProxyType(asked))
    assert grpc_target(config, Endpoint("host", rest, tls=False)).port == wanted


@pytest.mark.parametrize("query", ["grpc=yes", "grpc_port=x", "grpc_port=0", "grpc_port=70000", "other=1"])
async def test_options_that_make_no_sense_are_named(query: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=query.partition("=")[0]):
        async with connect(f"qdrant://localhost:1?{query}"):
            pass


async def test_a_collection_that_others_dropped_ends_no_call_of_another(server: Running) -> None:
    release = threading.Event()
    async with filled(server.manager()) as docs, server.manager() as others:
        slow = [Record(f"r{n}", vector=[1, n]) for n in range(50)]
        behaviour = server.behaviour

        def wait() -> None:
            if behaviour.calls and behaviour.calls[-1] == "PUT /collections/docs/points":
                release.wait(5)

        behaviour.wait = wait
        upsert = asyncio.create_task(docs.upsert(slow))
        await asyncio.sleep(0.3)
        gone = await others.create_collection("gone", dimension=2)
        theirs = await server.manager().connect()
        await theirs.drop_collection("gone")
        await theirs.close()
        for _ in range(3):
            with pytest.raises(errors.CollectionNotFoundError):
                await gone.search(vector=[1, 0])
            await asyncio.sleep(0.2)
        assert (await protocol(others))[0] == "grpc"
        release.set()
        assert await upsert == 50


async def test_closing_beside_a_search_cancels_nobody(server: Running) -> None:
    release = threading.Event()
    db = await server.manager(max_retries=0).connect()
    docs = await db.create_collection("docs", dimension=2)
    server.behaviour.wait = lambda: release.wait(5)
    search = asyncio.create_task(docs.search(vector=[1, 0]))
    await asyncio.sleep(0.3)
    await db.close()
    with pytest.raises(errors.VectorDatabaseError):
        await search
    release.set()
