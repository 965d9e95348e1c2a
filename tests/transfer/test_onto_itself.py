"""A collection is not copied onto itself, however its store is named; a file of it may come back into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import vpa
from deployments import PROVIDERS, RunningStores
from vpa import Record, Scope
from vpa.base import errors
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.embedded.store import EmbeddedStore
from vpa.transfer.place import is_same_address

ITSELF = "the target is the source, collection 'docs'"


async def fill(db: VectorDatabaseManager) -> vpa.Collection:
    docs = await db.create_collection("docs", dimension=2, exist_ok=True)
    for scope in (Scope(), Scope("acme")):
        await docs.upsert([Record(f"r{n}", vector=[1, n], metadata={"n": n}) for n in range(5)], scope=scope)
    return docs


class Watched(EmbeddedStore):
    """Counts what would be written."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0

    async def upsert(self, info: Any, request: Any) -> int:
        self.writes += 1
        return await super().upsert(info, request)

    async def close(self) -> None:
        """Not yet: two managers have it."""


async def test_a_store_object_of_two_managers_is_one_place(tmp_path: Path) -> None:
    store = Watched()
    async with VectorDatabaseManager(store=store) as one, VectorDatabaseManager(store=store) as other:
        docs = await fill(one)
        before = store.writes
        for target in (one, other):
            for options in ({}, {"to_collection": "docs"}):
                with pytest.raises(errors.ConfigurationError, match=ITSELF):
                    await vpa.migrate(one, target, collection="docs", state_directory=str(tmp_path), **options)
        assert (store.writes, await docs.count(), list(tmp_path.iterdir())) == (before, 5, [])
        moved = await vpa.migrate(one, other, collection="docs", to_collection="other", state_directory=str(tmp_path))
        assert moved.copied == 10


async def test_a_directory_by_another_path_is_one_place(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "store")
    async with vpa.connect(f"mock://{tmp_path}/store") as source:
        await fill(source)
        async with vpa.connect(f"mock://{tmp_path}/link", read_only=True) as target:
            with pytest.raises(errors.ConfigurationError, match=ITSELF):
                await vpa.migrate(source, target, collection="docs", state_directory=str(tmp_path))


@pytest.mark.parametrize("provider", ["qdrant", "pgvector"])
async def test_a_server_by_another_url_is_one_place(stores: RunningStores, provider: str, tmp_path: Path) -> None:
    config = stores.config(PROVIDERS[provider])
    async with VectorDatabaseManager(config) as source, VectorDatabaseManager(config) as target:
        docs = await fill(source)
        with pytest.raises(errors.ConfigurationError, match=ITSELF):
            await vpa.migrate(source, target, collection="docs", state_directory=str(tmp_path))
        assert await docs.count() == 5
        await source.drop_collection("docs")


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("qdrant://localhost", "qdrant://127.0.0.1:6333", True),
        ("qdrant://Example.com?grpc=off", "qdrant://example.com.:6333", True),
        ("qdrant://localhost", "qdrant://localhost:7000", False),
        ("milvus://[::1]", "milvus://localhost?database=default", True),
        ("milvus://localhost", "milvus://localhost?database=other", False),
        ("chromadb://localhost", "chromadb://localhost?tenant=default_tenant", True),
        ("chromadb://localhost", "qdrant://localhost:8000", False),
        ("postgresql://vpa@db/knowledge", "postgresql://other@db:5432/knowledge?index=hnsw&schema=public", True),
        ("postgresql://vpa@/knowledge?host=/run/pg", "postgresql://vpa@/knowledge?host=/run/pg", True),
        ("postgresql://vpa@db", "postgresql://vpa@db/vpa", True),
        ("postgresql://vpa@db/knowledge", "postgresql://vpa@db/knowledge?schema=other", False),
        ("postgresql://a,b/knowledge", "postgresql://a/knowledge", False),
        ("pinecone://", "pinecone://?region=us-east-1", True),
        ("mock://", "mock://", False),
        ("mock:///data/a", "mock:///data/x/../a", True),
        ("mock:///data/a", "mock://", False),
    ],
)
def test_addresses_that_mean_one_place(left: str, right: str, same: bool) -> None:
    configs = [VectorDatabaseConfig(url=url, api_key="key") for url in (left, right)]
    assert is_same_address(*configs) is same
    assert is_same_address(*reversed(configs)) is same


def test_keys_of_a_service_are_its_places() -> None:
    one, other = (VectorDatabaseConfig(url="pinecone://", api_key=key) for key in ("one", "other"))
    assert not is_same_address(one, other)


def test_the_same_without_await(tmp_path: Path) -> None:
    with vpa.sync.connect("mock://") as db:
        docs = db.create_collection("docs", dimension=2)
        docs.upsert([Record("a", vector=[1, 0])])
        with pytest.raises(errors.ConfigurationError, match=ITSELF):
            vpa.sync.migrate(db, db, collection="docs", state_directory=str(tmp_path))
        vpa.sync.migrate(db, db, collection="docs", to_collection="other", state_directory=str(tmp_path))
        assert db.collection("other").count() == 1


async def test_a_file_may_be_read_into_the_collection_that_it_came_from(tmp_path: Path) -> None:
    async with vpa.connect("mock://") as db:
        docs = await fill(db)
        await vpa.export_parquet(docs, tmp_path / "docs.parquet")
        await docs.delete(ids=["r1"])
        await docs.upsert([Record("later", vector=[1, 1])])
        assert await vpa.import_parquet(db, tmp_path / "docs.parquet") == 10
        assert sorted([record.id async for record in docs.scan()]) == ["later", "r0", "r1", "r2", "r3", "r4"]
        assert await docs.count(scope=Scope("acme")) == 5
