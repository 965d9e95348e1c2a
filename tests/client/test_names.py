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


@pytest.mark.parametrize("url", ["mock://", "mock://{}/store"])
async def test_a_new_name_that_is_not_allowed_is_answered_with_one_that_is(tmp_path: Path, url: str) -> None:
    async with vpa.connect(url.format(tmp_path)) as db:
        with pytest.raises(errors.ConfigurationError, match="for example 'rag-files'"):
            await db.create_collection("RAG files", dimension=2)
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
