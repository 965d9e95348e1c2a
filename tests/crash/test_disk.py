"""The engine on a disk that tears, fails, lies, fills up and flips bits; each seed is one story that replays."""

from __future__ import annotations

import random
import sys
from collections import Counter
from dataclasses import dataclass, field

import pytest

from crash.workload import DIMENSION, State, Workload, stored_state
from vpa.base.errors import StorageCorruptedError, StorageFullError, VectorDatabaseError
from vpa.client.manager import VectorDatabaseManager
from vpa.engine.database import Database
from vpa.stores.embedded.store import EmbeddedStore
from vpa.testing.disk import Faults, SimulatedDisk

KINDS = ("crash", "failing sync", "lying sync", "failing write", "full disk", "flipped bit")


class DiskStore(EmbeddedStore):
    """The embedded store on a simulated disk, with nonces from its seed."""

    def __init__(self, disk: SimulatedDisk) -> None:
        super().__init__(path="/data", files=disk, workers=1)
        self._disk = disk

    def _open_directory(self) -> None:
        self._database = Database("/data", files=self._disk, random_bytes=self._disk.random_bytes)


@dataclass
class Story:
    """What was acknowledged, state by state; `unknown` is the state if the operation that failed went through."""

    history: list[State] = field(default_factory=lambda: [{}])
    unknown: State | None = None
    broken: bool = False
    full: int = 0


def _faults(kind: str, rng: random.Random) -> Faults:
    return Faults(
        fail_sync_at=rng.randrange(1, 60) if kind == "failing sync" else None,
        lie_sync_at=rng.randrange(1, 60) if kind == "lying sync" else None,
        fail_write_at=rng.randrange(1, 120) if kind == "failing write" else None,
        capacity_bytes=rng.randrange(2_000, 60_000) if kind == "full disk" else None,
    )


def _sync_seen(disk: SimulatedDisk) -> bool:
    return any("sync" in event and "failed" in event for event in disk.events)


async def _write(disk: SimulatedDisk, seed: int, rng: random.Random) -> Story:
    """Operations until something breaks or the story ends; a checkpoint now and then."""
    story, workload = Story(), Workload(seed)
    manager = VectorDatabaseManager(store=DiskStore(disk))
    try:
        await manager.connect()
        docs = await manager.create_collection("docs", dimension=DIMENSION)
    except VectorDatabaseError:
        return story
    journal = manager._store._database.journal("docs")  # type: ignore[union-attr]
    for _ in range(rng.randrange(5, 45)):
        if rng.random() < 0.08:
            try:
                journal.checkpoint()
            except (OSError, VectorDatabaseError):
                pass
        before = dict(workload.records.items())
        verb, arguments = workload.next()
        try:
            await getattr(docs, verb)(**arguments)
        except StorageFullError:
            # Not applied: the model goes back, and with room again the store goes on.
            workload.records = before
            story.full += 1
            assert await stored_state(docs) == story.history[-1]
            if disk.faults.capacity_bytes is not None and rng.random() < 0.5:
                disk.faults.capacity_bytes += 40_000
            continue
        except VectorDatabaseError:
            if _sync_seen(disk):
                assert not story.broken or story.unknown is not None
                if not story.broken:
                    story.unknown = workload.state()
                story.broken = True
                await _nothing_more_is_acknowledged(docs)
                break
            # A failed write is taken back: not applied, not stored.
            workload.records = before
            assert await stored_state(docs) == story.history[-1]
            continue
        story.history.append(workload.state())
    await _lose_power(manager)
    return story


async def _lose_power(manager: VectorDatabaseManager) -> None:
    """The process is gone: its threads are, and nothing more reaches the disk."""
    await manager._store._maintenance.close()  # type: ignore[union-attr]
    await manager._store._searches.close()  # type: ignore[union-attr]
    await manager._store._workers.close()  # type: ignore[union-attr]


async def _nothing_more_is_acknowledged(docs) -> None:
    from vpa.base.records import Record

    for _ in range(3):
        with pytest.raises(VectorDatabaseError, match="read-only"):
            await docs.upsert([Record("late", vector=[1.0] * DIMENSION)])
    assert await docs.count() >= 0


async def _reopened(disk: SimulatedDisk) -> tuple[State, int, bool]:
    """The state found, the bytes cut, whether anything was set aside as damaged."""
    manager = VectorDatabaseManager(store=DiskStore(disk))
    await manager.connect()
    try:
        if "docs" not in await manager.list_collections():
            return {}, 0, False
        docs = await manager.collection("docs")
        state = await stored_state(docs)
        report = manager._store._database.reports()["docs"]  # type: ignore[union-attr]
        return state, report.torn_bytes, bool(report.damage)
    finally:
        await manager.close()


async def tell(seed: int) -> str:
    """One story; returns its kind and how it ended."""
    rng = random.Random(seed)
    kind = KINDS[seed % len(KINDS)]
    disk = SimulatedDisk(seed, faults=_faults(kind, rng))
    story = await _write(disk, seed, rng)
    after = disk.crash()
    if kind == "flipped bit" and after.files():
        after.flip(rng.choice(after.files()))
    try:
        found, torn, _ = await _reopened(after)
    except StorageCorruptedError as error:
        assert kind in ("lying sync", "flipped bit"), f"seed {seed}: {kind} must not damage anything: {error}"
        return f"{kind}: named error"
    last = story.history[-1]
    if kind == "lying sync":
        assert found in story.history, f"seed {seed}: not a prefix of the acknowledged history"
        ending = "all there" if found == last else "a prefix"
    elif kind == "flipped bit" and found != last:
        assert found in story.history, f"seed {seed}: not a prefix of the acknowledged history"
        assert torn > 0, f"seed {seed}: acknowledged data is gone and nobody said so"
        ending = "a prefix, reported"
    else:
        allowed = [last] + ([story.unknown] if story.unknown is not None else [])
        assert found in allowed, f"seed {seed}: acknowledged data is gone or other data is there"
        ending = "all there"
    # The store that came back takes writes, and they survive the next crash.
    again = await _goes_on(after)
    assert (await _reopened(after.crash()))[0] == again
    return f"{kind}: {ending}"


async def _goes_on(disk: SimulatedDisk) -> State:
    from vpa.base.records import Record

    manager = VectorDatabaseManager(store=DiskStore(disk))
    await manager.connect()
    docs = await manager.create_collection("docs", dimension=DIMENSION, exist_ok=True)
    await docs.upsert([Record("one more", vector=[1.0] * DIMENSION, metadata={"n": 1})])
    state = await stored_state(docs)
    assert "one more" in state
    await _lose_power(manager)
    return state


@pytest.mark.parametrize("block", range(10))
async def test_seeded_stories_end_well(block: int) -> None:
    for seed in range(block * 36, block * 36 + 36):
        await tell(seed)


@pytest.mark.long
async def test_five_thousand_stories() -> None:
    endings: Counter[str] = Counter()
    for seed in range(10_000, 15_000):
        endings[await tell(seed)] += 1
    sys.stderr.write("\n" + "\n".join(f"{count:5d}  {ending}" for ending, count in sorted(endings.items())) + "\n")


async def test_a_story_replays() -> None:
    async def run() -> list[str]:
        disk = SimulatedDisk(11, faults=Faults(fail_write_at=20))
        story = await _write(disk, 11, random.Random(11))
        return [repr(state) for state in story.history] + disk.events

    assert await run() == await run()
