"""What is particular to Qdrant: collections of others, and native fields."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from contract.own_ways.shared import VECTORS, check_a_collection_of_others, check_native_fields
from deployments import PROVIDERS, RunningStores


async def _made_by_the_client(config: Any) -> None:
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


async def test_a_collection_of_others_is_read_and_brought_in(stores: RunningStores, tmp_path: Path) -> None:
    config = stores.config(PROVIDERS["qdrant"])
    await _made_by_the_client(config)
    await check_a_collection_of_others(config, tmp_path)


async def _fields_seen_by_the_client(config: Any) -> dict[str, Any]:
    from qdrant_client import AsyncQdrantClient

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # A key over plain HTTP.
        client = AsyncQdrantClient(url=config.url, api_key=config.api_key, check_compatibility=False)
    points, _ = await client.scroll("native")
    await client.close()
    payload = dict(points[0].payload or {})
    # The record itself is there as it is.
    assert payload.pop("id") == "a"
    assert payload.pop("metadata")["year"] == payload["year"]
    return payload


async def test_native_fields_are_there_for_the_stores_own_tools(stores: RunningStores) -> None:
    await check_native_fields(stores.config(PROVIDERS["qdrant"]), _fields_seen_by_the_client)
