"""Durability through the public API, on real files: reopening, checkpoints, locks, damage, salvage."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from persist.stores import INFO, SCOPE, filled, of_docs, records, write
from vpa.base import errors
from vpa.base.query import OnConflict
from vpa.base.records import CollectionInfo, EmbeddingIdentity, Metric, Record, RecordBatch
from vpa.base.scope import Scope
from vpa.base.validation import check_batch
from vpa.client.connect import connect
from vpa.engine.database import Database
from vpa.engine.persist import journal as journal_module
from vpa.engine.persist.files import OSFiles
from vpa.engine.persist.frames import FRAME_BYTES, read_log
from vpa.filters.ast import ALWAYS


def ids(directory: Path) -> set[str]:
    database = Database(str(directory))
    try:
        return {
            record.id
            for record in database.get("docs").get([f"r{n}" for n in range(30)], scope=SCOPE, include_vectors=False)
        }
    finally:
        database.close()


def problem(directory: Path) -> errors.VectorDatabaseError:
    """What is wrong with the collection."""
    database = Database(str(directory))
    try:
        with pytest.raises(errors.VectorDatabaseError) as caught:
            database.get("docs")
        return caught.value
    finally:
        database.close()


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 0x10
    path.write_bytes(bytes(data))


ALL = {f"r{n}" for n in range(20)}


@pytest.mark.parametrize("metric", list(Metric))
async def test_what_was_written_is_there_after_reopening(tmp_path: Path, metric: Metric) -> None:
    url = f"mock://{tmp_path}/store"
    async with connect(url) as db:
        docs = await db.create_collection(
            "docs", dimension=4, metric=metric, embedding=EmbeddingIdentity(name="m", dimension=4)
        )
        await docs.upsert(records(0, 40))
        await docs.upsert(records(0, 5), scope=Scope("tenant", "space"))
        await docs.delete(filter={"n": {"$lt": 10}})
        await docs.update_metadata(ids=["r20"], set={"new": [1, 2.0]})
        before = [record async for record in docs.scan()]
        answer = await docs.search(vector=[1, 2, 3, 4], top_k=5)
    for _ in range(2):
        async with connect(url) as db:
            docs = await db.collection("docs")
            assert docs.info.embedding == EmbeddingIdentity(name="m", dimension=4)
            assert [record async for record in docs.scan()] == before
            assert await docs.count(scope=Scope("tenant", "space")) == 5
            again = await docs.search(vector=[1, 2, 3, 4], top_k=5)
            assert [(m.id, m.score, m.distance) for m in again] == [(m.id, m.score, m.distance) for m in answer]
            store = (await db.get_statistics())["collections"]["docs"]
            assert store["durable"] is True
            database = db._store._database  # type: ignore[union-attr]
            database.journal("docs").checkpoint()


async def test_relative_urls_are_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with connect("mock://./data") as db:
        await db.create_collection("docs", dimension=2)
    assert (tmp_path / "data" / "collections" / "docs" / "collection.json").is_file()


async def test_a_second_manager_on_a_directory_is_refused(tmp_path: Path) -> None:
    url = f"mock://{tmp_path}"
    async with connect(url):
        with pytest.raises(errors.StorageLockedError, match="open elsewhere"):
            await connect(url).connect()
    async with connect(url):
        pass


async def test_a_dropped_collection_leaves_no_files(tmp_path: Path) -> None:
    async with connect(f"mock://{tmp_path}") as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert([Record("a", vector=[1, 0])])
        await db.drop_collection("docs")
        assert list((tmp_path / "collections").iterdir()) == []


def test_a_log_after_a_snapshot_is_replayed(tmp_path: Path) -> None:
    filled(tmp_path)
    assert ids(tmp_path) == ALL


def test_only_one_generation_is_left_after_opening(tmp_path: Path) -> None:
    filled(tmp_path)
    ids(tmp_path)
    names = sorted(path.name for path in of_docs(tmp_path, "").iterdir())
    assert names == ["collection.json", "log-00000001.vpa", "snapshot-00000001.vpa"]


@pytest.mark.parametrize("cut", [1, 20, 41, 100])
def test_an_unfinished_end_is_set_aside_and_reported(tmp_path: Path, cut: int) -> None:
    database = filled(tmp_path / "store", close=False)
    killed = copied(tmp_path)
    log = of_docs(killed, "log-00000001.vpa")
    # The mark behind the last frame, and a part of that frame.
    whole = log.read_bytes()
    log.write_bytes(whole[: -FRAME_BYTES - cut])
    opened = Database(str(killed))
    report = opened.reports()["docs"]
    assert report.torn_bytes > 0
    assert not report.closed
    assert report.replayed_changes == 1
    assert opened.get("docs").count(ALWAYS, SCOPE) == 15
    [aside] = report.set_aside
    assert log.read_bytes() + Path(aside).read_bytes() == whole[: -FRAME_BYTES - cut]
    opened.close()
    assert ids(killed) == {f"r{n}" for n in range(15)}
    assert Path(aside).exists()
    database.close()


def copied(directory: Path) -> Path:
    """What a kill would leave of the open store in `directory/store`."""
    target = directory / "killed"
    shutil.copytree(directory / "store", target)
    return target


@pytest.mark.parametrize("close", [True, False])
@pytest.mark.parametrize("back", [1, 40, 41, 60, 200])
def test_damage_to_what_was_acknowledged_is_never_taken_for_an_unfinished_end(
    tmp_path: Path, close: bool, back: int
) -> None:
    database = filled(tmp_path / "store", close=close)
    store = copied(tmp_path)
    # Of a killed store the mark at the end is not acknowledged data.
    flip(of_docs(store, "log-00000001.vpa"), -back - (0 if close else FRAME_BYTES))
    assert isinstance(problem(store), errors.StorageCorruptedError)
    database.close()


@pytest.mark.parametrize("what", ["cut", "cut in a frame", "longer"])
def test_a_closed_log_ends_where_it_was_closed(tmp_path: Path, what: str) -> None:
    filled(tmp_path)
    log = of_docs(tmp_path, "log-00000001.vpa")
    data = log.read_bytes()
    contents = read_log(memoryview(data), "log")
    end = contents.frames[0].end if what == "cut" else contents.frames[0].end + 50
    log.write_bytes(data + b"more" if what == "longer" else data[:end])
    found = problem(tmp_path)
    assert isinstance(found, errors.StorageCorruptedError)
    assert "log-00000001.vpa" in str(found)
    assert "collection=docs" in str(found)


def test_damage_inside_acknowledged_data_is_an_error_with_its_place(tmp_path: Path) -> None:
    filled(tmp_path)
    log = of_docs(tmp_path, "log-00000001.vpa")
    contents = read_log(memoryview(log.read_bytes()), "log")
    flip(log, contents.header_bytes + 60)
    found = str(problem(tmp_path))
    assert "vpa doctor --salvage" in found
    assert f"log-00000001.vpa is damaged at byte {contents.header_bytes}" in found


@pytest.mark.parametrize("position", [0, 64, 130, -1, -30, -200])
def test_a_damaged_snapshot_falls_back_to_the_generation_before(tmp_path: Path, position: int) -> None:
    filled(tmp_path)
    flip(of_docs(tmp_path, "snapshot-00000001.vpa"), position)
    database = Database(str(tmp_path))
    assert database.reports()["docs"].damage
    database.close()
    assert ids(tmp_path) == ALL
    assert of_docs(tmp_path, "snapshot-00000001.vpa.damaged").exists()


def test_a_damaged_snapshot_without_an_older_one_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    filled(tmp_path)
    ids(tmp_path)
    flip(of_docs(tmp_path, "snapshot-00000001.vpa"), 70)
    assert "section 'vectors'" in str(problem(tmp_path))
    assert of_docs(tmp_path, "snapshot-00000001.vpa").exists()


def test_a_missing_log_is_named(tmp_path: Path) -> None:
    database = filled(tmp_path, close=False)
    journal = database.journal("docs")
    assert journal is not None
    write(database, 20, 25)
    journal._rotate()
    write(database, 25, 30)
    database.close()
    of_docs(tmp_path, "log-00000001.vpa").unlink()
    assert "log-00000001.vpa is missing" in str(problem(tmp_path))


@pytest.mark.parametrize("content", ["", "{", '{"body": "{}", "checksum": 5}', "[]", "null", "[" * 100_000])
def test_a_damaged_description_is_an_error(tmp_path: Path, content: str) -> None:
    filled(tmp_path)
    of_docs(tmp_path, "collection.json").write_text(content)
    found = problem(tmp_path)
    assert isinstance(found, errors.StorageCorruptedError)
    assert "collection.json" in str(found)


def change_description(directory: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = of_docs(directory, "collection.json")
    body = json.loads(json.loads(path.read_text())["body"])
    change(body)
    text = json.dumps(body)
    path.write_text(json.dumps({"checksum": zlib.crc32(text.encode()), "body": text}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda body: body["info"].update(format_version=99), "format_version 99.*upgrade"),
        (lambda body: body["info"].update(layout_version=99), "layout_version 99.*upgrade"),
        (lambda body: body.update(format=99), "format 99.*upgrade"),
        (lambda body: body.update(format=2), "reads format 3 only.*vpa export"),
    ],
)
def test_another_format_is_refused_and_nothing_touched(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    filled(tmp_path)
    change_description(tmp_path, change)
    before = {p.name: p.read_bytes() for p in of_docs(tmp_path, "").iterdir()}
    found = problem(tmp_path)
    assert isinstance(found, errors.ConfigurationError)
    assert re.search(message, str(found))
    assert {p.name: p.read_bytes() for p in of_docs(tmp_path, "").iterdir()} == before


def test_stored_data_never_looks_like_a_frame(tmp_path: Path) -> None:
    database = Database(str(tmp_path))
    database.create(INFO)
    write(database, 0, 3)
    log = of_docs(tmp_path, "log-00000000.vpa")
    evil = log.read_bytes().decode("latin-1").replace("\0", "\x01")
    batch = check_batch([Record("evil", vector=[1, 0, 0, 0], text=evil)], info=INFO)
    database.get("docs").upsert(batch, scope=SCOPE, on_conflict=OnConflict.REPLACE, replacing=None)
    database.close()
    contents = read_log(OSFiles().read(str(log)), str(log))
    assert contents is not None
    assert len(contents.frames) == 2
    assert contents.torn_bytes == 0


def test_commits_at_the_same_time_share_syncs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vpa.engine.persist import files

    syncs = 0
    real = files.OSAppendFile.sync

    def slow(self: files.OSAppendFile) -> None:
        nonlocal syncs
        syncs += 1
        # Long enough that the other threads arrive; correctness does not depend on it.
        threading.Event().wait(0.005)
        real(self)

    database = Database(str(tmp_path))
    database.create(INFO)
    monkeypatch.setattr(files.OSAppendFile, "sync", slow)

    def work(number: int) -> None:
        for i in range(10):
            write(database, number * 100 + i, number * 100 + i + 1)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert database.get("docs").count(ALWAYS, SCOPE) == 80
    assert syncs < 60
    database.close()
    assert Database(str(tmp_path)).get("docs").count(ALWAYS, SCOPE) == 80


def test_a_long_log_becomes_a_snapshot_in_the_background(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "CHECKPOINT_BYTES", 2_000)
    database = Database(str(tmp_path))
    database.create(INFO)
    for start in range(0, 200, 10):
        write(database, start, start + 10)
    journal = database.journal("docs")
    assert journal is not None
    database.close()
    assert journal.checkpoint_error is None
    assert any(path.name.startswith("snapshot") for path in of_docs(tmp_path, "").iterdir())
    reopened = Database(str(tmp_path))
    assert reopened.get("docs").count(ALWAYS, SCOPE) == 200
    reopened.close()


def test_a_log_waits_for_an_eighth_of_what_a_snapshot_writes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "CHECKPOINT_BYTES", 2_000)
    database = Database(str(tmp_path))
    database.create(CollectionInfo(name="docs", dimension=64, metric="dot"))
    journal = database.journal("docs")
    assert journal is not None

    def log_after(first: int, count: int) -> int:
        ids = [str(n) for n in range(first, first + count)]
        batch = RecordBatch(ids=ids, vectors=np.ones((count, 64), dtype=np.float32))
        database.get("docs").upsert(batch, scope=SCOPE, on_conflict=OnConflict.REPLACE, replacing=None)
        while (running := journal._background) is not None:
            running.join()
        return journal.log_bytes

    # A thousand vectors are 256,000 bytes, and their log is longer than an eighth of that.
    assert log_after(0, 1_000) < 1_000
    for start in range(1_000, 1_100, 20):
        assert log_after(start, 20) > 5_000
    assert log_after(1_100, 100) < 1_000
    database.close()
    reopened = Database(str(tmp_path))
    assert reopened.get("docs").count(ALWAYS, SCOPE) == 1_200
    reopened.close()


async def test_readers_and_writers_at_once_see_whole_states(tmp_path: Path) -> None:
    async with connect(f"mock://{tmp_path}") as db:
        docs = await db.create_collection("docs", dimension=2)
        done = asyncio.Event()

        async def write_pairs() -> None:
            for number in range(60):
                pair = [
                    Record("a", vector=[1, number + 1], metadata={"n": number}),
                    Record("b", vector=[2, 1], metadata={"n": number}),
                ]
                await docs.upsert(pair)
            done.set()

        async def read_pairs() -> None:
            while not done.is_set():
                seen = {record.id: record.metadata["n"] async for record in docs.scan()}
                assert len(set(seen.values())) <= 1
                got = await docs.get(["a", "b"])
                assert len(got) in (0, 2)
                assert len({record.metadata["n"] for record in got}) <= 1
                found = await docs.search(vector=[1, 1])
                assert len({match.metadata["n"] for match in found}) <= 1
                await asyncio.sleep(0)

        await asyncio.gather(write_pairs(), read_pairs(), read_pairs())


async def test_an_open_that_was_cancelled_leaves_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_threads: Callable[[], list[str]]
) -> None:
    from vpa.stores.embedded import store

    started, go_on = threading.Event(), threading.Event()

    class Slow(Database):
        def __init__(self, *arguments: object, **options: object) -> None:
            started.set()
            go_on.wait(5)
            super().__init__(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "Database", Slow)
    task = asyncio.create_task(connect(f"mock://{tmp_path}").connect())
    while not started.is_set():
        await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    monkeypatch.undo()
    async with connect(f"mock://{tmp_path}") as db:
        assert await db.list_collections() == []
    assert new_threads() == []


async def test_nothing_is_left_running_after_close(tmp_path: Path, new_threads: Callable[[], list[str]]) -> None:
    async with connect(f"mock://{tmp_path}") as db:
        docs = await db.create_collection("docs", dimension=4)
        await docs.upsert(records(0, 100))
        await docs.search_batch(vectors=np.ones((5, 4)))
    assert new_threads() == []
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


def test_a_section_that_is_not_known_is_passed_over(tmp_path: Path) -> None:
    from vpa.engine.persist.codec import read_rows, write_view
    from vpa.engine.persist.manifest import Owner
    from vpa.engine.persist.snapshot import Snapshot, SnapshotIdentity, SnapshotWriter

    database = Database()
    database.create(INFO)
    write(database, 0, 10)
    files = OSFiles()
    identity = SnapshotIdentity(Owner("store", "collection"), 1, "id", INFO.to_json())
    writer = SnapshotWriter(files, str(tmp_path / "snapshot"), identity)
    writer.add_array("codes/later", np.arange(10, dtype=np.uint64))
    write_view(writer, database.get("docs").view, sequence=1)
    snapshot = Snapshot(files, str(tmp_path / "snapshot"))
    assert snapshot.array("codes/later").tolist() == list(range(10))
    assert read_rows(snapshot, INFO).ids == [f"r{n}" for n in range(10)]
    assert snapshot.array("vectors").ctypes.data % 64 == 0
