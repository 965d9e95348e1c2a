"""The promised integration test: runs by itself with `pytest tests/core/test_vector_database_integration.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

import vpa
from vpa import F
from vpa.config.deployment_config import get_config, validate_config
from vpa.core.enhanced_rag import create_enhanced_rag_system
from vpa.core.vector_database import (
    VectorDatabaseConfig,
    VectorDatabaseManager,
    VectorDatabaseProvider,
    VPAVectorDatabaseManager,
    create_vector_database_manager,
)


@pytest.mark.parametrize("durable", [False, True])
async def test_the_manager_from_connect_to_close(tmp_path: Path, durable: bool) -> None:
    config = VectorDatabaseConfig(
        provider=VectorDatabaseProvider.MOCK,
        index_name="vpa-index",
        dimension=384,
        path=str(tmp_path) if durable else None,
    )
    manager = VPAVectorDatabaseManager(config)
    assert await manager.connect() is manager
    assert await manager.list_collections() == ["vpa-index"]
    records = [
        vpa.Record(f"r{n}", vector=[float(n == i) for i in range(384)], text=f"t{n}", metadata={"n": n})
        for n in range(10)
    ]
    assert await manager.upsert(records) == 10
    found = await manager.search(vector=records[3].vector, top_k=2, filter=F("n") >= 3)
    assert found[0].id == "r3"
    assert found[0].score == pytest.approx(1.0)
    assert await manager.update_metadata(ids=["r3"], set={"n": 30}) == 1
    assert await manager.delete(filter={"n": {"$lt": 3}}) == 3
    assert await manager.count() == 7
    assert (await manager.health())["healthy"] is True
    assert (await manager.get_statistics())["verbs"]["search"]["calls"] == 1
    await manager.disconnect()
    assert (await manager.health())["healthy"] is False
    assert issubclass(VPAVectorDatabaseManager, VectorDatabaseManager)


async def test_the_lines_for_new_users(tmp_path: Path) -> None:
    vector = [0.1, 0.2, 0.3]
    async with vpa.connect(f"mock://{tmp_path}/dir") as db:
        docs = await db.create_collection("docs", dimension=3, metric="cosine", exist_ok=True)
        await docs.upsert([vpa.Record("a", vector=vector, text="…", metadata={"year": 2021, "tags": ["x"]})])
        hits = await docs.search(vector=vector, top_k=5, filter=(F("year") >= 2020) & F("tags").contains_any("x", "y"))
        assert [(hit.id, hit.text) for hit in hits] == [("a", "…")]


async def test_the_rag_system_from_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPA_EMBEDDING_MODEL", "hashing")
    rag = create_enhanced_rag_system()
    await rag.initialize()
    await rag.add_document(
        document_id="doc1",
        title="AI Document",
        content="Applications of AI.",
        metadata={"category": "AI", "author": "Expert"},
    )
    results = await rag.search_knowledge(
        user_id="user123", query="artificial intelligence", top_k=5, filters={"category": "AI"}
    )
    assert results[0].document_id == "doc1"
    assert (await rag.get_system_stats())["search_statistics"]["total_searches"] == 1
    await rag.shutdown()


async def test_names_that_stay() -> None:
    manager = create_vector_database_manager(config=VectorDatabaseConfig())
    async with manager:
        assert manager.is_connected
    errors = validate_config(get_config("production"))
    assert errors
    assert all(isinstance(error, str) for error in errors)
