"""Files that are not ours, state that is ahead of what was done, and work that was cut short."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

import pytest

import vpa
from vpa.base import errors
from vpa.engine.database import Database
from vpa.engine.persist import replace
from vpa.engine.persist.files import OSFiles
from vpa.engine.repair import Repair
from vpa.engine.rows import RowStore
from vpa.engine.table import Table


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
        docs = await db.create_collection("docs", dimension=2)
        async with vpa.connect(f"mock://{tmp_path}", read_only=True) as reader:
            for _ in range(6):
                await docs.upsert(_records(50))
                seen = await reader.collection("docs")
                await seen.search(vector=[1, 0])
                await seen.search(vector=[1, 0], exact=True)
                await db.drop_collection("docs")
                docs = await db.create_collection("docs", dimension=2)
            await docs.upsert(_records(1))
            assert await (await reader.collection("docs")).count() == 1
            await (await reader.collection("docs")).search(vector=[1, 0])
            del seen
            gc.collect()
            names = [table.info.name for table in gc.get_objects() if isinstance(table, Table)]
            # The writer's, and the reader's of now.
            assert names.count("docs") <= 3


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
