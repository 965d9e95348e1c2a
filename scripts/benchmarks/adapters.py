"""What vpa costs over a bare client: search and bulk upsert through the manager, next to a loop over the client itself.

`same bytes`: the bare loop writes the same payload and companions, serialised by it, and reads the same payload.
`plain`: the least that a user of that client would write: vector, text and metadata as they are.
Each pair runs in turn in one process; medians of several rounds. Below 1.00 vpa is faster.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
import warnings
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from common import machine, matrix, metadata
from running import running

import vpa
from vpa.base.scope import Scope
from vpa.base.validation import check_batch
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.layout import rows as layout

DIMENSION = 384
TOP_K = 10
Loop = Callable[[], Awaitable[object]]


@dataclass
class Data:
    """What is written, as users have it, and as rows of the layout."""

    vectors: np.ndarray
    ids: list[str]
    texts: list[str]
    metadata: list[dict[str, Any]]
    rows: list[layout.Row]
    queries: np.ndarray

    def batch(self) -> vpa.RecordBatch:
        return vpa.RecordBatch(ids=self.ids, vectors=self.vectors, texts=self.texts, metadata=self.metadata)


def make(count: int, info: vpa.CollectionInfo) -> Data:
    vectors = matrix(count, DIMENSION)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    given = metadata(count)
    ids, texts = [f"record-{n}" for n in range(count)], [f"text of record {n} " * 20 for n in range(count)]
    batch = check_batch(vpa.RecordBatch(ids=ids, vectors=vectors, texts=texts, metadata=given), info=info)
    rows = list(layout.encode(batch, scope=Scope()).rows)
    queries = matrix(200, DIMENSION, seed=1)
    return Data(vectors, ids, texts, given, rows, queries / np.linalg.norm(queries, axis=1, keepdims=True))


def payload(data: Data, n: int) -> str:
    """The bare loop serialises what is stored, as the adapter does."""
    return json.dumps(
        {"id": data.ids[n], "scope": ["", ""], "text": data.texts[n], "metadata": data.metadata[n]},
        ensure_ascii=False,
        separators=(",", ":"),
    )


def parts(count: int, size: int) -> list[slice]:
    return [slice(start, min(count, start + size)) for start in range(0, count, size)]


class Bare:
    """One client: its collection, and four loops."""

    async def open(self) -> None: ...
    async def close(self) -> None: ...
    async def write(self, data: Data, *, plain: bool) -> None: ...
    async def search(self, query: np.ndarray, *, plain: bool) -> Any: ...


class BareQdrant(Bare):
    def __init__(self, config: Any) -> None:
        from qdrant_client import AsyncQdrantClient, models

        self.models = models
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.client = AsyncQdrantClient(
                url=config.url, api_key=config.api_key, check_compatibility=False, timeout=60
            )

    async def open(self) -> None:
        from vpa.stores.qdrant.store import _INDEXES

        m = self.models
        for name in ("bare", "bare-plain"):
            await self.client.create_collection(
                name, vectors_config=m.VectorParams(size=DIMENSION, distance=m.Distance.DOT)
            )
        for field, schema in _INDEXES.items():
            await self.client.create_payload_index("bare", field, field_schema=schema)

    async def close(self) -> None:
        await self.client.close()

    async def write(self, data: Data, *, plain: bool) -> None:
        from vpa.stores.qdrant.convert import payload_of

        m = self.models
        for part in parts(len(data.ids), 1000):
            points = []
            for n in range(part.start, part.stop):
                stored = (
                    {**data.metadata[n], "text": data.texts[n], "id": data.ids[n]}
                    if plain
                    else {**payload_of(data.rows[n], Scope()), "_vpa_payload": payload(data, n)}
                )
                points.append(m.PointStruct(id=data.rows[n].key, vector=data.vectors[n].tolist(), payload=stored))
            await self.client.upsert("bare-plain" if plain else "bare", points=points, wait=True)

    async def search(self, query: np.ndarray, *, plain: bool) -> Any:
        m = self.models
        if plain:
            return (
                await self.client.query_points("bare-plain", query=query.tolist(), limit=TOP_K, with_payload=True)
            ).points
        chosen = m.Filter(
            must=[m.FieldCondition(key="_vpa_scope", match=m.MatchValue(value=layout.scope_token(Scope())))]
        )
        answer = await self.client.query_points(
            "bare",
            query=query.tolist(),
            query_filter=chosen,
            limit=TOP_K + 1,
            with_payload=["_vpa_payload"],
            search_params=m.SearchParams(hnsw_ef=128),
        )
        return [json.loads(point.payload["_vpa_payload"]) for point in answer.points]


class BareChroma(Bare):
    def __init__(self, config: Any) -> None:
        self.parts = urlsplit(config.url)

    async def open(self) -> None:
        import chromadb

        self.client = await chromadb.AsyncHttpClient(host=self.parts.hostname, port=self.parts.port)
        index = {"hnsw": {"space": "ip", "ef_construction": 200, "max_neighbors": 32, "ef_search": 200}}
        self.same = await self.client.create_collection("bare", configuration=index, embedding_function=None)
        self.plain = await self.client.create_collection("bare-plain", configuration=index, embedding_function=None)

    async def write(self, data: Data, *, plain: bool) -> None:
        from vpa.stores.chroma.convert import metadata_of

        for part in parts(len(data.ids), 1000):
            span = range(part.start, part.stop)
            keys = [data.rows[n].key for n in span]
            vectors = [data.vectors[n].tolist() for n in span]
            if plain:
                await self.plain.upsert(
                    ids=keys,
                    embeddings=vectors,
                    metadatas=[data.metadata[n] for n in span],
                    documents=[data.texts[n] for n in span],
                )
            else:
                stored = [{**metadata_of(data.rows[n], ()), "_vpa_payload": payload(data, n)} for n in span]
                await self.same.upsert(ids=keys, embeddings=vectors, metadatas=stored)

    async def search(self, query: np.ndarray, *, plain: bool) -> Any:
        if plain:
            return await self.plain.query(query_embeddings=[query.tolist()], n_results=TOP_K)
        where = {"_vpa_t": {"$contains": layout.scope_token(Scope())}}
        found = await self.same.query(
            query_embeddings=[query.tolist()], n_results=TOP_K + 1, where=where, include=["metadatas", "distances"]
        )
        return [json.loads(one["_vpa_payload"]) for one in found["metadatas"][0]]


class BareMilvus(Bare):
    def __init__(self, config: Any) -> None:
        from pymilvus import AsyncMilvusClient, DataType, MilvusClient

        self.url, self.types, self.sync = config.url, DataType, MilvusClient
        self.client = AsyncMilvusClient(uri=config.url)

    async def open(self) -> None:
        maker = self.sync(uri=self.url)
        t = self.types
        for name in ("bare", "bare_plain"):
            schema = maker.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field("id", t.VARCHAR, is_primary=True, max_length=36)
            schema.add_field("v", t.FLOAT_VECTOR, dim=DIMENSION)
            if name == "bare":
                schema.add_field("k", t.INT64)
                schema.add_field("s", t.VARCHAR, max_length=24)
                schema.add_field("t", t.ARRAY, element_type=t.VARCHAR, max_capacity=4000, max_length=24)
                for field in ("c", "n"):
                    schema.add_field(field, t.JSON)
                schema.add_field("p", t.ARRAY, element_type=t.VARCHAR, max_capacity=64, max_length=65_535)
            else:
                schema.add_field("text", t.VARCHAR, max_length=65_535)
                schema.add_field("m", t.JSON)
            index = maker.prepare_index_params()
            index.add_index("v", index_type="FLAT", metric_type="IP")
            maker.create_collection(name, schema=schema, index_params=index, consistency_level="Strong")
        maker.close()

    async def close(self) -> None:
        await self.client.close()

    async def write(self, data: Data, *, plain: bool) -> None:
        from vpa.stores.milvus.convert import row_of

        for part in parts(len(data.ids), 1000):
            span = range(part.start, part.stop)
            if plain:
                rows = [
                    {
                        "id": data.rows[n].key,
                        "v": data.vectors[n].tolist(),
                        "text": data.texts[n],
                        "m": data.metadata[n],
                    }
                    for n in span
                ]
            else:
                rows = [{**row_of(data.rows[n], Scope(), data.vectors[n]), "p": [payload(data, n)]} for n in span]
            await self.client.upsert("bare_plain" if plain else "bare", rows)

    async def search(self, query: np.ndarray, *, plain: bool) -> Any:
        if plain:
            return await self.client.search(
                "bare_plain", data=[query.tolist()], limit=TOP_K, output_fields=["text", "m"]
            )
        chosen = f's == "{layout.scope_token(Scope())}"'
        [found] = await self.client.search(
            "bare", data=[query.tolist()], limit=TOP_K + 1, filter=chosen, output_fields=["id", "p"]
        )
        return [json.loads("".join(one["entity"]["p"])) for one in found]


class BarePgvector(Bare):
    def __init__(self, config: Any) -> None:
        self.url = config.url

    async def open(self) -> None:
        import asyncpg
        from pgvector.asyncpg import register_vector

        self.pool = await asyncpg.create_pool(self.url, min_size=1, max_size=4, init=register_vector)
        async with self.pool.acquire() as one:
            await one.execute(
                'CREATE TABLE bare (tenant text COLLATE "C", namespace text COLLATE "C", id text COLLATE "C", '
                f"embedding vector({DIMENSION}), text text, "
                "metadata text, system text, m jsonb, PRIMARY KEY (tenant, namespace, id)); CREATE INDEX ON bare "
                "USING gin (m jsonb_path_ops);"
                f"CREATE TABLE bare_plain (id text PRIMARY KEY, embedding vector({DIMENSION}), text text, metadata "
                "jsonb)"
            )

    async def close(self) -> None:
        await self.pool.close()

    async def write(self, data: Data, *, plain: bool) -> None:
        from vpa.stores.pgvector.filters import flatten

        names = [f"${n}" for n in range(1, 9)]
        async with self.pool.acquire() as one, one.transaction():
            span = range(len(data.ids))
            if plain:
                rows: list[tuple[Any, ...]] = [
                    (data.ids[n], data.vectors[n], data.texts[n], json.dumps(data.metadata[n])) for n in span
                ]
                await one.executemany(
                    "INSERT INTO bare_plain VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE SET embedding = "
                    "EXCLUDED.embedding, text = EXCLUDED.text, metadata = EXCLUDED.metadata",
                    rows,
                )
                return
            rows = [
                (
                    "",
                    "",
                    data.ids[n],
                    data.vectors[n],
                    data.texts[n],
                    json.dumps(data.metadata[n]),
                    "{}",
                    flatten(data.metadata[n], {}),
                )
                for n in span
            ]
            await one.executemany(
                f"INSERT INTO bare VALUES ({', '.join(names)}) ON CONFLICT (tenant, namespace, id) DO UPDATE SET "
                "embedding = EXCLUDED.embedding, "
                "text = EXCLUDED.text, metadata = EXCLUDED.metadata, system = EXCLUDED.system, m = EXCLUDED.m",
                rows,
            )

    async def search(self, query: np.ndarray, *, plain: bool) -> Any:
        async with self.pool.acquire() as one:
            if plain:
                return await one.fetch(
                    "SELECT id, text, metadata, embedding <#> $1 AS d FROM bare_plain ORDER BY embedding <#> $1 LIMIT "
                    "10",
                    query,
                )
            rows = await one.fetch(
                "SELECT id, text, metadata, system, embedding <#> $1 AS d FROM bare WHERE tenant = $2 AND namespace = "
                "$3 ORDER BY (embedding <#> $1) + 0, id LIMIT 10",
                query,
                "",
                "",
            )
            return [json.loads(row["metadata"]) for row in rows]


class BareWeaviate(Bare):
    def __init__(self, config: Any) -> None:
        self.config = config

    async def open(self) -> None:
        import weaviate
        from weaviate.classes.config import Configure, DataType, Property, VectorDistances

        from vpa.stores.weaviate.convert import companions_of, fixed_properties

        host, port, self.key = self.config.host, self.config.port, self.config.api_key
        self.client = weaviate.use_async_with_custom(
            http_host=host,
            http_port=port,
            http_secure=False,
            grpc_host=host,
            grpc_port=int(self.config.options["grpc_port"]),
            grpc_secure=False,
            auth_credentials=weaviate.classes.init.Auth.api_key(self.key),
            skip_init_checks=True,
        )
        await self.client.connect()
        sample = layout.Rows(
            Scope(), make(1, vpa.CollectionInfo(name="bare", dimension=DIMENSION, metric=vpa.Metric.COSINE)).rows, None
        )
        kinds = {"text": DataType.TEXT, "year": DataType.INT, "category": DataType.TEXT, "weight": DataType.NUMBER}
        plain = [Property(name=name, data_type=kind) for name, kind in kinds.items()]
        index = Configure.VectorIndex.hnsw(distance_metric=VectorDistances.DOT)
        for name, properties in (
            ("Bare", [*fixed_properties(), *companions_of(sample).values()]),
            ("BarePlain", plain),
        ):
            await self.client.collections.create(
                name, properties=properties, vector_config=Configure.Vectors.self_provided(vector_index_config=index)
            )

    async def close(self) -> None:
        await self.client.close()

    async def write(self, data: Data, *, plain: bool) -> None:
        from weaviate.classes.data import DataObject

        from vpa.stores.weaviate.convert import properties_of

        collection = self.client.collections.get("BarePlain" if plain else "Bare")
        for part in parts(len(data.ids), 1000):
            objects = []
            for n in range(part.start, part.stop):
                stored = (
                    {**data.metadata[n], "text": data.texts[n]}
                    if plain
                    else {**properties_of(data.rows[n]), "vpa_payload": payload(data, n)}
                )
                objects.append(DataObject(uuid=data.rows[n].key, properties=stored, vector=data.vectors[n].tolist()))
            await collection.data.insert_many(objects)

    async def search(self, query: np.ndarray, *, plain: bool) -> Any:
        from weaviate.classes.query import Filter, MetadataQuery

        collection = self.client.collections.get("BarePlain" if plain else "Bare")
        wanted = MetadataQuery(distance=True)
        if plain:
            return await collection.query.near_vector(query.tolist(), limit=TOP_K, return_metadata=wanted)
        tokens = [layout.EVERY, layout.scope_token(Scope())]
        chosen = Filter.all_of([Filter.by_property("vpa_t").contains_any([token]) for token in tokens])
        answer = await collection.query.near_vector(
            query.tolist(), limit=TOP_K + 1, filters=chosen, return_metadata=wanted, return_properties=["vpa_payload"]
        )
        return [json.loads(one.properties["vpa_payload"]) for one in answer.objects]


class BarePinecone(Bare):
    def __init__(self, config: Any) -> None:
        from pinecone import AsyncPinecone

        self.client = AsyncPinecone(config.api_key, host=config.url)

    async def open(self) -> None:
        from pinecone import ServerlessSpec

        self.indexes = []
        for name in ("bare", "bare-plain"):
            model = await self.client.indexes.create(
                name=name,
                dimension=DIMENSION,
                metric="dotproduct",
                spec=ServerlessSpec(cloud="aws", region="us-east-1"),
            )
            self.indexes.append(await self.client.index(host=model.host))

    async def close(self) -> None:
        for index in self.indexes:
            await index.close()
        await self.client.close()

    async def write(self, data: Data, *, plain: bool) -> None:
        from vpa.stores.pinecone.convert import metadata_of

        for part in parts(len(data.ids), 100):
            vectors = []
            for n in range(part.start, part.stop):
                stored = (
                    {**data.metadata[n], "text": data.texts[n]}
                    if plain
                    else {**metadata_of(data.rows[n]), "_vpa_payload": payload(data, n)}
                )
                vectors.append({"id": data.rows[n].key, "values": data.vectors[n].tolist(), "metadata": stored})
            await self.indexes[plain].upsert(vectors=vectors, namespace="s~~", show_progress=False)

    async def search(self, query: np.ndarray, *, plain: bool) -> Any:
        if plain:
            return await self.indexes[1].query(
                vector=query.tolist(), top_k=TOP_K, namespace="s~~", include_metadata=True
            )
        chosen = {"_vpa_t": {"$in": [layout.EVERY]}}
        answer = await self.indexes[0].query(
            vector=query.tolist(), top_k=TOP_K + 1, namespace="s~~", include_metadata=True, filter=chosen
        )
        return [json.loads(match.metadata["_vpa_payload"]) for match in answer.matches]


BARE: dict[str, tuple[str, type[Bare]]] = {
    "chromadb": ("chromadb server", BareChroma),
    "milvus": ("milvus lite over gRPC", BareMilvus),
    "pgvector": ("pgvector", BarePgvector),
    "pinecone": ("pinecone, missing fields match nothing", BarePinecone),
    "qdrant": ("qdrant engine", BareQdrant),
    "weaviate": ("weaviate 1.34", BareWeaviate),
}


async def timed(loop: Loop) -> float:
    started = time.perf_counter()
    await loop()
    return time.perf_counter() - started


async def medians(loops: Sequence[Loop], rounds: int) -> list[float]:
    """Median seconds of each loop; they run in turn, so that a busy moment hits all."""
    times: list[list[float]] = [[] for _ in loops]
    for _ in range(rounds):
        for place, loop in enumerate(loops):
            times[place].append(await timed(loop))
    return [statistics.median(one) for one in times]


async def measure(provider: str, count: int, rounds: int, stores: Any) -> str:
    form, kind = BARE[provider]
    config = stores.config(form, timeout_seconds=120.0)
    bare: Any = kind(config)  # type: ignore[call-arg]
    async with VectorDatabaseManager(config) as db:
        docs = await db.create_collection("benchmark", dimension=DIMENSION)
        data = make(count, docs.info)
        await bare.open()
        try:
            batch = data.batch()
            loops: list[Loop] = [
                lambda: docs.upsert(batch),
                lambda: bare.write(data, plain=False),
                lambda: bare.write(data, plain=True),
            ]
            writes = await medians(loops, rounds)
            numbers = iter(range(1_000_000))

            def query() -> np.ndarray:
                return data.queries[next(numbers) % len(data.queries)]

            searches = await medians(
                [
                    lambda: docs.search(vector=query(), top_k=TOP_K),
                    lambda: bare.search(query(), plain=False),
                    lambda: bare.search(query(), plain=True),
                ],
                150,
            )
        finally:
            await bare.close()
            await db.drop_collection("benchmark")
    size = sum(row.size_bytes for row in data.rows) / count
    user = sum(len(json.dumps(one)) + len(text) for one, text in zip(data.metadata, data.texts, strict=True)) / count
    return (
        f"  {provider:<9} upsert {count / writes[0]:>7,.0f}/s   {writes[0] / writes[1]:.2f} x same bytes, "
        f"{writes[0] / writes[2]:.2f} x plain     "
        f"search {searches[0] * 1000:6.2f} ms   {searches[0] / searches[1]:.2f} x same bytes, "
        f"{searches[0] / searches[2]:.2f} x plain     "
        f"bytes a record beside the vector: {size:,.0f} (user's own {user:,.0f})"
    )


async def main(providers: Sequence[str], count: int, rounds: int) -> None:
    print(
        f"{count:,} records x {DIMENSION}, three metadata fields and a text of 360 characters; medians of {rounds} "
        f"rounds, 150 searches\n({machine()})"
    )
    with running() as stores:
        for provider in providers:
            print(await measure(provider, count, rounds, stores), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("providers", nargs="*", default=list(BARE))
    parser.add_argument("--records", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.providers or list(BARE), arguments.records, arguments.rounds))
    sys.stdout.flush()
