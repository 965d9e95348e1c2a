"""Files that are missing, foreign, doubled, swapped, or cut; directories that are not ours, moved, or inherited."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import vpa
from persist.stores import SCOPE, content, filled, of_docs, write
from vpa.base import errors
from vpa.base.scope import Scope
from vpa.engine.database import Database
from vpa.filters.ast import ALWAYS


def refused(directory: Path, name: str = "docs") -> str:
    """The message of the collection's error."""
    database = Database(str(directory))
    try:
        with pytest.raises(errors.StorageCorruptedError) as caught:
            database.get(name)
        return str(caught.value)
    finally:
        database.close()


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Two stores alike, of the same names and lengths."""
    for name in ("one", "two"):
        filled(tmp_path / name)
    return tmp_path / "one", tmp_path / "two"


@pytest.mark.parametrize("name", ["log-00000001.vpa", "collection.json"])
def test_a_missing_file_is_named_and_nothing_is_removed(tmp_path: Path, name: str) -> None:
    filled(tmp_path)
    of_docs(tmp_path, name).unlink()
    before = content(tmp_path)
    assert name in refused(tmp_path)
    assert content(tmp_path) == before


@pytest.mark.parametrize("name", ["log-00000001.vpa", "collection.json"])
def test_a_file_of_another_store_is_named(two: tuple[Path, Path], name: str) -> None:
    shutil.copy(of_docs(two[1], name), of_docs(two[0], name))
    assert "belongs to another store" in refused(two[0])


def test_a_snapshot_of_another_store_is_set_aside_and_the_generation_before_used(two: tuple[Path, Path]) -> None:
    shutil.copy(of_docs(two[1], "snapshot-00000001.vpa"), of_docs(two[0], "snapshot-00000001.vpa"))
    database = Database(str(two[0]))
    assert database.get("docs").count(ALWAYS, SCOPE) == 20
    [damage] = database.reports()["docs"].damage
    assert "belongs to another store" in damage
    database.close()
    assert of_docs(two[0], "snapshot-00000001.vpa.damaged").exists()


def test_a_file_of_another_collection_is_named(tmp_path: Path) -> None:
    filled(tmp_path)
    shutil.copytree(tmp_path / "collections" / "docs", tmp_path / "collections" / "copy")
    assert "is a copy of collection 'docs'" in refused(tmp_path, "copy")


@pytest.mark.parametrize(("source", "target"), [(0, 1), (1, 0)])
def test_a_log_copied_over_another_is_named(tmp_path: Path, source: int, target: int) -> None:
    filled(tmp_path, snapshot=False)
    shutil.copy(of_docs(tmp_path, f"log-0000000{source}.vpa"), of_docs(tmp_path, f"log-0000000{target}.vpa"))
    assert f"it is a copy of log {source}" in refused(tmp_path)


def test_two_logs_that_were_swapped_are_named(tmp_path: Path) -> None:
    filled(tmp_path, snapshot=False)
    zero, one = of_docs(tmp_path, "log-00000000.vpa"), of_docs(tmp_path, "log-00000001.vpa")
    held = zero.read_bytes()
    zero.write_bytes(one.read_bytes())
    one.write_bytes(held)
    assert "is a copy of log 1" in refused(tmp_path)


def test_a_log_that_the_manifest_does_not_know_is_an_error(tmp_path: Path) -> None:
    filled(tmp_path)
    old = of_docs(tmp_path, "collection.json").read_bytes()
    database = Database(str(tmp_path))
    journal = database.journal("docs")
    assert journal is not None
    journal._rotate()
    write(database, 20, 25)
    database.close()
    of_docs(tmp_path, "collection.json").write_bytes(old)
    assert "collection.json is older than this log" in refused(tmp_path)


def test_a_doubled_log_is_set_aside(tmp_path: Path) -> None:
    filled(tmp_path)
    shutil.copy(of_docs(tmp_path, "log-00000001.vpa"), of_docs(tmp_path, "log-00000007.vpa"))
    database = Database(str(tmp_path))
    assert database.get("docs").count(ALWAYS, SCOPE) == 20
    assert "log-00000007.vpa is no log of this collection" in database.reports()["docs"].damage[0]
    database.close()
    assert of_docs(tmp_path, "log-00000007.vpa.damaged").exists()


def test_a_log_of_a_diverged_copy_is_named(tmp_path: Path) -> None:
    filled(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    for name, start in (("one", 20), ("two", 30)):
        database = Database(str(tmp_path / name))
        write(database, start, start + 5)
        database.close()
    log = "log-00000001.vpa"
    assert of_docs(tmp_path / "one", log).stat().st_size == of_docs(tmp_path / "two", log).stat().st_size
    shutil.copy(of_docs(tmp_path / "two", log), of_docs(tmp_path / "one", log))
    assert "was replaced" in refused(tmp_path / "one")


def test_a_missing_store_file_is_named(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / "store.json").unlink()
    before = content(tmp_path)
    with pytest.raises(errors.StorageCorruptedError, match=r"store\.json is missing"):
        Database(str(tmp_path))
    assert content(tmp_path) == before


async def test_folders_of_others_are_left_alone_and_other_collections_go_on(tmp_path: Path) -> None:
    (tmp_path / "collections" / "thesis").mkdir(parents=True)
    (tmp_path / "collections" / "thesis" / "one.txt").write_text("work")
    (tmp_path / "collections" / "My Files").mkdir()
    (tmp_path / "collections" / "list.txt").write_text("a file")
    for _ in range(2):
        async with vpa.connect(f"mock://{tmp_path}") as db:
            docs = await db.create_collection("docs", dimension=2, exist_ok=True)
            await docs.upsert([vpa.Record("a", vector=[1, 0])])
            assert await db.list_collections() == ["docs", "thesis"]
            for verb in (
                db.collection("thesis"),
                db.create_collection("thesis", dimension=2),
                db.drop_collection("thesis"),
            ):
                with pytest.raises(errors.StorageCorruptedError, match=r"thesis holds no collection\.json"):
                    await verb
            assert await docs.count() == 1
    assert (tmp_path / "collections" / "thesis" / "one.txt").read_text() == "work"
    assert (tmp_path / "collections" / "My Files").is_dir()
    assert (tmp_path / "collections" / "list.txt").read_text() == "a file"


async def test_files_of_others_in_a_collection_outlive_it(tmp_path: Path) -> None:
    async with vpa.connect(f"mock://{tmp_path}") as db:
        await db.create_collection("docs", dimension=2)
        of_docs(tmp_path, "notes.txt").write_text("mine")
        await db.drop_collection("docs")
        await db.create_collection("docs", dimension=2)
        await db.drop_collection("docs")
    [left] = (tmp_path / "collections").iterdir()
    assert (left / "notes.txt").read_text() == "mine"
    assert len(list(left.iterdir())) == 1


@pytest.mark.parametrize("what", ["created", "dropped"])
def test_a_create_or_drop_that_was_cut_short_is_finished(tmp_path: Path, what: str) -> None:
    filled(tmp_path)
    docs = tmp_path / "collections" / "docs"
    left = tmp_path / "collections" / f".{'creating' if what == 'created' else 'dropped'}-0123"
    if what == "created":
        left.mkdir()
        shutil.copy(docs / "log-00000001.vpa", left / "log-00000000.vpa")
    else:
        shutil.copytree(docs, left)
    foreign = tmp_path / "collections" / ".dropped-mine"
    foreign.mkdir()
    (foreign / "letter.txt").write_text("not yours")
    database = Database(str(tmp_path))
    assert database.names() == ["docs"]
    database.close()
    assert not left.exists()
    assert (foreign / "letter.txt").exists()


@pytest.mark.parametrize("how", ["removed", "moved", "replaced", "log removed", "manifest removed", "lock removed"])
async def test_a_directory_that_goes_while_it_is_open_is_noticed(tmp_path: Path, how: str) -> None:
    store = tmp_path / "store"
    db = await vpa.connect(f"mock://{store}").connect()
    docs = await db.create_collection("docs", dimension=2)
    await docs.upsert([vpa.Record("a", vector=[1, 0])])
    shutil.copytree(store, tmp_path / "copy")
    if how in ("removed", "replaced"):
        shutil.rmtree(store)
    if how == "moved":
        store.rename(tmp_path / "elsewhere")
    if how == "replaced":
        shutil.copytree(tmp_path / "copy", store)
    for name, path in {"log": "log-00000000.vpa", "manifest": "collection.json", "lock": "../../LOCK"}.items():
        if how == f"{name} removed":
            of_docs(store, path).unlink()
    with pytest.raises(errors.StorageError, match="was removed or replaced while"):
        await docs.upsert([vpa.Record("b", vector=[1, 0])])
    with pytest.raises(errors.ReadOnlyError, match="was removed or replaced while"):
        await docs.upsert([vpa.Record("c", vector=[1, 0])])
    assert (await docs.get(["a"]))[0].id == "a"
    if how in ("removed", "moved"):
        with pytest.raises(errors.StorageError, match="was removed or replaced while"):
            await db.create_collection("more", dimension=2)
        assert not store.exists()
    await db.close()


FORK = """
import asyncio, os, sys
import vpa

directory, kind = sys.argv[1:]

def child(verbs):
    said = []
    for verb in verbs:
        try:
            verb()
            said.append("nothing")
        except vpa.errors.StorageLockedError as error:
            said.append("after the fork" if "after the fork" in str(error) else "elsewhere")
    sys.stdout.write(",".join(said) + ";")
    sys.stdout.flush()

if kind == "sync":
    with vpa.sync.connect(f"mock://{directory}") as db:
        docs = db.create_collection("docs", dimension=2)
        docs.upsert([vpa.Record("a", vector=[1, 0])])
        if os.fork() == 0:
            child([lambda: docs.upsert([vpa.Record("child", vector=[0, 1])]), lambda: docs.get(["a"])])
            os._exit(0)
        os.wait()
        docs.upsert([vpa.Record("b", vector=[1, 0])])
    sys.exit()

loop = asyncio.new_event_loop()
run = loop.run_until_complete
db = run(vpa.connect(f"mock://{directory}").connect())
docs = run(db.create_collection("docs", dimension=2))
run(docs.upsert([vpa.Record("a", vector=[1, 0])]))
if os.fork() == 0:
    run = asyncio.new_event_loop().run_until_complete
    child([
        lambda: run(docs.upsert([vpa.Record("child", vector=[0, 1])])), lambda: run(docs.get(["a"])),
        lambda: run(docs.count()),
        lambda: run(docs.search(vector=[1, 0])), lambda: run(db.create_collection("more", dimension=2)),
        lambda: run(db.drop_collection("docs")), lambda: run(vpa.connect(f"mock://{directory}").connect()),
    ])
    run(db.close())
    os._exit(0)
os.wait()
run(docs.upsert([vpa.Record("b", vector=[1, 0])]))
try:
    run(vpa.connect(f"mock://{directory}").connect())
except vpa.errors.StorageLockedError:
    sys.stdout.write("locked")
run(db.close())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("kind", ["async", "sync"])
def test_a_forked_process_is_refused_and_harms_nothing(tmp_path: Path, kind: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORK, str(tmp_path), kind], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    said = ["after the fork"] * 2 if kind == "sync" else [*["after the fork"] * 6, "elsewhere"]
    assert done.stdout == ",".join(said) + (";" if kind == "sync" else ";locked")
    database = Database(str(tmp_path))
    assert {
        record.id for record in database.get("docs").get(["a", "b", "child"], scope=Scope(), include_vectors=False)
    } == {"a", "b"}
    assert database.reports()["docs"].closed
    database.close()


@pytest.mark.parametrize("what", ["repeated", "skipped"])
def test_a_repeated_or_skipped_number_is_damage(tmp_path: Path, what: str) -> None:
    from vpa.engine.persist.frames import read_log

    database = filled(tmp_path / "store", close=False)
    shutil.copytree(tmp_path / "store", tmp_path / "killed")
    log = of_docs(tmp_path / "killed", "log-00000001.vpa")
    data = log.read_bytes()
    frames = read_log(memoryview(data), "log").frames
    if what == "repeated":
        changed = data[: frames[0].end] + data[: frames[0].end][read_log(memoryview(data), "log").header_bytes :]
    else:
        changed = data[: read_log(memoryview(data), "log").header_bytes] + data[frames[0].end :]
    log.write_bytes(changed)
    message = refused(tmp_path / "killed")
    assert ("repeats change 3" if what == "repeated" else "goes on with change 4") in message
    database.close()


def test_the_files_of_a_store_name_it(tmp_path: Path) -> None:
    filled(tmp_path)
    store = json.loads(json.loads((tmp_path / "store.json").read_text())["body"])
    assert store["format"] == 3
    for name in ("collection.json", "log-00000001.vpa", "snapshot-00000001.vpa"):
        assert store["store"].encode() in of_docs(tmp_path, name).read_bytes()
