"""A store that lies: what it makes up, mixes up or never ends is an error, and never passed on."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import vpa
from vpa.base import errors
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.config import VectorDatabaseConfig
from wire.http import Request, Response, serve
from wire.qdrant_server import QdrantServer

A, B = vpa.Scope("a"), vpa.Scope("b")


class Liar:
    """Qdrant's server, with a chance to change an answer."""

    def __init__(self, directory: Path) -> None:
        self.inner = QdrantServer(directory)
        self.lie: Callable[[Request, Any], Any] | None = None

    def __call__(self, request: Request) -> Response:
        response = self.inner(request)
        if self.lie is not None:
            response.body["result"] = self.lie(request, response.body["result"])
        return response


@pytest.fixture
def liar(tmp_path: Path) -> Iterator[tuple[Liar, str]]:
    app = Liar(tmp_path)
    with serve(app) as port:
        yield app, f"http://127.0.0.1:{port}"
    app.inner.close()


def points_of(result: Any) -> list[Any]:
    return result.get("points", []) if isinstance(result, dict) else result


def nan_score(_request: Request, result: Any) -> Any:
    for point in result["points"]:
        point["score"] = float("nan")
    return result


def more_than_asked(_request: Request, result: Any) -> Any:
    return {"points": result["points"] * 50}


def other_key(_request: Request, result: Any) -> Any:
    for point in points_of(result):
        point["id"] = "00000000-0000-8000-8000-000000000000"
    return result


def other_payload(_request: Request, result: Any) -> Any:
    for point in points_of(result):
        point["payload"] = {"id": "stranger", "scope": ["a", ""]}
    return result


def no_json(_request: Request, result: Any) -> Any:
    for point in points_of(result):
        point["payload"] = {"id": "a", "metadata": "{oops"}
    return result


def no_payload(_request: Request, result: Any) -> Any:
    for point in points_of(result):
        point["payload"] = None
    return result


def short_vector(_request: Request, result: Any) -> Any:
    for point in points_of(result):
        point["vector"] = [1.0]
    return result


def backwards(_request: Request, result: Any) -> Any:
    return {**result, "points": result["points"][::-1]}


def negative(_request: Request, result: Any) -> Any:
    return {"count": -1}


LIES: dict[str, tuple[Callable[[Request, Any], Any], str]] = {
    "a score that is no number": (nan_score, "search"),
    "more matches than asked": (more_than_asked, "search"),
    "a record under another key": (other_key, "get"),
    "another record's payload": (other_payload, "search"),
    "another record's payload on a get": (other_payload, "get"),
    "a payload that is no JSON": (no_json, "search"),
    "no payload": (no_payload, "get"),
    "a vector of another size": (short_vector, "get"),
    "a page out of order": (backwards, "scan"),
    "a negative count": (negative, "count"),
}


async def ask(docs: vpa.Collection, verb: str) -> Any:
    match verb:
        case "search":
            return await docs.search(vector=[1, 0], scope=A)
        case "get":
            return await docs.get(["r1"], scope=A)
        case "count":
            return await docs.count(scope=A)
    return [record async for record in docs.scan(scope=A)]


@pytest.mark.parametrize("case", LIES)
async def test_a_lie_is_an_error(liar: tuple[Liar, str], case: str) -> None:
    app, url = liar
    lie, verb = LIES[case]
    async with VectorDatabaseManager(VectorDatabaseConfig(provider="qdrant", url=url, max_retries=0)) as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert([vpa.Record(f"r{n}", vector=[1, n]) for n in range(4)], scope=A)
        assert len(await docs.search(vector=[1, 0], scope=A)) == 4
        app.lie = lie
        with pytest.raises(errors.ProviderError):
            await ask(docs, verb)


async def test_another_scopes_record_is_never_passed_on(liar: tuple[Liar, str]) -> None:
    app, url = liar
    async with VectorDatabaseManager(VectorDatabaseConfig(provider="qdrant", url=url)) as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert([vpa.Record("mine", vector=[1, 0])], scope=A)
        await docs.upsert([vpa.Record("theirs", vector=[1, 0], text="secret")], scope=B)
        shard = app.inner._collections["docs"].shard
        import qdrant_edge as edge

        stored, _ = shard.scroll(edge.ScrollRequest(limit=10, with_payload=True))
        foreign = next(one for one in stored if one.payload["id"] == "theirs")
        wrong = {"id": str(foreign.id), "payload": foreign.payload, "vector": None, "version": 1, "score": 1.0}
        app.lie = lambda request, result: {**result, "points": [wrong]}
        with pytest.raises(errors.ProviderError, match="another scope") as caught:
            await ask(docs, "search")
        assert "secret" not in str(caught.value)
        # A scan may meet records of others on its way; they are left out.
        assert [record.id async for record in docs.scan(scope=A)] == []


@pytest.fixture
def endless() -> Iterator[int]:
    """Answers every request with a body that has no end."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(client: socket.socket) -> None:
        try:
            client.recv(1 << 16)
            client.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[")
            while True:
                client.sendall(b" " * (1 << 16))
        except OSError:
            client.close()

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


@pytest.mark.parametrize("provider", ["chromadb", "qdrant"])
async def test_an_endless_answer_ends_in_an_error(endless: int, provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vpa.stores.remote.bodies.LARGEST_BODY", 4 << 20)
    config = VectorDatabaseConfig(
        provider=provider, url=f"http://127.0.0.1:{endless}", timeout_seconds=20.0, max_retries=0
    )
    with pytest.raises(errors.ProviderError, match="longer than"):
        await VectorDatabaseManager(config).connect()
