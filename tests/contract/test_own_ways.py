"""What is particular to one store: collections of others, native fields, freshness, partial refusals, shared clients."""

from __future__ import annotations

import asyncio
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vpa
from deployments import PROVIDERS, RunningStores
from vpa import F, Record
from vpa.base import errors
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.config import VectorDatabaseConfig
from wire.http import Refused, Request, Response, serve
from wire.pinecone_server import Behaviour, pinecone_server
from wire.weaviate_server import weaviate_server

VECTORS = np.random.default_rng(1).standard_normal((6, 3)).astype(np.float32)


async def _by_chroma(config: Any) -> None:
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


async def _by_qdrant(config: Any) -> None:
    from qdrant_client import AsyncQdrantClient, models

    client = AsyncQdrantClient(url=config.url, metadata={"api-key": "secret"}, check_compatibility=False)
    await client.create_collection(
        "theirs", vectors_config=models.VectorParams(size=3, distance=models.Distance.COSINE)
    )
    points = [
        models.PointStruct(id=n + 1, vector=VECTORS[n].tolist(), payload={"n": n, "text": f"text {n}"})
        for n in range(6)
    ]
    await client.upsert("theirs", points=points)
    await client.close()


async def _by_milvus(config: Any) -> None:
    from pymilvus import MilvusClient

    def make() -> None:
        client = MilvusClient(uri=config.url)
        client.create_collection("theirs", dimension=3, metric_type="COSINE", consistency_level="Strong", auto_id=False)
        client.insert(
            "theirs", [{"id": n, "vector": VECTORS[n].tolist(), "n": n, "text": f"text {n}"} for n in range(6)]
        )
        client.close()

    await asyncio.to_thread(make)


async def _by_weaviate(config: Any) -> None:
    import weaviate
    from weaviate.classes.config import Configure, DataType, Property
    from weaviate.classes.data import DataObject

    client = weaviate.use_async_with_custom(
        http_host=config.host, http_port=config.port, http_secure=False, grpc_host=config.host,
        grpc_port=int(config.options["grpc_port"]), grpc_secure=False,
        auth_credentials=weaviate.classes.init.Auth.api_key("secret"), skip_init_checks=True,
    )  # fmt: skip
    async with client:
        made = await client.collections.create(
            "Theirs",
            properties=[Property(name="text", data_type=DataType.TEXT), Property(name="n", data_type=DataType.NUMBER)],
            vector_config=Configure.Vectors.self_provided(),
        )
        await made.data.insert_many(
            [DataObject(properties={"n": float(n), "text": f"text {n}"}, vector=VECTORS[n].tolist()) for n in range(6)]
        )


async def _by_pinecone(config: Any) -> None:
    from pinecone import AsyncPinecone, ServerlessSpec

    client = AsyncPinecone("secret", host=config.url)
    spec = ServerlessSpec(cloud="aws", region="us-east-1")
    model = await client.indexes.create(name="theirs", dimension=3, metric="cosine", spec=spec)
    index = await client.index(host=model.host)
    rows = [
        {"id": f"id{n}", "values": VECTORS[n].tolist(), "metadata": {"n": n, "text": f"text {n}"}} for n in range(6)
    ]
    await index.upsert(vectors=rows, show_progress=False)
    await index.close()
    await client.close()


OTHERS: dict[str, Any] = {
    "chromadb": _by_chroma, "qdrant": _by_qdrant, "milvus": _by_milvus, "weaviate": _by_weaviate, "pinecone": _by_pinecone,
}  # fmt: skip


@pytest.mark.parametrize("provider", OTHERS)
async def test_a_collection_of_others_is_read_and_brought_in(
    stores: RunningStores, provider: str, tmp_path: Path
) -> None:
    config = stores.config(PROVIDERS[provider])
    await OTHERS[provider](config)
    async with VectorDatabaseManager(config) as db, vpa.connect("mock://") as here:
        theirs = await db.collection("theirs")
        assert (theirs.info.layout_version, theirs.info.dimension) == (0, 3)
        if provider != "pinecone":
            assert await theirs.count() == 6
        found = await theirs.search(vector=VECTORS[2], top_k=2)
        assert found[0].text == "text 2"
        with pytest.raises(errors.UnsupportedFilterError, match="vpa migrate"):
            await theirs.search(vector=VECTORS[2], filter={"n": 2})
        with pytest.raises(errors.ConfigurationError, match="vpa migrate"):
            await theirs.upsert([Record("new", vector=[1, 0, 0])])
        done = await vpa.migrate(db, here, collection="theirs", to_collection="ours", state_directory=str(tmp_path))
        assert (done.copied, done.verification.ok) == (6, True)
        ours = await here.collection("ours")
        assert {record.text async for record in ours.scan(filter=F("n") >= 4)} == {"text 4", "text 5"}
        await db.drop_collection("theirs")


async def _chroma_fields(config: Any) -> dict[str, Any]:
    import chromadb

    client = await chromadb.AsyncHttpClient(host="127.0.0.1", port=int(config.url.rpartition(":")[2]))
    stored = await (await client.get_collection("native", embedding_function=None)).get()
    await client._server._cleanup()  # type: ignore[attr-defined]
    return dict(stored["metadatas"][0])


async def _qdrant_fields(config: Any) -> dict[str, Any]:
    from qdrant_client import AsyncQdrantClient

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # A key over plain HTTP.
        client = AsyncQdrantClient(url=config.url, api_key=config.api_key, check_compatibility=False)
    points, _ = await client.scroll("native")
    await client.close()
    return dict(points[0].payload or {})


async def _milvus_fields(config: Any) -> dict[str, Any]:
    from pymilvus import AsyncMilvusClient

    client = AsyncMilvusClient(uri=config.url)
    [row] = await client.query("native", filter="", limit=1, output_fields=["n"])
    await client.close()
    return dict(row["n"])


async def _pinecone_fields(config: Any) -> dict[str, Any]:
    from pinecone import AsyncPinecone

    async with AsyncPinecone(api_key=config.api_key, host=config.url) as client:
        model = await client.indexes.describe("native")
        async with await client.index(host=model.host) as index:
            [namespace] = [one.name async for page in index.list_namespaces() for one in page.namespaces]
            answer = await index.query(vector=[1.0, 0.0, 0.0], top_k=1, include_metadata=True, namespace=namespace)
            return dict(answer.matches[0].metadata)


NATIVE = {"chromadb": _chroma_fields, "qdrant": _qdrant_fields, "milvus": _milvus_fields, "pinecone": _pinecone_fields}


@pytest.mark.parametrize("provider", NATIVE)
async def test_native_fields_are_there_for_the_stores_own_tools(stores: RunningStores, provider: str) -> None:
    config: Any = stores.config(PROVIDERS[provider])
    async with VectorDatabaseManager(config) as db:
        docs = await db.create_collection("native", dimension=3, native_fields=["year", "author.name"])
        assert (await db.collection("native")).info.native_fields == ("year", "author.name")
        given = {"year": 1999, "author": {"name": "Ann"}, "other": 1}
        await docs.upsert([Record("a", vector=VECTORS[0], metadata=given)])
        fields = await NATIVE[provider](config)
        assert {key: value for key, value in fields.items() if not key.startswith("_vpa")} == {
            "year": 1999,
            "author.name": "Ann",
        }
        await docs.update_metadata(ids=["a"], set={"year": 2000}, remove=["author"])
        fields = await NATIVE[provider](config)
        left = {"author.name": "Ann"} if provider == "pinecone" else {}  # Its updates remove nothing.
        assert {key: value for key, value in fields.items() if not key.startswith("_vpa")} == {"year": 2000, **left}
        await db.drop_collection("native")


async def test_what_pinecone_writes_is_read_at_once_though_it_lags() -> None:
    behaviour = Behaviour(delays={"query": 0.15, "fetch": 0.3, "list": 0.2, "stats": 5.0})
    with pinecone_server(behaviour=behaviour) as (url, _):
        async with VectorDatabaseManager(VectorDatabaseConfig(provider="pinecone", url=url, api_key="secret")) as db:
            docs = await db.create_collection("docs", dimension=3)
            for number in range(2):
                await docs.upsert([Record("a", vector=VECTORS[number], metadata={"n": number})])
                assert await docs.count(filter={"n": number}) == 1
                assert (await docs.get(["a"]))[0].metadata == {"n": number}
                assert (await docs.search(vector=VECTORS[number], top_k=1))[0].metadata == {"n": number}
                assert [batch.ids async for batch in docs.scan_batches(scope=vpa.ALL_SCOPES)] == [["a"]]
            assert await docs.delete(ids=["a"]) == 1
            assert await docs.get(["a"]) == []
            assert await docs.count() == 0
            assert list(await docs.search(vector=VECTORS[0])) == []


@pytest.mark.parametrize("retry_after", ["0.1", None])
async def test_pinecone_is_asked_again_by_its_client_only(retry_after: str | None) -> None:
    behaviour = Behaviour()
    with pinecone_server(behaviour=behaviour) as (url, _):
        async with VectorDatabaseManager(VectorDatabaseConfig(provider="pinecone", url=url, api_key="secret")) as db:
            docs = await db.create_collection("docs", dimension=3)
            behaviour.rate_limited, behaviour.retry_after = 2, retry_after
            assert await docs.count() == 0
            behaviour.rate_limited = 1000
            with pytest.raises(errors.RateLimitedError):
                await docs.count()
            assert 1000 - behaviour.rate_limited == 4


async def test_objects_that_weaviate_refuses_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with weaviate_server() as (url, app):
        async with vpa.connect(url) as db:
            docs = await db.create_collection("docs", dimension=3)
            store = type(app)._store

            def refuse(self: Any, one: Any) -> None:
                from wire.weaviate_server import _Failure

                if "bad" in json.dumps(dict(one.properties.non_ref_properties.items())):
                    raise _Failure("shard is read-only")
                store(self, one)

            monkeypatch.setattr(type(app), "_store", refuse)
            rows = [Record(name, vector=VECTORS[n]) for n, name in enumerate(("good", "bad", "fine"))]
            with pytest.raises(errors.PartialWriteError) as caught:
                await docs.upsert(rows)
            assert caught.value.written == ("good", "fine")
            assert caught.value.failed == {"bad": "shard is read-only"}
            assert await docs.count() == 2


async def test_a_class_that_is_gone_is_not_made_again_by_weaviate() -> None:
    with weaviate_server() as (url, app):
        async with vpa.connect(url) as db, vpa.connect(url) as other:
            docs = await db.create_collection("docs", dimension=3)
            await docs.upsert([Record("a", vector=VECTORS[0])])
            await other.drop_collection("docs")
            with pytest.raises(errors.CollectionNotFoundError):
                await docs.upsert([Record("a", vector=VECTORS[0])])
            assert app.classes == {}


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


async def test_a_local_milvus_is_open_once(tmp_path: Path) -> None:
    config = VectorDatabaseConfig(provider="milvus", path=str(tmp_path / "a.db"))
    async with VectorDatabaseManager(config):
        with pytest.raises(errors.StorageLockedError):
            await VectorDatabaseManager(config).connect()
    async with VectorDatabaseManager(config) as db:
        assert await db.list_collections() == []


@pytest.mark.parametrize(
    ("dimension", "kind"), [(8, "vector"), (2500, "halfvec"), (4500, None)], ids=["vector", "halfvec", "none"]
)
async def test_pgvector_indexes_what_it_can(stores: RunningStores, dimension: int, kind: str | None) -> None:
    config = stores.config("pgvector with hnsw")
    rng = np.random.default_rng(2)
    rows = rng.standard_normal((60, dimension)).astype(np.float32)
    async with VectorDatabaseManager(config) as db:
        docs = await db.create_collection("wide", dimension=dimension)
        await docs.upsert([Record(f"r{n:02d}", vector=row, metadata={"n": n}) for n, row in enumerate(rows)])
        docs = await db.collection("wide")
        assert (await db.get_statistics())["collections"]["wide"]["indexed"] is (kind is not None)
        for n in range(5):
            usual, exact = [await docs.search(vector=rows[n], top_k=5, exact=exact) for exact in (False, True)]
            assert usual.ids[0] == exact.ids[0] == f"r{n:02d}"
            assert usual[0].score == pytest.approx(exact[0].score, abs=1e-6)
        few = await docs.search(vector=rows[0], top_k=10, filter=F("n") >= 55)
        assert len(few) == 5
        await db.drop_collection("wide")


async def test_many_numbers_a_record_still_fit_into_pinecones_requests() -> None:
    with pinecone_server() as (url, _):
        async with VectorDatabaseManager(VectorDatabaseConfig(provider="pinecone", url=url, api_key="secret")) as db:
            docs = await db.create_collection("docs", dimension=3)
            rows = [
                Record(f"r{n}", vector=[1, n, 0], metadata={f"k{i}": n * i / 7 for i in range(12)}) for n in range(600)
            ]
            assert await docs.upsert(rows) == 600
            assert await docs.count(filter=F("k3") > 100) == sum(n * 3 / 7 > 100 for n in range(600))
