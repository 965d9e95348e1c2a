"""Whatever befalls the files of a store: the right data, a named error, or a prefix that is reported. Never silence."""

from __future__ import annotations

import os
import random
import sys
from collections import Counter

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


async def _history(disk: SimulatedDisk, seed: int, *, ending: str) -> tuple[list[State], SimulatedDisk, SimulatedDisk]:
    """States after each change, the disk at the end, and the disk at some time before."""
    rng = random.Random(seed)
    quantization, originals = STORAGE[seed % len(STORAGE)]
    manager = await _opened(disk)
    index = IndexOptions(quantization=quantization, originals=originals)  # type: ignore[arg-type]
    docs = await manager.create_collection("docs", dimension=DIMENSION, index=index)
    database = manager._store._database  # type: ignore[union-attr]
    assert isinstance(database, Database)
    workload, history, older = Workload(seed), [State()], disk.copy()
    for _ in range(rng.randrange(4, 30)):
        chance = rng.random()
        journal, table = database.journal("docs"), database.get("docs")
        assert journal is not None
        if chance < 0.12:
            journal.checkpoint()
        elif chance < 0.2:
            table.upkeep.compact(stop=lambda: False)
        elif chance < 0.25:
            # A drop beside whatever works in the background, and a successor of the same name.
            await manager.drop_collection("docs")
            docs = await manager.create_collection("docs", dimension=DIMENSION, index=index)
            workload, history = Workload(rng.randrange(2**31)), [State()]
        elif chance < 0.3:
            older = disk.copy()
        verb, arguments = workload.next()
        await getattr(docs, verb)(**arguments)
        history.append(await _comparable(docs, workload))
    if ending == "closed":
        await manager.close()
        return history, disk.copy(), older
    await _lose_power(manager)
    return history, disk.copy() if ending == "killed" else disk.crash(), older


async def befall(seed: int) -> str:
    """Tell the story; returns how it ended."""
    rng = random.Random(seed)
    ending, kind = rng.choice(ENDINGS), rng.choice(list(DAMAGES))
    history, disk, older = await _history(SimulatedDisk(seed), seed, ending=ending)
    _, other, _ = await _history(SimulatedDisk(seed + 1_000_000), seed, ending="closed")
    for _ in range(rng.choice((1, 1, 1, 2))):
        DAMAGES[kind](Surroundings(disk, other, older, rng))
    before = {name: bytes(disk.read(name)) for name in disk.files()}
    try:
        manager = await _opened(disk)
    except VectorDatabaseError:
        return f"{kind}: a named error"
    try:
        docs = await manager.collection("docs")
        found = await _comparable(docs, None)
        facts = (await manager.get_statistics())["collections"]["docs"]["recovery"]
    except CollectionNotFoundError:
        raise AssertionError(f"seed {seed}: the collection is gone and no error says so") from None
    except VectorDatabaseError:
        if "docs" in manager._store._database.damaged:  # type: ignore[union-attr]
            kept = {name: data for name, data in before.items() if name.startswith("/data/collections/docs/")}
            assert all(bytes(disk.read(name)) == data for name, data in kept.items()), (
                f"seed {seed}: files were touched"
            )
        return f"{kind}: a named error"
    finally:
        await _lose_power(manager)
    if found == history[-1]:
        return f"{kind}: all there"
    assert found in history, f"seed {seed}: {kind}, {ending}: neither the data nor a prefix of it"
    assert facts["torn_bytes"] or facts["damage"] or facts["set_aside"] or not facts["closed"], (
        f"seed {seed}: {kind}, {ending}: fewer records, and silence"
    )
    return f"{kind}: a prefix, reported"


@pytest.mark.parametrize("block", range(8))
async def test_whatever_befalls_the_files_is_never_silent(block: int) -> None:
    for seed in range(block * 50, block * 50 + 50):
        await befall(seed)


@pytest.mark.long
async def test_five_thousand_and_more_damages() -> None:
    endings: Counter[str] = Counter()
    for seed in range(50_000, 50_000 + int(os.environ.get("VPA_TEST_DAMAGES", "6000"))):
        endings[await befall(seed)] += 1
    sys.stderr.write("\n" + "\n".join(f"{count:5d}  {ending}" for ending, count in sorted(endings.items())) + "\n")
