"""Reading beside a writer, and where nothing can be written."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

import vpa
from persist.stores import content, filled, of_docs, write
from vpa.base import errors
from vpa.base.scope import Scope
from vpa.engine.reading import ReadOnlyDatabase
from vpa.filters.ast import ALWAYS


def ids(database: ReadOnlyDatabase, name: str = "docs") -> set[str]:
    if database.is_behind(name):
        database.refresh(name)
    names = [f"r{n}" for n in range(60)]
    return {one.id for one in database.get(name).get(names, scope=Scope(), include_vectors=True)}


def named(stop: int) -> set[str]:
    return {f"r{n}" for n in range(stop)}


def test_a_reader_sees_what_is_written_after_it_opened(tmp_path: Path) -> None:
    writer = filled(tmp_path, close=False)
    reader = ReadOnlyDatabase(str(tmp_path))
    assert ids(reader) == named(20)
    journal = writer.journal("docs")
    assert journal is not None
    for step, stop in enumerate(range(25, 60, 5)):
        write(writer, stop - 5, stop)
        if step % 2:
            journal.checkpoint()
        if step % 3:
            assert ids(reader) == named(stop)
    writer.get("docs").delete(ids=["r0"], node=ALWAYS, scope=Scope(), dry_run=False)
    assert ids(reader) == named(55) - {"r0"}
    writer.close()
    assert ids(reader) == named(55) - {"r0"}
    assert reader.reports()["docs"].closed
    reader.close()


def test_a_reader_that_slept_through_many_generations_catches_up(tmp_path: Path) -> None:
    writer = filled(tmp_path, close=False)
    reader = ReadOnlyDatabase(str(tmp_path))
    journal = writer.journal("docs")
    assert journal is not None
    for stop in range(25, 60, 5):
        write(writer, stop - 5, stop)
        journal.checkpoint()
    assert ids(reader) == named(55)
    writer.close()


def test_a_frame_that_is_half_written_is_left_for_the_next_time(tmp_path: Path) -> None:
    writer = filled(tmp_path, close=False)
    reader = ReadOnlyDatabase(str(tmp_path))
    path = of_docs(tmp_path, "log-00000001.vpa")
    write(writer, 20, 25)
    data = path.read_bytes()
    os.truncate(path, len(data) - 60)
    assert ids(reader) == named(20)
    assert reader.reports()["docs"].torn_bytes > 0
    path.write_bytes(data)
    assert ids(reader) == named(25)
    assert reader.reports()["docs"].torn_bytes == 0
    writer.close()


async def test_new_dropped_and_made_again_collections_are_followed(tmp_path: Path) -> None:
    url = f"mock://{tmp_path}"
    async with vpa.connect(url) as db:
        docs = await db.create_collection("docs", dimension=2)
        async with vpa.connect(url, read_only=True) as reader:
            await docs.upsert([vpa.Record("a", vector=[1, 0], metadata={"n": 1})])
            seen = await reader.collection("docs")
            assert (await seen.get(["a"]))[0].metadata == {"n": 1}
            assert (await seen.search(vector=[1, 0])).ids == ["a"]
            assert [record.id async for record in seen.scan()] == ["a"]
            more = await db.create_collection("more", dimension=2)
            await more.upsert([vpa.Record("b", vector=[1, 0])])
            assert await reader.list_collections() == ["docs", "more"]
            assert await (await reader.collection("more")).count() == 1
            await db.drop_collection("docs")
            with pytest.raises(errors.CollectionNotFoundError):
                await seen.count()
            again = await db.create_collection("docs", dimension=2)
            await again.upsert([vpa.Record("c", vector=[0, 1])])
            assert (await (await reader.collection("docs")).get(["a", "c"]))[0].id == "c"


async def test_every_write_is_refused_by_name(tmp_path: Path) -> None:
    filled(tmp_path)
    before = content(tmp_path)
    async with vpa.connect(f"mock://{tmp_path}", read_only=True) as db:
        docs = await db.collection("docs")
        for verb in (
            docs.upsert([vpa.Record("x", vector=[1, 0, 0, 0])]),
            docs.delete(ids=["r1"]),
            docs.update_metadata(ids=["r1"], set={"a": 1}),
            db.create_collection("more", dimension=2),
            db.drop_collection("docs"),
        ):
            with pytest.raises(errors.ReadOnlyError, match="read_only=True"):
                await verb
        assert await docs.count() == 20
        facts = (await db.get_statistics())["collections"]["docs"]
        assert facts["recovery"]["closed"]
    assert content(tmp_path) == before


@pytest.mark.parametrize("exists", [True, False])
async def test_a_mistyped_place_is_said_and_nothing_is_made(tmp_path: Path, exists: bool) -> None:
    place = tmp_path / "place"
    if exists:
        place.mkdir()
    with pytest.raises(errors.StorageError, match="no store in"):
        await vpa.connect(f"mock://{place}", read_only=True).connect()
    assert place.exists() is exists
    assert not exists or list(place.iterdir()) == []


@pytest.mark.parametrize("url", ["mock://", "qdrant://localhost"])
def test_only_a_directory_is_read_only(url: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="read_only"):
        vpa.connect(url, read_only=True)


async def test_a_directory_without_the_right_to_write_is_read(tmp_path: Path) -> None:
    filled(tmp_path / "store")
    for path in (tmp_path / "store").rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    async with vpa.connect(f"mock://{tmp_path}/store", read_only=True) as db:
        assert await (await db.collection("docs")).count() == 20
    for path in (tmp_path / "store").rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


WRITER = """
import asyncio, sys
import vpa
from vpa.engine.persist import journal

journal.CHECKPOINT_BYTES = 20_000

async def main():
    async with vpa.connect(f"mock://{sys.argv[1]}") as db:
        docs = await db.create_collection("docs", dimension=8, exist_ok=True)
        for n in range(int(sys.argv[2])):
            names = (f"a{n % 50}", f"b{n % 50}")
            await docs.upsert([vpa.Record(name, vector=[1.0 + n] * 8, metadata={"n": n}) for name in names])
            if n % 7 == 0:
                await docs.delete(ids=[f"a{(n + 25) % 50}", f"b{(n + 25) % 50}"])
            sys.stdout.write(f"{n}\\n")
            sys.stdout.flush()

asyncio.run(main())
"""


async def test_reading_while_another_process_writes_and_checkpoints(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), "400"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    last = int(process.stdout.readline())
    reads = 0
    async with vpa.connect(f"mock://{tmp_path}", read_only=True) as db:
        docs = await db.collection("docs")
        while line := process.stdout.readline():
            last = int(line)
            found = {record.id: record.metadata["n"] async for record in docs.scan()}
            # A pair is one change; and what was acknowledged before the read is in it.
            assert {name[1:]: n for name, n in found.items() if name[0] == "a"} == {
                name[1:]: n for name, n in found.items() if name[0] == "b"
            }
            assert max(found.values()) >= last
            reads += 1
            await asyncio.sleep(0)
    process.stdout.close()
    assert process.wait() == 0
    assert last == 399
    assert reads == 399
    assert sorted(tmp_path.rglob("snapshot-*"))
