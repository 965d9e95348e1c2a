"""Names of collections: what a new one may be called, and what others called theirs."""

from __future__ import annotations

from pathlib import Path

import chromadb
import pytest

import vpa
from vpa import errors
from vpa.stores.layout.tokens import native_name

THEIRS = ("RAG_files", "Docs.2024", "7seas", "x" * 200)


@pytest.mark.parametrize("name", THEIRS)
async def test_a_collection_of_chroma_is_read_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    client = chromadb.PersistentClient(str(tmp_path / "chroma"))
    client.create_collection(name).add(ids=["a"], embeddings=[[1.0, 0.0]], documents=["x"])
    async with vpa.connect(f"chroma://{tmp_path}/chroma") as db, vpa.connect("mock://") as target:
        assert await db.list_collections() == [name]
        theirs = await db.collection(name)
        assert [record.text async for record in theirs.scan()] == ["x"]
        await vpa.migrate(db, target, collection=name, to_collection="brought-in")
        assert await (await target.collection("brought-in")).count() == 1


OURS = (
    "RAG files",
    "Docs.2024",
    "docs.2024",
    "ä",
    "a/b",
    "..",
    "CON",
    "-x",
    "7",
    "x" * 128,
    "ß" * 64,
    "%2e",
    "=a",
    "a_",
)


@pytest.mark.parametrize("url", ["embedded://", "embedded://{}/store"])
async def test_a_collection_is_called_what_its_owner_likes(tmp_path: Path, url: str) -> None:
    place = url.format(tmp_path)
    async with vpa.connect(place) as db:
        for number, name in enumerate(OURS):
            docs = await db.create_collection(name, dimension=2)
            await docs.upsert([vpa.Record(id=str(number), vector=[1.0, 0.0], text=name)])
        assert sorted(await db.list_collections()) == sorted(OURS)
        await _check(db)
        if url == "embedded://":
            return
    inside = sorted(one.name for one in (tmp_path / "store" / "collections").iterdir())
    assert len({one.lower() for one in inside}) == len(OURS)
    assert all(len(one) <= 208 for one in inside)
    assert [one.name for one in tmp_path.iterdir()] == ["store"]
    async with vpa.connect(place) as db:
        await _check(db)
    async with vpa.connect(place, read_only=True) as db:
        await _check(db)
    await vpa.backup(tmp_path / "store", tmp_path / "copy")
    async with vpa.connect(f"embedded://{tmp_path}/copy") as db:
        await _check(db)
        for name in OURS:
            await db.drop_collection(name)
        assert await db.list_collections() == []
    assert list((tmp_path / "copy" / "collections").iterdir()) == []


async def _check(db: vpa.VectorDatabaseManager) -> None:
    for number, name in enumerate(OURS):
        docs = await db.collection(name)
        assert docs.name == name
        assert [record.id async for record in docs.scan()] == [str(number)]


@pytest.mark.parametrize("url", ["embedded://", "embedded://{}/store"])
async def test_a_new_name_that_is_not_allowed_is_answered_with_one_that_is(tmp_path: Path, url: str) -> None:
    async with vpa.connect(url.format(tmp_path)) as db:
        for wrong, why in (
            ("RAG files ", "blank"),
            ("RAG\nfiles", "holds"),
            ("RAG files" + "x" * 120, "has 129 bytes"),
        ):
            with pytest.raises(errors.ConfigurationError, match=f"{why}.*for example 'rag-files"):
                await db.create_collection(wrong, dimension=2)
        for name in ("RAG_files", "../x", "a/b", ".", "ä" * 255):
            with pytest.raises(errors.CollectionNotFoundError):
                await db.collection(name)
            with pytest.raises(errors.CollectionNotFoundError):
                await db.drop_collection(name)
        for name in ("", "x" * 256, "a\0b", "\ud800"):
            with pytest.raises(errors.ConfigurationError):
                await db.collection(name)


def test_no_two_names_are_stored_under_one() -> None:
    for letter_first in (False, True):
        names = ["docs", "Docs", "do cs", "do-cs", "do.cs", "docs_", "1docs", "ä", "ö", "_", "x" * 256, "x" * 257]
        natives = [native_name(name, allowed="docs1D_", separator="_", letter_first=letter_first) for name in names]
        assert len(set(natives)) == len(names)
        assert all(native[0].isalnum() and len(native) <= 255 for native in natives)
        assert natives[0] == "docs"


async def test_explain_refuses_what_search_refuses_on_a_collection_of_others(tmp_path: Path) -> None:
    client = chromadb.PersistentClient(str(tmp_path / "chroma"))
    client.create_collection("theirs").add(ids=["a"], embeddings=[[1.0, 0.0]], documents=["x"], metadatas=[{"y": 1}])
    async with vpa.connect(f"chroma://{tmp_path}/chroma") as db:
        theirs = await db.collection("theirs")
        for call in (theirs.explain({"y": 1}), theirs.search([1.0, 0.0], filter={"y": 1}), theirs.count({"y": 1})):
            with pytest.raises(errors.UnsupportedFilterError, match="bring it in with `vpa migrate`"):
                await call
        assert (await theirs.explain())["complete"] is True
