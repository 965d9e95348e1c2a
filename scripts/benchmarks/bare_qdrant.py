"""Qdrant's own client over gRPC and over REST, and the table of all bare clients."""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from bare import (
    BATCH,
    GROUP,
    HALF,
    TOP_K,
    Bare,
    BareChroma,
    BareMilvus,
    BarePgvector,
    BarePgvectorIndexed,
    BarePgvectorTuned,
    BareWeaviate,
    Data,
    parts,
)

PARALLEL = int(os.environ.get("BARE_PARALLEL", "1"))


class BareQdrant(Bare):
    """Over gRPC, as its documentation advises for speed; vectors are loaded as arrays by `upload_collection`."""

    by_uuid = True
    by_grpc: ClassVar[bool] = True

    def __init__(self, config: Any, dimension: int) -> None:
        super().__init__(config, dimension)
        from qdrant_client import AsyncQdrantClient, models

        self.models = models
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.client = AsyncQdrantClient(**self._options())

    def _options(self) -> dict[str, Any]:
        config = self.config
        port = int(config.options.get("grpc_port", 6334))
        return {
            "url": config.url,
            "api_key": config.api_key,
            "check_compatibility": False,
            "timeout": 120,
            "prefer_grpc": self.by_grpc,
            "grpc_port": port,
        }

    async def open(self) -> None:
        m = self.models
        vectors = m.VectorParams(size=self.dimension, distance=m.Distance.COSINE)
        await self.client.create_collection("bare", vectors_config=vectors)
        await self.client.create_payload_index("bare", "group", field_schema=m.PayloadSchemaType.FLOAT, wait=True)
        await self.client.create_payload_index("bare", "half", field_schema=m.PayloadSchemaType.KEYWORD, wait=True)

    async def close(self) -> None:
        await self.client.close()

    async def load(self, data: Data) -> None:
        payloads = [{**data.metadata[n], "text": data.texts[n], "id": data.ids[n]} for n in range(len(data.ids))]
        await asyncio.to_thread(self._upload, data, payloads)

    def _upload(self, data: Data, payloads: list[dict[str, Any]]) -> None:
        from qdrant_client import QdrantClient

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            client = QdrantClient(**self._options())
        client.upload_collection(
            "bare",
            vectors=data.vectors,
            ids=data.uuids,
            payload=payloads,
            batch_size=BATCH,
            parallel=PARALLEL,
            wait=True,
        )
        client.close()

    def _filter(self, name: str | None) -> Any:
        m = self.models
        if name is None:
            return None
        if name == "1 %":
            condition = m.FieldCondition(key="group", range=m.Range(gte=GROUP, lte=GROUP))
        else:
            condition = m.FieldCondition(key="half", match=m.MatchValue(value=HALF))
        return m.Filter(must=[condition])

    async def search(self, query: np.ndarray, filter: str | None) -> list[str]:
        found = await self.client.query_points(
            "bare", query=query.tolist(), query_filter=self._filter(filter), limit=TOP_K, with_payload=True
        )
        return [str(point.id) for point in found.points]

    async def scan(self) -> int:
        seen, offset = 0, None
        while True:
            points, offset = await self.client.scroll(
                "bare", limit=BATCH, offset=offset, with_payload=True, with_vectors=True
            )
            seen += len(points)
            if offset is None:
                return seen

    async def count(self) -> int:
        return int((await self.client.count("bare", exact=True)).count)

    async def get(self, names: Sequence[str]) -> int:
        return len(await self.client.retrieve("bare", ids=list(names), with_payload=True, with_vectors=True))

    async def delete(self) -> None:
        selector = self.models.FilterSelector(filter=self._filter("1 %"))
        await self.client.delete("bare", points_selector=selector, wait=True)


class BareQdrantRest(BareQdrant):
    by_grpc = False

    async def load(self, data: Data) -> None:
        for part in parts(len(data.ids)):
            payloads = [
                {**data.metadata[n], "text": data.texts[n], "id": data.ids[n]} for n in range(part.start, part.stop)
            ]
            batch = self.models.Batch(ids=data.uuids[part], vectors=data.vectors[part].tolist(), payloads=payloads)
            await self.client.upsert("bare", points=batch, wait=True)


BARE: dict[str, tuple[str, type[Bare]]] = {
    "chromadb": ("chromadb server", BareChroma),
    "milvus": ("milvus lite over gRPC", BareMilvus),
    "pgvector": ("pgvector", BarePgvector),
    "pgvector-hnsw": ("pgvector with hnsw", BarePgvectorIndexed),
    "pgvector-tuned": ("pgvector with hnsw", BarePgvectorTuned),
    "qdrant": ("qdrant engine", BareQdrant),
    "qdrant-rest": ("qdrant engine over REST", BareQdrantRest),
    "weaviate": ("weaviate server", BareWeaviate),
}
