"""Readers whose disk answers badly, closed scans, and files that are not what they seem."""

from __future__ import annotations

import errno
import gc
import os
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vpa
from vpa import F, Record, RecordBatch
from vpa.base import errors
from vpa.base.records import CollectionInfo, Metric
from vpa.base.tables import TextColumn
from vpa.engine.database import Database
from vpa.engine.persist.files import OSFiles
from vpa.engine.table import Table


@asynccontextmanager
async def _read(tmp_path: Path) -> AsyncIterator[tuple[vpa.VectorDatabaseManager, vpa.Collection]]:
    """A reader beside a writer, and its collection of three records."""
    async with vpa.connect(f"mock://{tmp_path}") as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert(_records(3))
        async with vpa.connect(f"mock://{tmp_path}", read_only=True) as reader:
            yield reader, await reader.collection("docs")


def _records(count: int) -> list[Record]:
    return [Record(f"r{n}", vector=[1, n], metadata={"n": n}) for n in range(count)]


async def test_a_reader_whose_disk_answers_badly_says_so_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _read(tmp_path) as (_, theirs):
        status = OSFiles.status

        def stale(self: OSFiles, path: str) -> Any:
            raise OSError(errno.ESTALE, "Stale file handle")

        with monkeypatch.context() as patched:
            patched.setattr(OSFiles, "status", stale)
            with pytest.raises(errors.StorageError):
                await theirs.count()
        assert OSFiles.status is status
        assert await theirs.count() == 3


async def test_a_reader_forgets_a_collection_that_it_could_not_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with vpa.connect(f"mock://{tmp_path}") as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert(_records(3))
        async with vpa.connect(f"mock://{tmp_path}", read_only=True) as reader:
            theirs = await reader.collection("docs")
            reader._store._database._damaged["docs"] = errors.StorageError("once")  # type: ignore[union-attr]
            await db.drop_collection("docs")
            with pytest.raises(errors.CollectionNotFoundError):
                await theirs.count()
            assert await reader.list_collections() == []


async def test_a_reader_lets_go_of_collections_that_were_dropped(tmp_path: Path) -> None:
    async with vpa.connect(f"mock://{tmp_path}") as db, vpa.connect(f"mock://{tmp_path}", read_only=True) as reader:
        rows = np.random.default_rng(0).normal(size=(9000, 64)).astype(np.float32)
        for day in range(3):
            docs = await db.create_collection(f"day-{day}", dimension=64)
            await docs.upsert(RecordBatch(ids=[str(n) for n in range(len(rows))], vectors=rows))
            theirs = await reader.collection(f"day-{day}")
            await theirs.search(vector=rows[0], top_k=3)
            await db.drop_collection(f"day-{day}")
            with pytest.raises(errors.CollectionNotFoundError):
                await theirs.count()
        del docs, theirs
        gc.collect()
        tables = [table for table in gc.get_objects() if isinstance(table, Table)]
        assert [table.info.name for table in tables if table.info.name.startswith("day-")] == []


async def test_a_scan_ends_when_its_manager_is_closed() -> None:
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert(_records(500))
        batches = docs.scan_batches(batch_size=100)
        assert len(await anext(batches)) == 100
    with pytest.raises(errors.ClosedError):
        await anext(batches)


@pytest.mark.parametrize("failing", ["append", "status"])
def test_a_create_that_fails_late_can_be_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    from vpa.engine import database as databases

    database = Database(str(tmp_path))
    info = CollectionInfo(name="docs", dimension=2, metric=Metric.DOT)

    def refused(*_: Any, **__: Any) -> None:
        raise OSError(errno.EIO, "Input/output error") if failing == "append" else MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(databases.DurableJournal, "open", refused)
        with pytest.raises(errors.StorageError if failing == "append" else errors.ProviderError):
            database.create(info)
    assert database.names() == []
    assert database.create(info).info.name == "docs"
    database.close()


@pytest.mark.parametrize("refusing", ["write_store", "rename"])
@pytest.mark.parametrize("reopened", [False, True])
def test_a_create_that_the_disk_does_not_let_take_back_can_be_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusing: str, *, reopened: bool
) -> None:
    from vpa.engine import database as databases

    database = Database(str(tmp_path))
    info = CollectionInfo(name="docs", dimension=2, metric=Metric.DOT)

    def refused(*_: Any, **__: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    def failing(*_: Any, **__: Any) -> None:
        owner, name = (OSFiles, "rename") if refusing == "rename" else (databases, "write_store")
        patched.setattr(owner, name, refused)
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(databases.DurableJournal, "open", failing)
        for _ in range(2):
            with pytest.raises(errors.StorageError):
                database.create(info)
    assert database.names() == []
    if reopened:
        # An empty collection is nothing that was lost.
        database.close()
        database = Database(str(tmp_path))
        assert (database.names(), database.damaged) == (["docs"], {})
        database.drop("docs")
    assert database.create(info).info.name == "docs"
    database.drop("docs")
    database.close()
    database = Database(str(tmp_path))
    assert (database.names(), database.damaged) == ([], {})
    database.close()


async def test_an_empty_reserve_is_filled(tmp_path: Path) -> None:
    async with vpa.connect(f"mock://{tmp_path}") as db:
        await db.create_collection("docs", dimension=2)
    size = (tmp_path / "RESERVE").stat().st_size
    (tmp_path / "RESERVE").write_bytes(b"")
    async with vpa.connect(f"mock://{tmp_path}") as db:
        await db.collection("docs")
        assert db._store._database._make_room()  # type: ignore[union-attr]
    assert size > 0


async def test_an_export_goes_to_a_file_and_through_a_link(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert(_records(3))
        pipe, real, link = tmp_path / "pipe", tmp_path / "real.parquet", tmp_path / "latest.parquet"
        os.mkfifo(pipe)
        for place in (pipe, Path(os.devnull)):
            with pytest.raises(errors.ConfigurationError, match="device, pipe or socket"):
                await vpa.export_parquet(docs, place)
        assert pipe.is_fifo()
        link.symlink_to(real)
        assert await vpa.export_parquet(docs, link) == 3
        assert link.is_symlink()
        assert real.read_bytes().startswith(b"PAR1")
        assert await vpa.export_parquet(docs, link) == 3
        assert sorted(path.name for path in tmp_path.iterdir()) == ["latest.parquet", "pipe", "real.parquet"]


async def test_a_copy_without_a_place_for_its_state_makes_nothing(tmp_path: Path) -> None:
    async with vpa.connect("mock://") as source, vpa.connect("mock://") as target:
        docs = await source.create_collection("docs", dimension=2)
        await docs.upsert(_records(3))
        with pytest.raises(errors.ConfigurationError, match="state_directory"):
            await vpa.migrate(source, target, collection="docs", state_directory=str(tmp_path / "nothing"))
        assert await target.list_collections() == []


async def test_a_column_of_texts_is_the_stores_own() -> None:
    texts = TextColumn.of(["x", "y", "x"])
    column = TextColumn(texts.offsets.copy(), texts.data.copy(), None)
    batch = RecordBatch.from_columns(ids=["a", "b", "c"], vectors=np.eye(3, 2) + 1, metadata={"k": column})
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert(batch)
        column.data[:] = ord("z")
        assert [await docs.count(filter=F("k") == text) for text in "xyz"] == [2, 1, 0]


async def test_a_reader_whose_disk_answers_nothing_says_so_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _read(tmp_path) as (reader, theirs):

        def broken(self: OSFiles, *_: Any) -> Any:
            raise OSError(errno.EIO, "Input/output error")

        with monkeypatch.context() as patched:
            for name in ("status", "list_directory"):
                patched.setattr(OSFiles, name, broken)
            for _ in range(4):
                with pytest.raises(errors.StorageError):
                    await theirs.count()
                with pytest.raises(errors.StorageError):
                    await reader.list_collections()
            assert (await reader.health())["healthy"] is False
        assert await theirs.count() == 3
        assert await reader.list_collections() == ["docs"]


async def test_a_reader_keeps_no_table_of_a_collection_that_was_made_anew(tmp_path: Path) -> None:
    async with vpa.connect(f"mock://{tmp_path}") as db, vpa.connect(f"mock://{tmp_path}", read_only=True) as reader:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert(_records(3000))
        theirs = await reader.collection("docs")
        for exact in (False, True):
            # Large enough for the queue of searches.
            await theirs.search_batch(vectors=np.ones((300, 2)), exact=exact)
        store: Any = reader._store
        old = weakref.ref(store._database.find("docs"))
        await db.drop_collection("docs")
        await (await db.create_collection("docs", dimension=2)).upsert(_records(1))
        with pytest.raises(errors.CollectionNotFoundError, match="made anew"):
            await theirs.count()
        assert await (await reader.collection("docs")).count() == 1
        gc.collect()
        assert old() is None


@pytest.mark.parametrize("verb", ["create", "drop"])
def test_memory_that_ends_beside_a_creation_or_a_drop_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    from vpa.engine import database as databases

    database = Database(str(tmp_path))
    info = CollectionInfo(name="docs", dimension=2, metric=Metric.DOT)
    if verb == "drop":
        database.create(info)

    def ended(*_: Any, **__: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(databases, "write_store", ended)
        with pytest.raises(errors.ProviderError, match=f"was not {'made' if verb == 'create' else 'dropped'}.*memory"):
            database.create(info) if verb == "create" else database.drop("docs")
    if verb == "create":
        database.create(info)
    database.drop("docs")
    assert database.names() == []
    database.close()


async def test_an_export_says_whether_the_file_was_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vpa.transfer.parquet import export

    sync = export._sync

    def refusing(path: Path, flags: int) -> None:
        if path == tmp_path:
            raise OSError(errno.EIO, "Input/output error")
        sync(path, flags)

    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert(_records(3))
        with pytest.raises(errors.ConfigurationError, match="no path"):
            await vpa.export_parquet(docs, str(tmp_path / "a\0b"))
        monkeypatch.setattr(export, "_sync", refusing)
        with pytest.raises(errors.StorageError, match="is whole"):
            await vpa.export_parquet(docs, tmp_path / "copy.parquet")
        assert (tmp_path / "copy.parquet").stat().st_size > 0


async def test_a_scan_does_not_go_on_over_a_store_that_was_opened_anew(tmp_path: Path) -> None:
    db = await vpa.connect(f"mock://{tmp_path}").connect()
    docs = await db.create_collection("docs", dimension=2)
    await docs.upsert(_records(3000))
    batches = docs.scan_batches(batch_size=1000)
    await anext(batches)
    await db.close()
    await db.connect()
    with pytest.raises(errors.ClosedError):
        await anext(batches)
    await db.close()
