"""A collection that cannot be opened can be dropped, and made again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import vpa
from vpa import Record


async def fill(place: Path) -> Path:
    async with vpa.connect(f"embedded://{place}") as db:
        for name in ("broken", "sound"):
            docs = await db.create_collection(name, dimension=2)
            await docs.upsert([Record("a", vector=[1, 0])])
            await docs.optimize()
    return place / "collections" / "broken"


@pytest.mark.parametrize("damage", ["log", "description", "gone"])
async def test_a_damaged_collection_is_dropped_like_any_other(tmp_path: Path, damage: str) -> None:
    folder = await fill(tmp_path / "store")
    if damage == "gone":
        shutil.rmtree(folder)
    elif damage == "description":
        (folder / "collection.json").write_text("{}")
    else:
        for file in folder.glob("*.vpa"):
            file.write_bytes(b"nothing of the kind")
    async with vpa.connect(f"embedded://{tmp_path / 'store'}") as db:
        with pytest.raises(vpa.StorageCorruptedError):
            await db.collection("broken")
        await db.drop_collection("broken")
        assert await db.list_collections() == ["sound"]
        again = await db.create_collection("broken", dimension=3)
        await again.upsert([Record("b", vector=[1, 0, 0])])
    async with vpa.connect(f"embedded://{tmp_path / 'store'}") as db:
        assert await db.list_collections() == ["broken", "sound"]
        assert await (await db.collection("broken")).count() == 1


async def test_what_is_not_the_stores_own_is_kept(tmp_path: Path) -> None:
    folder = await fill(tmp_path / "store")
    (folder / "collection.json").write_text("{}")
    (folder / "notes.txt").write_text("mine")
    async with vpa.connect(f"embedded://{tmp_path / 'store'}") as db:
        await db.drop_collection("broken")
        assert await db.list_collections() == ["sound"]
    [notes] = (tmp_path / "store").rglob("notes.txt")
    assert notes.read_text() == "mine"


async def test_a_reader_does_not_drop(tmp_path: Path) -> None:
    folder = await fill(tmp_path / "store")
    (folder / "collection.json").write_text("{}")
    async with vpa.connect(f"embedded://{tmp_path / 'store'}", read_only=True) as db:
        with pytest.raises(vpa.ReadOnlyError):
            await db.drop_collection("broken")
