"""What is particular to Chroma: collections of others, native fields, keys of two managers, a server that does not
answer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contract.own_ways.shared import VECTORS, check_a_collection_of_others, check_native_fields
from deployments import PROVIDERS, RunningStores
from vpa.base import errors
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.config import VectorDatabaseConfig
from wire.http import Refused, Request, Response, serve


async def _made_by_the_client(config: Any) -> None:
    import chromadb

    client = await chromadb.AsyncHttpClient(host="127.0.0.1", port=int(config.url.rpartition(":")[2]))
    made = await client.create_collection(
        "theirs", configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
    )
    await made.add(
        ids=[f"id{n}" for n in range(6)],
        embeddings=VECTORS.tolist(),
        metadatas=[{"n": n} for n in range(6)],
        documents=[f"text {n}" for n in range(6)],
    )
    await client._server._cleanup()  # type: ignore[attr-defined]


async def test_a_collection_of_others_is_read_and_brought_in(stores: RunningStores, tmp_path: Path) -> None:
    config = stores.config(PROVIDERS["chromadb"])
    await _made_by_the_client(config)
    await check_a_collection_of_others(config, tmp_path)


async def _fields_seen_by_the_client(config: Any) -> dict[str, Any]:
    import chromadb

    client = await chromadb.AsyncHttpClient(host="127.0.0.1", port=int(config.url.rpartition(":")[2]))
    stored = await (await client.get_collection("native", embedding_function=None)).get()
    await client._server._cleanup()  # type: ignore[attr-defined]
    return dict(stored["metadatas"][0])


async def test_native_fields_are_there_for_the_stores_own_tools(stores: RunningStores) -> None:
    await check_native_fields(stores.config(PROVIDERS["chromadb"]), _fields_seen_by_the_client)


async def test_two_chroma_managers_in_one_loop_keep_their_keys_apart() -> None:
    seen: list[tuple[str, str]] = []

    def app(request: Request) -> Response:
        seen.append((request.path, request.headers.get("x-chroma-token", "")))
        if "/collections/" in request.path:
            raise Refused(404, {"error": "NotFoundError", "message": "no such collection"})
        return Response(0 if "count" in request.path else "1.5.9")

    with serve(app) as port:
        url = f"http://127.0.0.1:{port}"
        first = VectorDatabaseManager(VectorDatabaseConfig(provider="chromadb", url=url, api_key="key-one"))
        second = VectorDatabaseManager(VectorDatabaseConfig(provider="chromadb", url=url, api_key="key-two"))
        async with first:
            assert {key for _, key in seen} == {"key-one"}
            seen.clear()
            async with second:
                await second.health()
            assert {key for _, key in seen} == {"key-two"}


async def test_chroma_gives_up_when_nobody_answers() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = VectorDatabaseConfig(provider="chromadb", url=url, timeout_seconds=0.5, max_retries=0)
        with pytest.raises(errors.OperationTimeoutError):
            await VectorDatabaseManager(config).connect()
