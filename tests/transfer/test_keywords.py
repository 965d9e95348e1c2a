"""A keyword index goes along with a copy, to stores that keep one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import vpa
from vpa import Record, export_parquet, import_parquet, migrate
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.config import VectorDatabaseConfig
from vpa.testing.fakes import WeakStore


async def test_a_copy_and_a_file_carry_the_keyword_index(tmp_path: Path) -> None:
    async with vpa.connect("embedded://") as source, vpa.connect(f"embedded://{tmp_path / 'target'}") as target:
        docs = await source.create_collection("docs", dimension=2, keywords="de")
        await docs.upsert(
            [Record("a", vector=[1, 0], text="Die Häuser am See"), Record("b", vector=[0, 1], text="Tee")]
        )
        await migrate(source, target, collection="docs")
        await export_parquet(docs, tmp_path / "docs.parquet")
        await import_parquet(target, tmp_path / "docs.parquet", collection="again")
        for name in ("docs", "again"):
            copy = await target.collection(name)
            assert copy.info.keywords == docs.info.keywords
            assert (await copy.search(text="Haus", mode="keyword")).ids == ["a"]


async def test_a_target_made_without_one_gets_it(tmp_path: Path) -> None:
    async with vpa.connect("embedded://") as source, vpa.connect("embedded://") as target:
        docs = await source.create_collection("docs", dimension=2, keywords="english")
        await docs.upsert([Record("a", vector=[1, 0], text="leaking pumps")])
        await target.create_collection("docs", dimension=2)
        await migrate(source, target, collection="docs")
        assert (await (await target.collection("docs")).search(text="pump", mode="keyword")).ids == ["a"]


async def test_a_store_that_keeps_no_words_is_copied_to_all_the_same() -> None:
    store = WeakStore()
    store.capabilities = replace(store.capabilities, keywords=False)
    without = VectorDatabaseManager(VectorDatabaseConfig(), store=store)
    async with vpa.connect("embedded://") as source, without as target:
        docs = await source.create_collection("docs", dimension=2, keywords="english")
        await docs.upsert([Record("a", vector=[1, 0], text="leaking pumps")])
        await migrate(source, target, collection="docs")
        assert (await target.collection("docs")).info.keywords is None


async def test_a_keyword_index_goes_along_to_another_store(tmp_path: Path) -> None:
    async with vpa.connect("embedded://") as source, vpa.connect(f"qdrant://{tmp_path / 'q'}") as target:
        docs = await source.create_collection("docs", dimension=2, keywords="english")
        await docs.upsert([Record("a", vector=[1, 0], text="leaking pumps")])
        await migrate(source, target, collection="docs")
        copied = await target.collection("docs")
        assert (await copied.search(text="pump", mode="keyword")).ids == ["a"]


async def test_to_a_store_that_takes_words_from_the_beginning_only(tmp_path: Path) -> None:
    place = f"milvus://{tmp_path / 'lite.db'}"
    async with vpa.connect("embedded://") as source, vpa.connect(place) as target:
        docs = await source.create_collection("docs", dimension=2, keywords="english")
        await docs.upsert([Record("a", vector=[1, 0], text="leaking pumps")])
        await migrate(source, target, collection="docs")
        assert (await (await target.collection("docs")).search(text="pump", mode="keyword")).ids == ["a"]


async def test_a_copy_may_get_one_that_the_source_has_not() -> None:
    async with vpa.connect("embedded://") as source, vpa.connect("embedded://") as target:
        docs = await source.create_collection("docs", dimension=2)
        await docs.upsert([Record("a", vector=[1, 0], text="viele Pumpen")])
        await migrate(source, target, collection="docs", keywords="german")
        assert (await (await target.collection("docs")).search(text="Pumpe", mode="keyword")).ids == ["a"]
