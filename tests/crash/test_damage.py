"""Whatever befalls the files of a store: the right data, a named error, or a prefix that is reported. Never silence."""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from crash.test_disk import DiskStore, _lose_power
from crash.workload import DIMENSION, State, Workload, stored_state
from vpa.base.errors import CollectionNotFoundError, VectorDatabaseError
from vpa.base.index_options import IndexOptions
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager
from vpa.engine.database import Database
from vpa.testing.damage import DAMAGES, Surroundings
from vpa.testing.disk import SimulatedDisk

STORAGE = (
    ("none", True),
    ("none", True),
    ("int8", True),
    ("int4", True),
    ("binary", True),
    ("int8", False),
    ("int4", False),
    ("binary", False),
)
ENDINGS = ("closed", "killed", "power lost")


async def _opened(disk: SimulatedDisk) -> VectorDatabaseManager:
    return await VectorDatabaseManager(store=DiskStore(disk)).connect()


async def _comparable(docs: Collection, workload: Workload | None) -> State:
    """Without originals a vector comes back as the codes have it: then only the rest is compared."""
    state = await stored_state(docs) if workload is None else workload.state()
    return state if docs.info.index.originals else {name: (b"", text, rest) for name, (_, text, rest) in state.items()}


@dataclass
class Story:
    """States after each change; `unknown` is the state if the change that failed went through."""

    history: list[State] = field(default_factory=lambda: [State()])
    older: SimulatedDisk | None = None
    unknown: State | None = None
    failed: str | None = None


async def _write(
    disk: SimulatedDisk, seed: int, *, ending: str, beneath: Callable[[SimulatedDisk], None] | None = None
) -> tuple[Story, SimulatedDisk]:
    """Changes until the end, and the disk then. `beneath` harms the files while they are written to; it is given the
    disk as it was some time before. A change that fails ends the story.
    """
    rng = random.Random(seed)
    quantization, originals = STORAGE[seed % len(STORAGE)]
    manager = await _opened(disk)
    index = IndexOptions(quantization=quantization, originals=originals)  # type: ignore[arg-type]
    docs = await manager.create_collection("docs", dimension=DIMENSION, index=index)
    workload, story = Workload(seed), Story(older=disk.copy())
    changes = rng.randrange(4, 30)
    harmed_before = rng.randrange(1, changes)
    for number in range(changes):
        if beneath is not None and number == harmed_before:
            beneath(story.older or disk)
        try:
            if rng.random() < 0.05:
                # A drop beside whatever works in the background, and a successor of the same name.
                await manager.drop_collection("docs")
                docs = await manager.create_collection("docs", dimension=DIMENSION, index=index)
                workload, story.history = Workload(rng.randrange(2**31)), [State()]
            _tidy(manager, rng.random())
            if rng.random() < 0.05:
                story.older = disk.copy()
            verb, arguments = workload.next()
            story.unknown = await _comparable(docs, workload)
            await getattr(docs, verb)(**arguments)
        except VectorDatabaseError as error:
            assert beneath is not None, f"seed {seed}: {error}"
            story.failed = str(error)
            break
        story.history.append(story.unknown)
    if ending == "closed":
        await manager.close()
        return story, disk.copy()
    await _lose_power(manager)
    return story, disk.copy() if ending == "killed" else disk.crash()


def _tidy(manager: VectorDatabaseManager, chance: float) -> None:
    """A checkpoint or a compaction now and then."""
    database = manager._store._database  # type: ignore[union-attr]
    assert isinstance(database, Database)
    journal, table = database.journal("docs"), database.get("docs")
    assert journal is not None
    if chance < 0.12:
        journal.checkpoint()
    elif chance < 0.2:
        table.upkeep.compact(stop=lambda: False)


async def befall(seed: int) -> str:
    """Files are harmed after the end; returns how the next one to open them fares."""
    rng = random.Random(seed)
    ending, kind = rng.choice(ENDINGS), rng.choice(list(DAMAGES))
    story, disk = await _write(SimulatedDisk(seed), seed, ending=ending)
    _, other = await _write(SimulatedDisk(seed + 1_000_000), seed, ending="closed")
    for _ in range(rng.choice((1, 1, 1, 2))):
        DAMAGES[kind](Surroundings(disk, other, story.older or disk, rng))
    return f"{kind}: {await _reopened(disk, story, f'seed {seed}: {kind}, {ending}')}"


async def befall_beneath(seed: int) -> str:
    """Files are harmed while a process writes to them; returns how the next one fares."""
    rng = random.Random(seed)
    ending, kind = rng.choice(ENDINGS), rng.choice(list(DAMAGES))
    _, other = await _write(SimulatedDisk(seed + 1_000_000), seed, ending="closed")
    disk = SimulatedDisk(seed)

    def harm(older: SimulatedDisk) -> None:
        DAMAGES[kind](Surroundings(disk, other, older, rng))

    story, left = await _write(disk, seed, ending=ending, beneath=harm)
    told = "told the writer, " if story.failed else ""
    return f"{kind}: {told}{await _reopened(left, story, f'seed {seed}: {kind} beneath, {ending}, {story.failed}')}"


async def _reopened(disk: SimulatedDisk, story: Story, about: str) -> str:
    """All that was acknowledged, a named error, or a prefix that is reported; anything else fails."""
    before = {name: bytes(disk.read(name)) for name in disk.files()}
    try:
        manager = await _opened(disk)
    except VectorDatabaseError:
        return "a named error"
    try:
        docs = await manager.collection("docs")
        found = await _comparable(docs, None)
        facts = (await manager.get_statistics())["collections"]["docs"]["recovery"]
    except CollectionNotFoundError:
        if story.failed:
            return "gone, as the writer was told"
        raise AssertionError(f"{about}: the collection is gone and no error says so") from None
    except VectorDatabaseError:
        if "docs" in manager._store._database.damaged:  # type: ignore[union-attr]
            kept = {name: data for name, data in before.items() if name.startswith("/data/collections/docs/")}
            assert all(bytes(disk.read(name)) == data for name, data in kept.items()), f"{about}: files were touched"
        return "a named error"
    finally:
        await _lose_power(manager)
    if found == story.history[-1] or (story.failed and found == story.unknown):
        return "all there"
    assert found in story.history, f"{about}: neither the data nor a prefix of it"
    assert story.failed or facts["torn_bytes"] or facts["damage"] or facts["set_aside"] or not facts["closed"], (
        f"{about}: fewer records, and silence"
    )
    return "a prefix, reported"


@pytest.mark.parametrize("block", range(8))
async def test_whatever_befalls_the_files_is_never_silent(block: int) -> None:
    for seed in range(block * 50, block * 50 + 50):
        await befall(seed)


@pytest.mark.parametrize("block", range(4))
async def test_whatever_befalls_files_that_are_written_to_is_never_silent(block: int) -> None:
    for seed in range(block * 50, block * 50 + 50):
        await befall_beneath(seed)


@pytest.mark.long
async def test_damages_beneath_a_writer() -> None:
    endings: Counter[str] = Counter()
    for seed in range(50_000, 50_000 + int(os.environ.get("VPA_TEST_DAMAGES", "6000"))):
        endings[await befall_beneath(seed)] += 1
    sys.stderr.write("\n" + "\n".join(f"{count:5d}  {ending}" for ending, count in sorted(endings.items())) + "\n")


@pytest.mark.long
async def test_five_thousand_and_more_damages() -> None:
    endings: Counter[str] = Counter()
    for seed in range(50_000, 50_000 + int(os.environ.get("VPA_TEST_DAMAGES", "6000"))):
        endings[await befall(seed)] += 1
    sys.stderr.write("\n" + "\n".join(f"{count:5d}  {ending}" for ending, count in sorted(endings.items())) + "\n")
