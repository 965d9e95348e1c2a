"""Files that are not ours, state that is ahead of what was done, and work that was cut short."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vpa
from vpa.base import errors
from vpa.base.query import OnConflict
from vpa.base.records import CollectionInfo, EmbeddingIdentity, Metric
from vpa.base.validation import check_batch
from vpa.engine.database import Database
from vpa.engine.persist import replace
from vpa.engine.persist.files import OSFiles
from vpa.engine.persist.frames import frame_header, frame_positions, read_header
from vpa.engine.repair import Repair
from vpa.engine.rows import RowStore
from vpa.engine.table import Table
from vpa.engine.upkeep import Upkeep


def _records(count: int, start: int = 0, text: str = "") -> list[vpa.Record]:
    return [vpa.Record(f"r{n}", vector=[1, n + 1], text=text or f"t{n}") for n in range(start, start + count)]


@pytest.mark.parametrize("between", ["close", "checkpoint", "optimize", "compaction"])
async def test_a_change_that_is_in_the_log_only_outlives_whatever_leaves_the_log_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, between: str
) -> None:
    db = await vpa.connect(f"mock://{tmp_path / 'store'}").connect()
    docs = await db.create_collection("docs", dimension=2)
    await docs.upsert(_records(2000, text="word " * 180))
    await docs.delete(ids=["r1"])
    append = RowStore.append

    def fails_once(self: RowStore, *args: Any) -> int:
        monkeypatch.setattr(RowStore, "append", append)
        raise MemoryError

    monkeypatch.setattr(RowStore, "append", fails_once)
    with pytest.raises(errors.ProviderError, match="is in the log"):
        await docs.upsert([vpa.Record("precious", vector=[1, 0])])
    database = db._store._database  # type: ignore[union-attr]
    if between == "checkpoint":
        database.journal("docs").checkpoint()
    elif between == "optimize":
        await docs.optimize()
    elif between == "compaction":
        database.get("docs").upkeep.compact(stop=lambda: False)
    await db.close()
    async with vpa.connect(f"mock://{tmp_path / 'store'}") as again:
        found = await again.collection("docs")
        assert [record.id for record in await found.get(["precious", "r1"])] == ["precious"]
        assert await found.count() == 2000


@pytest.mark.parametrize("content", [b"my list of reserved books", b"v" * 70_000, b"v" * 100 + b"x", b"x" * 65_536])
async def test_a_reserve_that_is_not_ours_is_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "RESERVE").write_bytes(content)
    for _ in range(2):
        async with vpa.connect(f"mock://{tmp_path}") as db:
            await db.create_collection("docs", dimension=2, exist_ok=True)
            assert not db._store._database._make_room()  # type: ignore[union-attr]
    assert (tmp_path / "RESERVE").read_bytes() == content


async def test_a_reader_lets_go_of_tables_that_were_replaced(tmp_path: Path) -> None:
    async with vpa.connect(f"mock://{tmp_path}") as db:
        docs = await db.create_collection("replaced", dimension=2)
        async with vpa.connect(f"mock://{tmp_path}", read_only=True) as reader:
            for _ in range(6):
                await docs.upsert(_records(50))
                seen = await reader.collection("replaced")
                await seen.search(vector=[1, 0])
                await seen.search(vector=[1, 0], exact=True)
                await db.drop_collection("replaced")
                docs = await db.create_collection("replaced", dimension=2)
            await docs.upsert(_records(1))
            assert await (await reader.collection("replaced")).count() == 1
            await (await reader.collection("replaced")).search(vector=[1, 0])
            del seen
            # The writer's, and the reader's of now, as soon as no thread is at work on an old one.
            for _ in range(100):
                if _tables_named("replaced") <= 2:
                    break
                await asyncio.sleep(0.1)
            assert _tables_named("replaced") == 2


def _tables_named(name: str) -> int:
    gc.collect()
    return sum(isinstance(found, Table) and found.info.name == name for found in gc.get_objects())


async def test_a_readers_dead_rows_have_their_bound(tmp_path: Path) -> None:
    async with vpa.connect(f"mock://{tmp_path}") as db:
        docs = await db.create_collection("docs", dimension=2)
        async with vpa.connect(f"mock://{tmp_path}", read_only=True) as reader:
            for _ in range(40):
                await docs.upsert(_records(1000))
                assert await (await reader.collection("docs")).count() == 1000
            facts = (await reader.get_statistics())["collections"]["docs"]
            assert facts["dead_rows"] <= facts["dead_rows_bound"]
            assert facts["compactions"] > 0


@pytest.mark.parametrize("what", [MemoryError, KeyboardInterrupt, RecursionError])
async def test_whatever_ends_an_opening_gives_the_lock_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: type[BaseException]
) -> None:
    async with vpa.connect(f"mock://{tmp_path}") as db:
        await (await db.create_collection("docs", dimension=2)).upsert(_records(3))
    opened = Database._open_collection

    def fails_once(self: Database, name: str) -> None:
        monkeypatch.setattr(Database, "_open_collection", opened)
        raise what

    monkeypatch.setattr(Database, "_open_collection", fails_once)
    with pytest.raises(errors.ProviderError if what is MemoryError else what):
        Database(str(tmp_path))
    async with vpa.connect(f"mock://{tmp_path}") as db:
        assert await (await db.collection("docs")).count() == 3


async def test_a_salvage_that_was_cut_short_between_its_renames_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with vpa.connect(f"mock://{tmp_path}") as db:
        docs = await db.create_collection("docs", dimension=2)
        for n in range(100):
            await docs.upsert(_records(1, start=n))
    log = next((tmp_path / "collections" / "docs").glob("log-*.vpa"))
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 1
    log.write_bytes(data)
    rename, done = OSFiles.rename, []

    def stops(self: OSFiles, source: str, target: str) -> None:
        if "set-aside" in target:
            rename(self, source, target)
            done.append(target)
            raise KeyboardInterrupt
        rename(self, source, target)

    repair = Repair(str(tmp_path))
    plan = repair.plan()
    kept = plan.salvaged["docs"].kept_records
    monkeypatch.setattr(OSFiles, "rename", stops)
    with pytest.raises(KeyboardInterrupt):
        repair.carry_out(plan)
    repair.close()
    monkeypatch.setattr(OSFiles, "rename", rename)
    assert done
    assert kept > 90
    async with vpa.connect(f"mock://{tmp_path}") as db:
        assert await (await db.collection("docs")).count() == kept
    assert not [path for path in (tmp_path / "collections").iterdir() if path.name.startswith(".")]
    assert replace.SALVAGED.startswith(".")


async def test_closing_proves_what_the_next_opening_found(tmp_path: Path) -> None:
    def closed() -> bool:
        manifest = json.loads((tmp_path / "collections" / "docs" / "collection.json").read_text())
        return bool(json.loads(manifest["body"])["closed"])

    async with vpa.connect(f"mock://{tmp_path}") as db:
        await db.create_collection("docs", dimension=2)
    assert closed()
    db = await vpa.connect(f"mock://{tmp_path}").connect()
    await (await db.collection("docs")).upsert(_records(3))
    assert not closed()
    await db._store._maintenance.close()  # type: ignore[union-attr]
    database = db._store._database  # type: ignore[union-attr]
    database._directory_lock.release()  # As if the process had been killed.
    async with vpa.connect(f"mock://{tmp_path}") as again:
        assert await (await again.collection("docs")).count() == 3
    assert closed()
    async with vpa.connect(f"mock://{tmp_path}") as again:
        await again.collection("docs")
        facts = (await again.get_statistics())["collections"]["docs"]["recovery"]
        assert facts["closed"] is True


async def test_the_first_write_of_a_session_beside_a_new_description_loses_neither(tmp_path: Path) -> None:
    identity = EmbeddingIdentity(name="m", revision="1", dimension=2)
    for number in range(25):
        place = f"mock://{tmp_path / str(number)}"
        async with vpa.connect(place) as db:
            await db.create_collection("docs", dimension=2)
        async with vpa.connect(place) as db:
            docs = await db.collection("docs")
            await asyncio.gather(docs.adopt_embedding(identity), *(docs.upsert(_records(1, n)) for n in range(3)))
            await docs.upsert(_records(1, 9))
        async with vpa.connect(place) as db:
            docs = await db.collection("docs")
            assert docs.info.embedding == identity
            assert await docs.count() == 4


async def test_writes_beside_a_drop_end_in_an_error_that_says_so(tmp_path: Path) -> None:
    async with vpa.connect(f"mock://{tmp_path}") as db:
        for _ in range(15):
            docs = await db.create_collection("docs", dimension=2)

            async def write(docs: vpa.Collection = docs) -> None:
                for number in range(1000):
                    await docs.upsert(_records(1, number))

            writing = [asyncio.create_task(write()) for _ in range(5)]
            await asyncio.sleep(0.01)
            await db.drop_collection("docs")
            ended = await asyncio.gather(*writing, return_exceptions=True)
            assert {type(error) for error in ended} <= {errors.ClosedError, errors.CollectionNotFoundError}


async def test_salvage_keeps_the_newest_description(tmp_path: Path) -> None:
    identity = EmbeddingIdentity(name="m", revision="1", dimension=2)
    async with vpa.connect(f"mock://{tmp_path}") as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert(_records(5))
        await docs.optimize()
        await docs.delete(ids=[f"r{n}" for n in range(5)])
        await docs.adopt_embedding(identity)
        await docs.upsert(_records(5))
        await docs.optimize()
    path = tmp_path / "collections" / "docs" / "collection.json"
    path.write_bytes(path.read_bytes().replace(b"checksum", b"checksun"))
    repair = Repair(str(tmp_path))
    plan = repair.plan()
    assert any("the description is that of generation" in note for note in plan.salvaged["docs"].notes)
    repair.carry_out(plan)
    repair.close()
    async with vpa.connect(f"mock://{tmp_path}") as db:
        assert (await db.collection("docs")).info.embedding == identity


async def test_a_handle_of_a_collection_that_was_made_anew_otherwise_says_so(tmp_path: Path) -> None:
    async with vpa.connect(f"mock://{tmp_path}") as db:
        docs = await db.create_collection("docs", dimension=4, metric="dot")
        async with vpa.connect(f"mock://{tmp_path}", read_only=True) as reader:
            seen = await reader.collection("docs")
            await db.drop_collection("docs")
            docs = await db.create_collection("docs", dimension=2, metric="euclidean")
            await docs.upsert(_records(1))
            with pytest.raises(errors.CollectionNotFoundError, match=r"dropped and made anew.*with dimension 2"):
                await seen.search(vector=[1, 2, 3, 4])
            assert (await (await reader.collection("docs")).search(vector=[1, 1])).ids == ["r0"]


async def test_vectors_too_wide_for_codes_are_searched_exactly_and_optimized(tmp_path: Path) -> None:
    async with vpa.connect(f"mock://{tmp_path}") as db:
        docs = await db.create_collection("docs", dimension=20_000)
        vectors = np.random.default_rng(0).standard_normal((120, 20_000)).astype(np.float32)
        await docs.upsert([vpa.Record(f"r{n}", vector=vector) for n, vector in enumerate(vectors)])
        await docs.optimize()
        facts = (await db.get_statistics())["collections"]["docs"]
        assert "20,000 dimensions" in str(facts)
        assert list((tmp_path / "collections" / "docs").glob("snapshot-*.vpa"))


def _frames(path: Path) -> list[int]:
    """Where each change of a log begins."""
    data = memoryview(path.read_bytes())
    header = read_header(data)
    assert header is not None
    places = frame_positions(data, 0, header[0].nonce)
    return [place for place in places if not frame_header(data, place, header[0].nonce).is_mark]  # type: ignore[union-attr]


async def test_new_metadata_is_not_put_on_an_older_record_whose_successor_is_lost(tmp_path: Path) -> None:
    async with vpa.connect(f"mock://{tmp_path}") as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert([vpa.Record("invoice", vector=[1, 0], text="of alice", metadata={"customer": "alice"})])
        await docs.upsert([vpa.Record("invoice", vector=[0, 1], text="of bob", metadata={"customer": "bob"})])
        await docs.update_metadata(ids=["invoice"], set={"paid": True})
        await docs.upsert([vpa.Record("other", vector=[0, 1], text="x", metadata={"customer": "eve"})])
        await docs.update_metadata(ids=["other"], set={"paid": True})
    log = next((tmp_path / "collections" / "docs").glob("log-*.vpa"))
    data = bytearray(log.read_bytes())
    data[_frames(log)[1] + 60] ^= 255
    log.write_bytes(data)
    repair = Repair(str(tmp_path))
    plan = repair.plan()
    salvaged = plan.salvaged["docs"]
    assert (salvaged.lost_changes, salvaged.uncertain, salvaged.is_whole) == (1, 1, False)
    assert salvaged.remains[-1]["metadata"] == {"customer": "bob", "paid": True}
    repair.carry_out(plan)
    repair.close()
    async with vpa.connect(f"mock://{tmp_path}") as db:
        docs = await db.collection("docs")
        [invoice, other] = await docs.get(["invoice", "other"])
        assert (invoice.text, invoice.metadata) == ("of alice", {"customer": "alice"})
        assert (other.text, other.metadata) == ("x", {"customer": "eve", "paid": True})


async def test_a_salvage_that_was_cut_short_never_brings_back_what_was_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with vpa.connect(f"mock://{tmp_path}") as db:
        docs = await db.create_collection("docs", dimension=2)
        for n in range(20):
            await docs.upsert(_records(1, n))
    log = next((tmp_path / "collections" / "docs").glob("log-*.vpa"))
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 1
    log.write_bytes(data)
    rename = OSFiles.rename

    def stops(self: OSFiles, source: str, target: str) -> None:
        if "set-aside" in target:
            raise KeyboardInterrupt
        rename(self, source, target)

    repair = Repair(str(tmp_path))
    monkeypatch.setattr(OSFiles, "rename", stops)
    with pytest.raises(KeyboardInterrupt):
        repair.carry_out(repair.plan())
    repair.close()
    monkeypatch.setattr(OSFiles, "rename", rename)
    repair = Repair(str(tmp_path))
    repair.carry_out(repair.plan())
    repair.close()
    assert not list((tmp_path / "collections").glob(".salvaged-*"))
    async with vpa.connect(f"mock://{tmp_path}") as db:
        assert await (await db.collection("docs")).count() > 10
        await db.drop_collection("docs")
    async with vpa.connect(f"mock://{tmp_path}") as db:
        assert await db.list_collections() == []


async def test_an_optimize_that_follows_another_does_its_own_work(monkeypatch: pytest.MonkeyPatch) -> None:
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert(_records(3000))
        make_codes, begun = Upkeep.make_codes, threading.Event()

        def slow(self: Upkeep, *, stop: Any) -> None:
            begun.set()
            time.sleep(0.3)
            make_codes(self, stop=stop)

        monkeypatch.setattr(Upkeep, "make_codes", slow)
        first = asyncio.create_task(docs.optimize())
        await asyncio.to_thread(begun.wait)
        await docs.delete(ids=[f"r{n}" for n in range(1500)])
        await docs.optimize()
        await first
        assert (await db.get_statistics())["collections"]["docs"]["dead_rows"] == 0


class FailingFiles(OSFiles):
    """The `number`th call of a kind raises."""

    def __init__(self) -> None:
        self.kind, self.left, self.error = "", -1, OSError(errno.EIO, "an error of the disk")

    def fail(self, kind: str, number: int, code: int) -> None:
        self.kind, self.left, self.error = kind, number, OSError(code, os.strerror(code))

    def note(self, kind: str) -> None:
        if kind == self.kind:
            self.left -= 1
            if self.left == 0:
                raise self.error

    def rename(self, source: str, target: str) -> None:
        self.note("rename")
        super().rename(source, target)

    def sync_directory(self, path: str) -> None:
        self.note("sync_directory")
        super().sync_directory(path)

    def open_append(self, path: str) -> Any:
        self.note("write")
        return super().open_append(path)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("kind", ["write", "rename", "sync_directory"])
@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("verb", ["create", "drop"])
def test_a_create_or_drop_that_fails_leaves_the_store_as_it_was(
    tmp_path: Path, verb: str, number: int, kind: str, code: int
) -> None:
    files = FailingFiles()
    database = Database(str(tmp_path), files=files)
    info = CollectionInfo(name="docs", dimension=2, metric=Metric.COSINE)
    batch = check_batch(_records(3), info=info)
    if verb == "drop":
        database.create(info).upsert(batch, scope=vpa.Scope(), on_conflict=OnConflict.REPLACE, replacing=None)
    files.fail(kind, number, code)
    try:
        getattr(database, verb)(info if verb == "create" else "docs")
        failed = False
    except errors.StorageError:
        failed = True
    files.fail("", -1, code)
    there = failed == (verb == "drop")
    assert database.names() == (["docs"] if there else [])
    if there:
        table = database.get("docs")
        assert table.view.live_count == (3 if verb == "drop" else 0)
        table.upsert(batch, scope=vpa.Scope(), on_conflict=OnConflict.REPLACE, replacing=None)
    database.close()
    again = Database(str(tmp_path))
    assert (again.names(), again.damaged) == (["docs"] if there else [], {})
    if there:
        assert again.get("docs").view.live_count == 3
        again.drop("docs")
    again.create(info)
    again.close()


async def test_what_closing_meets_in_one_collection_closes_the_others_and_gives_the_lock_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = await vpa.connect(f"mock://{tmp_path}").connect()
    for name in ("aa", "bb"):
        await (await db.create_collection(name, dimension=2)).upsert(_records(1500, text="word " * 180))

    def fails(*args: Any, **options: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("vpa.engine.persist.journal.write_view", fails)
    await db.close()
    monkeypatch.undo()
    async with vpa.connect(f"mock://{tmp_path}") as again:
        for name in ("aa", "bb"):
            assert await (await again.collection(name)).count() == 1500
            assert (await again.get_statistics())["collections"][name]["recovery"]["closed"] is True


async def test_a_manifest_whose_times_were_set_is_still_ours(tmp_path: Path) -> None:
    async with vpa.connect(f"mock://{tmp_path}") as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert(_records(1))
        os.utime(tmp_path / "collections" / "docs" / "collection.json", (1, 1))
        assert await docs.upsert(_records(3)) == 3
        await docs.optimize()
        assert await docs.upsert(_records(4)) == 4


async def test_a_reader_whose_disk_is_gone_says_so(tmp_path: Path) -> None:
    async with vpa.connect(f"mock://{tmp_path / 'store'}") as db:
        await (await db.create_collection("docs", dimension=2)).upsert(_records(1))
    async with vpa.connect(f"mock://{tmp_path / 'store'}", read_only=True) as reader:
        docs = await reader.collection("docs")
        (tmp_path / "store").rename(tmp_path / "elsewhere")
        for verb in (reader.list_collections, docs.count, lambda: reader.collection("docs")):
            with pytest.raises(errors.StorageError, match="holds no store any more"):
                await verb()


async def test_both_histories_of_a_log_that_two_processes_wrote_are_kept_and_said(tmp_path: Path) -> None:
    store, twin = tmp_path / "store", tmp_path / "twin"
    async with vpa.connect(f"mock://{store}") as db:
        await (await db.create_collection("docs", dimension=2)).upsert(_records(2))
    shutil.copytree(store, twin)
    for place, start, count in ((store, 10, 1), (twin, 20, 2)):
        async with vpa.connect(f"mock://{place}") as db:
            docs = await db.collection("docs")
            for n in range(start, start + count):
                await docs.upsert(_records(1, n))
    log, other = (next((place / "collections" / "docs").glob("log-*.vpa")) for place in (store, twin))
    log.write_bytes(log.read_bytes() + other.read_bytes()[_frames(other)[1] :])
    repair = Repair(str(store))
    plan = repair.plan()
    salvaged = plan.salvaged["docs"]
    assert (salvaged.repeated, salvaged.is_whole) == (1, False)
    repair.carry_out(plan)
    repair.close()
    async with vpa.connect(f"mock://{store}") as db:
        assert [one.id async for one in (await db.collection("docs")).scan()] == ["r0", "r1", "r10", "r20", "r21"]
