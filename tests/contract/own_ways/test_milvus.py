"""What is particular to Milvus: collections of others, native fields, one process per local database."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from contract.own_ways.shared import VECTORS, check_a_collection_of_others, check_native_fields
from deployments import PROVIDERS, RunningStores
from vpa.base import errors
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.config import VectorDatabaseConfig


async def _made_by_the_client(config: Any) -> None:
    from pymilvus import MilvusClient, MilvusException

    def connected() -> MilvusClient:
        # The local server sends clients away that ping it too often, which on a busy machine the first one does.
        for _ in range(5):
            try:
                return MilvusClient(uri=config.url)
            except MilvusException:
                time.sleep(1)
        return MilvusClient(uri=config.url)

    def make() -> None:
        client = connected()
        client.create_collection("theirs", dimension=3, metric_type="COSINE", consistency_level="Strong", auto_id=False)
        client.insert(
            "theirs", [{"id": n, "vector": VECTORS[n].tolist(), "n": n, "text": f"text {n}"} for n in range(6)]
        )
        client.close()

    await asyncio.to_thread(make)


async def test_a_collection_of_others_is_read_and_brought_in(stores: RunningStores, tmp_path: Path) -> None:
    config = stores.config(PROVIDERS["milvus"])
    await _made_by_the_client(config)
    await check_a_collection_of_others(config, tmp_path)


async def _fields_seen_by_the_client(config: Any) -> dict[str, Any]:
    from pymilvus import AsyncMilvusClient

    client = AsyncMilvusClient(uri=config.url)
    [row] = await client.query("native", filter="", limit=1, output_fields=["n"])
    await client.close()
    return dict(row["n"])


async def test_native_fields_are_there_for_the_stores_own_tools(stores: RunningStores) -> None:
    await check_native_fields(stores.config(PROVIDERS["milvus"]), _fields_seen_by_the_client)


async def test_a_local_milvus_is_open_once(tmp_path: Path) -> None:
    config = VectorDatabaseConfig(provider="milvus", path=str(tmp_path / "a.db"))
    async with VectorDatabaseManager(config):
        with pytest.raises(errors.StorageLockedError):
            await VectorDatabaseManager(config).connect()
    async with VectorDatabaseManager(config) as db:
        assert await db.list_collections() == []
