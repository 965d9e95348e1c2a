"""Memory that ends, and threads that cannot be started, in the middle of something: an error, never a wrong answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vpa
from vpa import F, Record, RecordBatch
from vpa.base import errors
from vpa.base.records import CollectionInfo, Metric
from vpa.engine.database import Database
from vpa.engine.growable import GrowableArray, Heap
from vpa.engine.persist import journal as journals
from vpa.engine.persist.frames import frame_header, frame_positions, read_header
from vpa.engine.repair import Repair

ROWS = 2000


def _columns(start: int) -> RecordBatch:
    ids = [f"r{n}" for n in range(start, start + ROWS)]
    values = np.arange(start, start + ROWS)
    return RecordBatch.from_columns(
        ids=ids,
        vectors=np.stack([values + 1.0, np.ones(ROWS)], axis=1).astype(np.float32),
        metadata={"k": values // ROWS, "s": [f"t{n % 7}" for n in values]},
    )


class Failing:
    """Raises MemoryError at one call, counted over all that are watched."""

    def __init__(self, at: int) -> None:
        self.at, self.calls = at, 0

    def wrap(self, call: Any) -> Any:
        def failing(*args: Any, **options: Any) -> Any:
            self.calls += 1
            if self.calls == self.at:
                raise MemoryError
            return call(*args, **options)

        return failing


@pytest.mark.parametrize("at", range(1, 9))
async def test_memory_that_ends_in_a_first_filter_shifts_no_values(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=2, metric="dot")
        for part in range(3):
            await docs.upsert(_columns(part * ROWS))
        failing = Failing(at)
        with monkeypatch.context() as patched:
            patched.setattr(GrowableArray, "extend", failing.wrap(GrowableArray.extend))
            patched.setattr(np, "unique", failing.wrap(np.unique))
            for wanted in (F("k") == 0, F("s") == "t3"):
                try:
                    await docs.count(filter=wanted)
                except (MemoryError, errors.VectorDatabaseError):
                    continue
        assert [await docs.count(filter=F("k") == part) for part in range(4)] == [ROWS] * 3 + [0]
        assert sum([await docs.count(filter=F("s") == f"t{n}") for n in range(7)]) == 3 * ROWS
        found = await docs.search(vector=[1, 0], top_k=5, filter=(F("k") == 1) & (F("s") == "t3"))
        assert all(match.metadata["k"] == 1 and match.metadata["s"] == "t3" for match in found)


async def test_a_reader_that_ran_out_of_memory_mixes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with vpa.connect(f"mock://{tmp_path}") as db:
        docs = await db.create_collection("docs", dimension=2, metric="dot")
        await docs.upsert([Record("a", vector=[1, 0], text="a")])
        async with vpa.connect(f"mock://{tmp_path}", read_only=True) as reader:
            theirs = await reader.collection("docs")
            assert await theirs.count() == 1
            await docs.upsert([Record(name, vector=[n, 1], text=name) for n, name in enumerate("cd", 10)])
            failing = Failing(1)
            with monkeypatch.context() as patched:
                patched.setattr(Heap, "extend", failing.wrap(Heap.extend))
                with pytest.raises(errors.ProviderError, match="not enough memory"):
                    await theirs.count()
            await docs.upsert([Record(name, vector=[n, 1], text=name) for n, name in enumerate("ef", 20)])
            for name in "acdef":
                [here], [there] = await docs.get([name]), await theirs.get([name])
                assert here == there
                assert (await theirs.search(vector=here.vector, top_k=1, exact=True)).items[0].text is not None


def _damaged_last_frame(log: Path, where: str) -> None:
    data = bytearray(log.read_bytes())
    header, _ = read_header(memoryview(bytes(data)))
    view = memoryview(bytes(data))
    frames = [(place, frame_header(view, place, header.nonce)) for place in frame_positions(view, 0, header.nonce)]
    last = [place for place, frame in frames if frame is not None and not frame.is_mark][-1]
    mark = [place for place, frame in frames if frame is not None and frame.is_mark][-1]
    if where == "header":
        for place in range(last, last + 16):
            data[place] ^= 0xFF
    else:
        data[last:mark] = bytes(mark - last)
    log.write_bytes(data)


@pytest.mark.parametrize("where", ["header", "gone"])
async def test_salvage_counts_a_last_change_that_only_a_mark_knows(tmp_path: Path, where: str) -> None:
    import shutil

    place, copy = tmp_path / "store", tmp_path / "copy"
    async with vpa.connect(f"mock://{place}") as db:
        docs = await db.create_collection("docs", dimension=2)
        for number in range(5):
            await docs.upsert([Record(f"r{number}", vector=[1, number], text="t" * 50)])
        shutil.copytree(place, copy)  # As after a kill.
    _damaged_last_frame(next((copy / "collections" / "docs").glob("log-*.vpa")), where)
    repair = Repair(str(copy))
    try:
        salvaged = repair.plan().salvaged["docs"]
        assert (salvaged.kept_records, salvaged.lost_changes, salvaged.is_whole) == (4, 1, False)
        assert any("change 5 is lost" in note for note in salvaged.notes)
    finally:
        repair.close()


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Inside, no pool and no checkpoint gets a new thread."""
    with monkeypatch.context() as patched:
        yield patched


def _refuse(*_: Any) -> None:
    raise RuntimeError("can't start new thread")


async def test_a_search_without_a_thread_says_so(no_threads: pytest.MonkeyPatch) -> None:
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=2, metric="dot")
        for part in range(3):
            await docs.upsert(_columns(part * ROWS))
        no_threads.setattr(ThreadPoolExecutor, "_adjust_thread_count", _refuse)
        with pytest.raises(errors.ServiceUnavailableError, match="thread"):
            await docs.search_batch(vectors=[[1, 0]] * 3, top_k=2, filter=F("s") == "t3")
        with pytest.raises(errors.ServiceUnavailableError, match="thread"):
            await asyncio.wait_for(docs.optimize(), 5)
        no_threads.undo()
        assert len(await docs.search_batch(vectors=[[1, 0]] * 3, top_k=2, filter=F("s") == "t3")) == 3
        await asyncio.wait_for(docs.optimize(), 30)


def test_a_checkpoint_without_a_thread_is_tried_again(tmp_path: Path, no_threads: pytest.MonkeyPatch) -> None:
    no_threads.setattr(journals, "CHECKPOINT_BYTES", 1000)
    database = Database(str(tmp_path))
    table = database.create(CollectionInfo(name="docs", dimension=2, metric=Metric.DOT))
    journal = database.journal("docs")
    assert journal is not None
    with no_threads.context() as refused:
        refused.setattr(threading.Thread, "start", _refuse)
        for number in range(5):
            _write(table, number)
        assert "thread" in str(journal.checkpoint_error)
    database.drop("docs")
    assert database.names() == []
    table = database.create(CollectionInfo(name="docs", dimension=2, metric=Metric.DOT))
    _write(table, 1)
    database.close()
    again = Database(str(tmp_path))
    assert again.get("docs").view.count == 1
    again.close()


def _write(table: Any, number: int) -> None:
    from vpa.base.query import OnConflict
    from vpa.base.scope import Scope
    from vpa.base.validation import check_batch

    batch = check_batch([Record(f"r{number}", vector=[1, number], text="t" * 500)], info=table.info)
    table.upsert(batch, scope=Scope(), on_conflict=OnConflict.REPLACE, replacing=None)
