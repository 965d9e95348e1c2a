"""Sparse vectors go along with a copy and a file, to stores that hold them; elsewhere nothing is written."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

import vpa
from vpa import Record, Scope, export_parquet, import_parquet, migrate
from vpa.base import errors
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager

RECORDS = [
    Record("a", vector=[1, 0], text="one", sparse={3: 0.1, 2**32 - 3: 2.5}),
    Record("b", vector=[0, 1], metadata={"n": 1}),
]


async def filled(db: VectorDatabaseManager) -> Collection:
    docs = await db.create_collection("docs", dimension=2, metric="dot", sparse=True)
    await docs.upsert(RECORDS)
    await docs.upsert(RECORDS[:1], scope=Scope("acme"))
    return docs


async def check(copy: Collection, docs: Collection) -> None:
    assert copy.info.sparse
    for scope in (Scope(), Scope("acme")):
        records = await docs.get(["a", "b"], scope=scope)
        assert await copy.get(["a", "b"], scope=scope) == records
        assert records[0].sparse
    assert (await copy.search(sparse={3: 1.0})).ids == ["a"]


async def test_a_copy_carries_them(tmp_path: Path) -> None:
    async with vpa.connect(f"qdrant://{tmp_path / 'q'}") as source, vpa.connect(f"milvus:///{tmp_path}/m.db") as target:
        docs = await filled(source)
        done = await migrate(source, target, collection="docs", state_directory=str(tmp_path))
        assert done.verification.ok
        await check(await target.collection("docs"), docs)


async def test_a_file_carries_them(tmp_path: Path) -> None:
    async with vpa.connect(f"qdrant://{tmp_path / 'q'}") as db:
        docs = await filled(db)
        assert await export_parquet(docs, tmp_path / "docs.parquet") == 3
        assert pq.read_schema(tmp_path / "docs.parquet").names[:8][-1] == "sparse"
        assert await import_parquet(db, tmp_path / "docs.parquet", collection="again") == 3
        await check(await db.collection("again"), docs)


async def test_a_store_that_holds_none_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    async with vpa.connect(f"qdrant://{tmp_path / 'q'}") as source, vpa.connect("embedded://") as target:
        docs = await filled(source)
        await export_parquet(docs, tmp_path / "docs.parquet")
        with pytest.raises(errors.ConfigurationError, match="Qdrant, Milvus and Pinecone"):
            await migrate(source, target, collection="docs", state_directory=str(tmp_path))
        with pytest.raises(errors.ConfigurationError, match="Qdrant, Milvus and Pinecone"):
            await import_parquet(target, tmp_path / "docs.parquet")
        assert await target.list_collections() == []


async def test_a_copy_that_lacks_one_is_told(tmp_path: Path) -> None:
    async with vpa.connect(f"qdrant://{tmp_path / 'q'}") as db:
        docs = await filled(db)
        await migrate(db, db, collection="docs", to_collection="copy", state_directory=str(tmp_path))
        copy = await db.collection("copy")
        await copy.upsert([Record("a", vector=[1, 0], text="one")])
        report = await vpa.verify(docs, copy)
        assert not report.ok
        assert "sparse" in report.examples[0]


@pytest.mark.parametrize("way", ["arrow", "pandas", "a file in pandas"])
async def test_a_table_carries_them(tmp_path: Path, way: str) -> None:
    async with vpa.connect(f"qdrant://{tmp_path / 'q'}") as db:
        docs = await filled(db)
        if way == "a file in pandas":
            await docs.delete(["a"], scope=Scope("acme"))
            await export_parquet(docs, tmp_path / "docs.parquet")
            table = pq.read_table(tmp_path / "docs.parquet").to_pandas().drop(columns=["tenant", "namespace"])
        else:
            table = await (docs.to_arrow(limit=1) if way == "arrow" else docs.to_pandas())
        copy = await db.create_collection("copy", dimension=2, metric="dot", sparse=True)
        await copy.upsert(table)
        ids = [record.id async for record in copy.scan()]
        assert await copy.get(ids) == await docs.get(ids)
        bare = await docs.to_arrow(include_vectors=False)
        assert "vpa.sparse" not in bare.column_names
