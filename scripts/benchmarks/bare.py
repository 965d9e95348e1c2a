"""The stores' own clients, used as their documentation shows it: no scope, no filter of ours, their defaults.

Each class loads vectors, texts and three metadata fields, and answers the questions of `adapters.py` with them. What a
user would index for filters is indexed.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlsplit

import numpy as np

TOP_K, BATCH = 10, 1000
# Names of the filters, with what each asks of a record's metadata.
FILTERS = ("1 %", "50 %")
GROUP, HALF = 7, "odd"


@dataclass
class Data:
    """`vectors` `(n, d) float32` of length 1, and what stands beside them."""

    vectors: np.ndarray
    ids: list[str]
    uuids: list[str]
    texts: list[str]
    metadata: list[dict[str, Any]]


def parts(count: int, size: int = BATCH) -> list[slice]:
    """Slices of `size` that cover `count`."""
    return [slice(start, min(count, start + size)) for start in range(0, count, size)]


class Bare:
    """One client and one collection. Searches return the positions of records, best first."""

    # Which of a record's names the store is given.
    by_uuid: ClassVar[bool] = False

    def __init__(self, config: Any, dimension: int) -> None:
        self.config, self.dimension = config, dimension

    async def open(self) -> None: ...
    async def close(self) -> None: ...
    async def load(self, data: Data) -> None: ...
    async def finish(self) -> None:
        """What its documentation advises after loading."""

    async def search(self, query: np.ndarray, filter: str | None) -> list[str]:
        """Names of the nearest."""
        raise NotImplementedError

    async def scan(self) -> int:
        """Reads every record with its vector, as fast as the client can; returns how many."""
        raise NotImplementedError

    async def count(self) -> int:
        """Of all records."""
        raise NotImplementedError

    async def get(self, names: Sequence[str]) -> int:
        """Records by name."""
        raise NotImplementedError

    async def delete(self) -> None:
        """By the filter of 1 %."""
        raise NotImplementedError


class BareChroma(Bare):
    async def open(self) -> None:
        import chromadb

        parts_of = urlsplit(self.config.url)
        self.client = await chromadb.AsyncHttpClient(host=parts_of.hostname, port=parts_of.port)
        self.collection = await self.client.create_collection(
            "bare", configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
        )

    async def load(self, data: Data) -> None:
        for part in parts(len(data.ids)):
            await self.collection.add(
                ids=data.ids[part],
                embeddings=data.vectors[part],
                metadatas=data.metadata[part],
                documents=data.texts[part],
            )

    async def search(self, query: np.ndarray, filter: str | None) -> list[str]:
        where = {None: None, "1 %": {"group": GROUP}, "50 %": {"half": HALF}}[filter]
        found = await self.collection.query(query_embeddings=[query], n_results=TOP_K, where=where)
        return list(found["ids"][0])

    async def scan(self) -> int:
        seen = 0
        while True:
            page = await self.collection.get(limit=BATCH, offset=seen, include=["metadatas", "documents", "embeddings"])
            if not page["ids"]:
                return seen
            seen += len(page["ids"])

    async def count(self) -> int:
        return await self.collection.count()

    async def get(self, names: Sequence[str]) -> int:
        found = await self.collection.get(ids=list(names), include=["metadatas", "documents", "embeddings"])
        return len(found["ids"])

    async def delete(self) -> None:
        await self.collection.delete(where={"group": GROUP})


class BareMilvus(Bare):
    async def open(self) -> None:
        from pymilvus import AsyncMilvusClient, DataType, MilvusClient

        maker = MilvusClient(uri=self.config.url)
        schema = maker.create_schema(auto_id=False, enable_dynamic_field=True)
        schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=64)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=self.dimension)
        schema.add_field("text", DataType.VARCHAR, max_length=65_535)
        index = maker.prepare_index_params()
        index.add_index("vector", index_type="FLAT", metric_type="COSINE")
        maker.create_collection("bare", schema=schema, index_params=index, consistency_level="Strong")
        maker.close()
        self.client = AsyncMilvusClient(uri=self.config.url)

    async def close(self) -> None:
        await self.client.close()

    async def load(self, data: Data) -> None:
        for part in parts(len(data.ids)):
            rows = [
                {"id": data.ids[n], "vector": data.vectors[n].tolist(), "text": data.texts[n], **data.metadata[n]}
                for n in range(part.start, part.stop)
            ]
            await self.client.upsert("bare", rows)

    async def search(self, query: np.ndarray, filter: str | None) -> list[str]:
        chosen = {None: "", "1 %": f"group == {GROUP}", "50 %": f'half == "{HALF}"'}[filter]
        fields = ["text", "group", "half", "score"]
        [found] = await self.client.search(
            "bare", data=[query.tolist()], limit=TOP_K, filter=chosen, output_fields=fields
        )
        return [str(one["id"]) for one in found]

    async def scan(self) -> int:
        from pymilvus import MilvusClient

        client = MilvusClient(uri=self.config.url)
        try:
            pages = client.query_iterator(
                "bare", batch_size=BATCH, output_fields=["text", "group", "half", "score", "vector"]
            )
            seen = 0
            while page := pages.next():
                seen += len(page)
            pages.close()
            return seen
        finally:
            client.close()

    async def count(self) -> int:
        rows = await self.client.query("bare", filter="", output_fields=["count(*)"])
        return int(rows[0]["count(*)"])

    async def get(self, names: Sequence[str]) -> int:
        fields = ["text", "group", "half", "score", "vector"]
        return len(await self.client.get("bare", ids=list(names), output_fields=fields))

    async def delete(self) -> None:
        await self.client.delete("bare", filter=f"group == {GROUP}")


class BarePgvector(Bare):
    """Loads by COPY, and builds the index after it, as the README of pgvector advises."""

    index: ClassVar[bool] = False

    async def open(self) -> None:
        import asyncpg
        from pgvector.asyncpg import register_vector

        self.pool = await asyncpg.create_pool(self.config.url, min_size=1, max_size=4, init=register_vector)
        await self.pool.execute(
            f"CREATE TABLE bare (id text PRIMARY KEY, embedding vector({self.dimension}), text text, metadata jsonb)"
        )

    async def close(self) -> None:
        await self.pool.close()

    async def load(self, data: Data) -> None:
        rows = [
            (data.ids[n], data.vectors[n], data.texts[n], json.dumps(data.metadata[n])) for n in range(len(data.ids))
        ]
        async with self.pool.acquire() as lent:
            await lent.copy_records_to_table("bare", records=rows)
            if self.index:
                await lent.execute("SET maintenance_work_mem = '1GB'")
                await lent.execute("CREATE INDEX ON bare USING hnsw (embedding vector_cosine_ops)")
            await lent.execute("CREATE INDEX ON bare USING gin (metadata jsonb_path_ops)")

    async def finish(self) -> None:
        await self.pool.execute("ANALYZE bare")

    async def search(self, query: np.ndarray, filter: str | None) -> list[str]:
        held = {None: None, "1 %": {"group": GROUP}, "50 %": {"half": HALF}}[filter]
        where = "" if held is None else "WHERE metadata @> $2::jsonb "
        rows = await self.pool.fetch(
            f"SELECT id, text, metadata, embedding <=> $1 AS distance FROM bare {where}"
            f"ORDER BY embedding <=> $1 LIMIT {TOP_K}",
            query,
            *([] if held is None else [json.dumps(held)]),
        )
        return [row["id"] for row in rows]

    async def scan(self) -> int:
        seen = 0
        async with self.pool.acquire() as lent, lent.transaction():
            cursor = await lent.cursor("SELECT id, text, metadata, embedding FROM bare")
            while rows := await cursor.fetch(5000):
                seen += len(rows)
        return seen

    async def count(self) -> int:
        return int(await self.pool.fetchval("SELECT count(*) FROM bare"))

    async def get(self, names: Sequence[str]) -> int:
        sql = "SELECT id, text, metadata, embedding FROM bare WHERE id = ANY($1::text[])"
        return len(await self.pool.fetch(sql, list(names)))

    async def delete(self) -> None:
        await self.pool.execute("DELETE FROM bare WHERE metadata @> $1::jsonb", json.dumps({"group": GROUP}))


class BarePgvectorIndexed(BarePgvector):
    index = True


class BarePgvectorTuned(BarePgvectorIndexed):
    """As who knows the setting that finds as much as was promised, for these very questions, and sets it for all."""

    settings: ClassVar[tuple[int, ...]] = (40, 60, 100, 150, 200, 300, 400, 600, 800, 1000)

    async def tune(self, reaches: Callable[[], Awaitable[bool]]) -> int:
        """The least `ef_search` with which `reaches` holds."""
        for setting in self.settings:
            await self.pool.close()
            self.pool = await self._connected(setting)
            if await reaches():
                break
        return setting

    async def _connected(self, setting: int) -> Any:
        import asyncpg
        from pgvector.asyncpg import register_vector

        options = {"hnsw.ef_search": str(setting), "hnsw.iterative_scan": "strict_order"}
        return await asyncpg.create_pool(
            self.config.url, min_size=1, max_size=4, init=register_vector, server_settings=options
        )


class BareWeaviate(Bare):
    by_uuid = True

    async def open(self) -> None:
        import weaviate
        from weaviate.classes.config import Configure, DataType, Property
        from weaviate.classes.init import Auth

        self.client = weaviate.use_async_with_custom(
            http_host=self.config.host,
            http_port=self.config.port,
            http_secure=False,
            grpc_host=self.config.host,
            grpc_port=int(self.config.options["grpc_port"]),
            grpc_secure=False,
            auth_credentials=Auth.api_key(self.config.api_key),
            skip_init_checks=True,
        )
        await self.client.connect()
        kinds = {"text": DataType.TEXT, "group": DataType.INT, "half": DataType.TEXT, "score": DataType.NUMBER}
        await self.client.collections.create(
            "Bare",
            properties=[Property(name=name, data_type=kind) for name, kind in kinds.items()],
            vector_config=Configure.Vectors.self_provided(quantizer=Configure.VectorIndex.Quantizer.none()),
        )
        self.collection = self.client.collections.get("Bare")

    async def close(self) -> None:
        await self.client.close()

    async def load(self, data: Data) -> None:
        from weaviate.classes.data import DataObject

        for part in parts(len(data.ids)):
            objects = [
                DataObject(
                    uuid=data.uuids[n],
                    properties={**data.metadata[n], "text": data.texts[n]},
                    vector=data.vectors[n].tolist(),
                )
                for n in range(part.start, part.stop)
            ]
            await self.collection.data.insert_many(objects)

    def _filter(self, name: str | None) -> Any:
        from weaviate.classes.query import Filter

        if name is None:
            return None
        return Filter.by_property("group").equal(GROUP) if name == "1 %" else Filter.by_property("half").equal(HALF)

    async def search(self, query: np.ndarray, filter: str | None) -> list[str]:
        from weaviate.classes.query import MetadataQuery

        found = await self.collection.query.near_vector(
            query.tolist(), limit=TOP_K, filters=self._filter(filter), return_metadata=MetadataQuery(distance=True)
        )
        return [str(one.uuid) for one in found.objects]

    async def scan(self) -> int:
        seen = 0
        async for _ in self.collection.iterator(include_vector=True, cache_size=BATCH):
            seen += 1
        return seen

    async def count(self) -> int:
        return int((await self.collection.aggregate.over_all(total_count=True)).total_count or 0)

    async def get(self, names: Sequence[str]) -> int:
        found = await self.collection.query.fetch_objects_by_ids(list(names), limit=len(names), include_vector=True)
        return len(found.objects)

    async def delete(self) -> None:
        await self.collection.data.delete_many(where=self._filter("1 %"))
