"""Work in the background never touches a directory that was given to another: it ends, or is dead, before a drop or a
close returns.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

import vpa
from engine.vectors import clustered
from vpa.base.errors import ClosedError, CollectionNotFoundError
from vpa.base.query import OnConflict
from vpa.base.records import CollectionInfo, Metric
from vpa.base.scope import Scope
from vpa.engine.database import Database
from vpa.engine.persist.files import AppendFile, OSFiles
from vpa.engine.upkeep import Upkeep
from vpa.filters.ast import ALWAYS
from vpa.stores.embedded.maintenance import Maintenance, Stage, Work
from vpa.stores.embedded.store import EmbeddedStore

ROWS = clustered(3_000, 32)
KINDS = pytest.mark.parametrize("quantization", ["none", "int8", "int4", "binary"])


class Gate(OSFiles):
    """A disk on which a snapshot waits at its first byte."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def open_append(self, path: str) -> AppendFile:
        if "snapshot" in path:
            self.reached.set()
            assert self.opened.wait(30)
        return super().open_append(path)


def rows(count: int) -> vpa.RecordBatch:
    return vpa.RecordBatch(ids=[str(n) for n in range(count)], vectors=ROWS[:count])


@asynccontextmanager
async def at_a_snapshot(path: Path, gate: Gate, quantization: str) -> AsyncIterator[vpa.VectorDatabaseManager]:
    """A store that is writing a snapshot of `docs` in the background, and stands at its first byte."""
    store = EmbeddedStore(path=str(path), files=gate)
    async with vpa.VectorDatabaseManager(store=store) as db:
        docs = await db.create_collection("docs", dimension=32, index={"quantization": quantization})
        await docs.upsert(rows(3_000))
        await docs.delete(ids=[str(n) for n in range(500)])
        assert await asyncio.to_thread(gate.reached.wait, 30)
        try:
            yield db
        finally:
            gate.opened.set()


async def reopened(path: Path) -> int:
    async with vpa.connect(f"mock://{path}") as db:
        return await (await db.collection("docs")).count()


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    # Without codes a snapshot is made for the length of the log alone.
    monkeypatch.setattr("vpa.engine.persist.journal.CHECKPOINT_BYTES", 10_000)
    monkeypatch.setattr("vpa.engine.persist.journal.CHECKPOINT_BYTES_FILED", 10_000)
    return Gate()


@KINDS
async def test_a_drop_waits_for_a_snapshot_and_what_comes_next_is_whole(
    tmp_path: Path, gate: Gate, quantization: str
) -> None:
    async with at_a_snapshot(tmp_path, gate, quantization) as db:
        dropping = asyncio.create_task(db.drop_collection("docs"))
        await turns()
        assert not dropping.done()
        gate.opened.set()
        await dropping
        docs = await db.create_collection("docs", dimension=32, index={"quantization": quantization})
        await docs.upsert(rows(10))
    assert await reopened(tmp_path) == 10


@KINDS
async def test_a_create_right_after_finds_an_empty_place(tmp_path: Path, gate: Gate, quantization: str) -> None:
    async with at_a_snapshot(tmp_path, gate, quantization) as db:

        async def again() -> None:
            await db.drop_collection("docs")
            docs = await db.create_collection("docs", dimension=32, index={"quantization": quantization})
            await docs.upsert(rows(10))

        replacing = asyncio.create_task(again())
        await turns()
        gate.opened.set()
        await replacing
        assert await (await db.collection("docs")).count() == 10
    assert await reopened(tmp_path) == 10


@KINDS
async def test_closing_waits_for_a_snapshot(tmp_path: Path, gate: Gate, quantization: str) -> None:
    async with at_a_snapshot(tmp_path, gate, quantization) as db:
        closing = asyncio.create_task(db.close())
        await turns()
        assert not closing.done()
        gate.opened.set()
        await closing
    assert await reopened(tmp_path) == 2_500


@KINDS
async def test_a_drop_that_is_cancelled_harms_nothing(tmp_path: Path, gate: Gate, quantization: str) -> None:
    async with at_a_snapshot(tmp_path, gate, quantization) as db:
        dropping = asyncio.create_task(db.drop_collection("docs"))
        await turns()
        dropping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dropping
        gate.opened.set()
        # A drop that had begun goes on to its end; one that had not leaves the collection as it was, and work on it
        # begins again.
        with contextlib.suppress(ClosedError, CollectionNotFoundError):
            docs = await db.collection("docs")
            await docs.upsert(rows(10))
            assert await docs.count() == 2_510
        with contextlib.suppress(CollectionNotFoundError):
            await db.drop_collection("docs")
        docs = await db.create_collection("docs", dimension=32, index={"quantization": quantization})
        await docs.upsert(rows(10))
    assert await reopened(tmp_path) == 10


def database(path: Path, gate: Gate, quantization: str = "none") -> Database:
    made = Database(str(path), files=gate)
    index = vpa.IndexOptions.parse({"quantization": quantization})
    table = made.create(CollectionInfo(name="docs", dimension=32, metric=Metric.DOT, index=index))
    table.upsert(rows(3_000), scope=Scope(), on_conflict=OnConflict.REPLACE, replacing=None)
    return made


@KINDS
@pytest.mark.parametrize("end", ["drop", "close"])
def test_a_journal_begins_no_snapshot_once_its_table_has_ended(
    tmp_path: Path, gate: Gate, quantization: str, end: str
) -> None:
    gate.opened.set()
    made = database(tmp_path, gate, quantization)
    journal = made.journal("docs")
    assert journal is not None
    made.drop("docs") if end == "drop" else made.close()
    before = sorted(path.name for path in tmp_path.rglob("*"))
    with pytest.raises(ClosedError):
        journal.checkpoint()
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_a_drop_in_the_engine_waits_for_a_snapshot_of_any_thread(
    tmp_path: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    made = database(tmp_path, gate)
    journal = made.journal("docs")
    assert journal is not None
    writing = threading.Thread(target=journal.checkpoint)
    writing.start()
    assert gate.reached.wait(30)
    dropping = threading.Thread(target=made.drop, args=("docs",))
    dropping.start()
    dropping.join(0.05)
    assert dropping.is_alive()
    gate.opened.set()
    dropping.join(30)
    writing.join(30)
    assert list((tmp_path / "collections").iterdir()) == []
    made.close()


class Held:
    """Every piece of `work` waits, once begun, until it is let on or told to stop."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, work: str) -> None:
        self.begun, self.ends = threading.Event(), threading.Event()

        def held(upkeep: Upkeep, *, stop: object) -> None:
            self.begun.set()
            while not self.ends.wait(0.001) and not stop():  # type: ignore[operator]
                pass

        monkeypatch.setattr(Upkeep, work, held)


async def test_a_drop_ends_work_that_runs_and_forgets_work_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(monkeypatch, "make_codes")
    monkeypatch.setattr(Upkeep, "wants_codes", property(lambda upkeep: True))
    store = EmbeddedStore()
    async with vpa.VectorDatabaseManager(store=store) as db:
        for name in ("first", "second"):
            await (await db.create_collection(name, dimension=32)).upsert(rows(2))
        assert await asyncio.to_thread(held.begun.wait, 30)
        tables = {name: store._open_database().get(name) for name in ("first", "second")}
        assert store._maintenance.stage(tables["first"], Work.CODES) is Stage.RUNNING
        assert store._maintenance.stage(tables["second"], Work.CODES) is Stage.QUEUED
        await db.drop_collection("second")
        assert store._maintenance.stage(tables["first"], Work.CODES) is Stage.RUNNING
        await db.drop_collection("first")
        assert store._maintenance.stage(tables["first"], Work.CODES) is Stage.DONE


async def test_no_work_begins_while_a_table_is_paused(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(monkeypatch, "make_codes")
    monkeypatch.setattr(Upkeep, "wants_codes", property(lambda upkeep: True))
    store = EmbeddedStore()
    async with vpa.VectorDatabaseManager(store=store) as db:
        await db.create_collection("docs", dimension=32)
        table = store._open_database().get("docs")
        maintenance: Maintenance = store._maintenance
        async with maintenance.paused(table):
            maintenance.notice(table)
            assert maintenance.stage(table, Work.CODES) is Stage.DONE
        assert await asyncio.to_thread(held.begun.wait, 30)


async def test_optimize_leaves_nothing_to_do(tmp_path: Path) -> None:
    options = {"first_pass": "signs", "recall": 0.9}
    async with vpa.connect(f"mock://{tmp_path}") as db:
        docs = await db.create_collection("docs", dimension=128, index=options)
        wide = clustered(20_000, 128)
        await docs.upsert(vpa.RecordBatch(ids=[str(n) for n in range(len(wide))], vectors=wide))
        await docs.delete(ids=[str(n) for n in range(1_000)])
        await docs.optimize()
        facts = (await db.get_statistics())["collections"]["docs"]
        assert (facts["rows"], facts["dead_rows"], facts["index"]["coded_rows"]) == (19_000, 0, 19_000)
        assert facts["index"]["measured"]
        assert facts["log_bytes"] < 1_000
        assert list((tmp_path / "collections" / "docs").glob("snapshot-*"))
        # Nothing is left to be done by another.
        await asyncio.wait_for(docs.optimize(), 30)
    assert np.isclose((await _first(tmp_path, wide[5_000]))[0].score, 1.0)


async def _first(path: Path, query: np.ndarray) -> vpa.Matches:
    async with vpa.connect(f"mock://{path}") as db:
        return await (await db.collection("docs")).search(vector=query, top_k=1)


def test_a_closed_table_answers_nothing(tmp_path: Path, gate: Gate) -> None:
    gate.opened.set()
    made = database(tmp_path, gate)
    table = made.get("docs")
    made.drop("docs")
    with pytest.raises(ClosedError, match="dropped"):
        table.count(ALWAYS, Scope())
    with pytest.raises(ClosedError, match="dropped"):
        table.get(["1"], scope=Scope(), include_vectors=False)
    with pytest.raises(ClosedError, match="dropped"):
        table.upsert(rows(1), scope=Scope(), on_conflict=OnConflict.REPLACE, replacing=None)
    made.close()
