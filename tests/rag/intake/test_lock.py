"""One run at a time: who is at work is told apart from who died, also of two that come at the same moment."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import vpa
from vpa.base.clock import SystemClock
from vpa.rag.intake import lock
from vpa.rag.intake.ledger import Ledger
from vpa.rag.intake.lock import alone

SCOPE = vpa.Scope()
CLOCK = SystemClock()


@pytest.fixture
async def rag() -> AsyncIterator[vpa.EnhancedRAGSystem]:
    async with vpa.create_enhanced_rag_system(embedder="hashing") as system:
        yield system


@pytest.fixture
async def ledger(rag: vpa.EnhancedRAGSystem) -> Ledger:
    return Ledger(await rag._of(None), SCOPE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("The moon draws the water of the sea.")
    return tmp_path / "notes"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_SILENT_S", 0.1)
    monkeypatch.setattr(lock, "_LOOK_S", 0.02)


async def leave_mark(ledger: Ledger, **changed: Any) -> None:
    """The mark of a run that ended without a word; `changed` facts, and the id of its record."""
    record = lock._record(ledger, "gone", CLOCK)
    record_id = changed.pop("record_id", record.id)
    facts = {**json.loads(str(record.system["running"])), **changed}
    record = vpa.Record(record_id, vector=record.vector, system={"running": json.dumps(facts)})
    await ledger.collection.upsert([record], scope=ledger.place)


async def test_two_runs_at_once_are_told_apart(rag: vpa.EnhancedRAGSystem, ledger: Ledger, folder: Path) -> None:
    async with alone(ledger, CLOCK):
        with pytest.raises(vpa.StorageLockedError, match="another ingest or forget is at work"):
            await rag.ingest(folder)
        assert (await rag.ingest(folder, scope=vpa.Scope("other"))).documents == 1
        assert (await rag.ingest(folder, dry_run=True)).documents == 1
    assert (await rag.ingest(folder)).documents == 1
    assert await lock._marks(ledger) == []


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({}, id="a run of this process"),
        pytest.param({"began": "1"}, id="a process whose number another has now"),
        pytest.param({"machine": "another", "beat": 0}, id="another machine"),
        pytest.param({"machine": "another", "beat": 1e12}, id="another machine whose clock is ahead"),
        pytest.param({"machine": "another", "beat": "never"}, id="no beat"),
        pytest.param({"record_id": "running:"}, id="an earlier version"),
    ],
)
@pytest.mark.usefixtures("quick")
async def test_what_a_dead_run_left_is_taken_over(
    rag: vpa.EnhancedRAGSystem, ledger: Ledger, folder: Path, changed: dict[str, Any]
) -> None:
    await leave_mark(ledger, **changed)
    assert (await rag.ingest(folder)).files == 1
    assert await lock._marks(ledger) == []


async def test_a_run_that_is_only_silent_keeps_its_lock(ledger: Ledger) -> None:
    await leave_mark(ledger, pid=1, began=lock._began(1), beat=0)
    with pytest.raises(vpa.StorageLockedError, match="process 1"):
        async with alone(ledger, CLOCK):
            raise AssertionError


@pytest.mark.usefixtures("quick")
async def test_a_machine_whose_clock_is_wrong_is_known_to_live_by_its_beat(ledger: Ledger) -> None:
    await leave_mark(ledger, machine="another", beat=1000.0)

    async def live() -> None:
        for beat in range(100):
            await asyncio.sleep(0.02)
            await leave_mark(ledger, machine="another", beat=1000.0 + beat)

    living = asyncio.create_task(live())
    with pytest.raises(vpa.StorageLockedError, match="is at work"):
        async with alone(ledger, CLOCK):
            raise AssertionError
    living.cancel()


@pytest.mark.parametrize("left", [None, {"began": "1"}])
@pytest.mark.parametrize("number", range(8))
async def test_of_many_at_once_never_two_are_in(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, left: dict[str, Any] | None, number: int
) -> None:
    """Each pauses at its own moments between what it reads and what it writes."""
    if left is not None:
        await leave_mark(ledger, **left)
    inside: list[int] = []
    entered, most = 0, 0
    marks = lock._marks

    async def slow(of: Ledger) -> Any:
        result = await marks(of)
        task = asyncio.current_task()
        name = int(task.get_name().removeprefix("run ")) if task else 0
        await asyncio.sleep(0.01 * ((name + number) * 7 % 5))
        return result

    async def run(name: int) -> None:
        nonlocal entered, most
        try:
            async with alone(Ledger(ledger.collection, SCOPE), CLOCK):
                inside.append(name)
                entered += 1
                most = max(most, len(inside))
                await asyncio.sleep(0.03)
                inside.remove(name)
        except vpa.StorageLockedError:
            pass

    monkeypatch.setattr(lock, "_marks", slow)
    async with asyncio.TaskGroup() as tasks:
        for name in range(4):
            tasks.create_task(run(name), name=f"run {name}")
    assert most <= 1
    assert entered >= 1
    assert await marks(ledger) == []


async def test_a_run_that_was_taken_for_dead_gives_way(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_BEAT_S", 0.01)
    async with alone(ledger, CLOCK) as hold:
        [mark] = await lock._marks(ledger)
        await leave_mark(ledger, pid=1, began=lock._began(1))
        while not hold.is_lost:
            await asyncio.sleep(0.01)
        with pytest.raises(vpa.StorageLockedError, match="took over"):
            hold.check()
        assert mark.record_id not in {other.record_id for other in await lock._marks(ledger)}


async def test_a_cancelled_start_leaves_no_mark(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.Event()

    async def never(of: Ledger, holder: str) -> Any:
        begun.set()
        await asyncio.Event().wait()

    async def run() -> None:
        async with alone(ledger, CLOCK):
            raise AssertionError

    with monkeypatch.context() as patch:
        patch.setattr(lock, "_others", never)
        task = asyncio.create_task(run())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await lock._marks(ledger) == []
