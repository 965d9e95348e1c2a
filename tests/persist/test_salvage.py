"""Salvage keeps whatever is sound, says what it costs before, and what was lost after; a backup is proved."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import vpa
from persist.stores import INFO, SCOPE, content, filled, of_docs, records, write
from vpa.base import errors
from vpa.base.query import OnConflict
from vpa.base.records import CollectionInfo, Record
from vpa.base.scope import ALL_SCOPES, Scope
from vpa.base.validation import check_batch
from vpa.engine.database import Database
from vpa.engine.persist.files import OSFiles
from vpa.engine.persist.frames import read_log
from vpa.engine.persist.snapshot import Snapshot
from vpa.engine.repair import Plan, Repair
from vpa.filters.ast import ALWAYS

TRUTH = {record.id: record for start in range(0, 20, 5) for record in records(start, start + 5)}


def damage(path: Path, place: int, count: int = 8) -> None:
    data = bytearray(path.read_bytes())
    for position in range(place, min(len(data), place + count)):
        data[position] ^= 0x55
    path.write_bytes(bytes(data))


def salvage(directory: Path) -> tuple[Plan, dict[str, str]]:
    repair = Repair(str(directory))
    try:
        before = content(directory)
        plan = repair.plan()
        assert content(directory) == before
        return plan, repair.carry_out(plan)
    finally:
        repair.close()


def stored(directory: Path) -> dict[str, Record]:
    database = Database(str(directory))
    try:
        assert database.damaged == {}
        batches = database.get("docs").scan(
            ALWAYS, scope=ALL_SCOPES, batch_size=1000, cursor=None, include_vectors=True
        )
        return {record.id: record for batch in batches for record in batch}
    finally:
        database.close()


def section(path: Path, name: str) -> tuple[int, int]:
    facts = Snapshot(OSFiles(), str(path), lenient=True).facts["sections"][name]
    return facts["offset"], facts["length"]


def test_changes_before_and_behind_damage_are_kept(tmp_path: Path) -> None:
    filled(tmp_path, snapshot=False)
    log = of_docs(tmp_path, "log-00000000.vpa")
    contents = read_log(memoryview(log.read_bytes()), "log")
    damage(log, contents.header_bytes + 60)
    original = content(of_docs(tmp_path, "."))
    plan, aside = salvage(tmp_path)
    found = plan.salvaged["docs"]
    assert (found.kept_records, found.lost_changes, found.lost_records) == (15, 1, 0)
    assert "change 1 is lost" in found.notes
    assert content(Path(aside["docs"])) == original
    assert set(stored(tmp_path)) == {f"r{n}" for n in range(5, 20)}


@pytest.mark.parametrize("name", ["collection.json", "store.json", "log header", "all three"])
def test_the_rest_says_what_a_lost_description_said(tmp_path: Path, name: str) -> None:
    filled(tmp_path)
    paths = {
        "collection.json": of_docs(tmp_path, "collection.json"),
        "store.json": tmp_path / "store.json",
        "log header": of_docs(tmp_path, "log-00000001.vpa"),
    }
    for one, path in paths.items():
        if name in (one, "all three") and (name != "all three" or one != "log header"):
            damage(path, 10)
    plan, _ = salvage(tmp_path)
    assert set(stored(tmp_path)) == set(TRUTH)
    for found in plan.salvaged.values():
        assert (found.lost_records, found.lost_changes, found.uncertain) == (0, 0, 0)
        # Only the manifest says where the log ended.
        assert found.is_whole == found.end_is_known == (name not in ("collection.json", "all three"))


def large(directory: Path, *, snapshot: bool, quantization: str = "none", originals: bool = True) -> None:
    """2,000 records in two scopes, in one change each, with texts."""
    index = vpa.IndexOptions(quantization=quantization, originals=originals)  # type: ignore[arg-type]
    info = CollectionInfo(name="docs", dimension=32, metric="cosine", index=index)  # type: ignore[arg-type]
    rng = np.random.default_rng(5)
    database = Database(str(directory))
    docs = database.create(info)
    for scope in (SCOPE, Scope("tenant", "space")):
        rows = [
            Record(f"{scope.tenant}{n:05d}", vector=rng.standard_normal(32), text=f"text {n} " * 20, metadata={"n": n})
            for n in range(1_000)
        ]
        docs.upsert(check_batch(rows, info=info), scope=scope, on_conflict=OnConflict.REPLACE, replacing=None)
    if snapshot:
        journal = database.journal("docs")
        assert journal is not None
        journal.checkpoint()
    database.close()
    # Opened again, so that no older generation is left.
    Database(str(directory)).close()


@pytest.mark.parametrize("snapshot", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_eight_damaged_bytes_cost_few_records_wherever_they_are(tmp_path: Path, snapshot: bool, seed: int) -> None:
    large(tmp_path, snapshot=snapshot)
    truth = stored(tmp_path)
    path = of_docs(tmp_path, "snapshot-00000001.vpa" if snapshot else "log-00000000.vpa")
    rng = random.Random(seed)
    damage(path, rng.randrange(64, path.stat().st_size - 64))
    plan, aside = salvage(tmp_path)
    kept = stored(tmp_path)
    found = plan.salvaged.get("docs")
    if found is None:
        # Between two sections.
        assert len(kept) == 2_000
        return
    assert len(kept) == found.kept_records
    # A change whose header is damaged is lost whole.
    assert found.kept_records + found.lost_records == 2_000 - 1_000 * found.lost_changes
    # Ids are 12 kB in parts of 4 kB, so a part of them costs the most.
    assert len(kept) >= 1_000
    without_text = 0
    for name, record in kept.items():
        assert np.array_equal(record.vector, truth[name].vector)  # type: ignore[arg-type]
        assert record.metadata == truth[name].metadata
        without_text += record.text is None
        assert record.text in (None, truth[name].text)
    assert without_text == found.lost_texts
    for line in Path(aside["docs"]).glob("*.jsonl"):
        for one in map(json.loads, line.read_text().splitlines()):
            assert one["id"] not in kept
            assert one.get("text", truth[one["id"]].text) == truth[one["id"]].text


@pytest.mark.parametrize(
    "part", ["ids", "vectors", "texts.bytes", "texts.lengths", "metadata.bytes", "scopes", "columns.0.rows"]
)
def test_each_part_of_a_snapshot_may_be_damaged(tmp_path: Path, part: str) -> None:
    large(tmp_path, snapshot=True)
    path = of_docs(tmp_path, "snapshot-00000001.vpa")
    offset, length = section(path, part)
    damage(path, offset + length // 2)
    plan, aside = salvage(tmp_path)
    found = plan.salvaged["docs"]
    lost = found.lost_records, found.lost_texts
    assert {
        "ids": lost[0] > 0,
        "vectors": 0 < lost[0] < 100,
        "texts.bytes": lost[0] == 0 < lost[1] < 200,
        "texts.lengths": lost[0] == 0 < lost[1] < 1_000,
        "metadata.bytes": lost[0] > 0,
        "scopes": lost[0] > 0,
        "columns.0.rows": lost == (0, 0),
    }[part], lost
    assert len(stored(tmp_path)) == found.kept_records == 2_000 - lost[0]
    if part == "vectors":
        [remains] = Path(aside["docs"]).glob("*.jsonl")
        rows = [json.loads(line) for line in remains.read_text().splitlines()]
        assert len(rows) == lost[0]
        assert all(row["text"].startswith("text ") and "n" in row["metadata"] for row in rows)


@pytest.mark.parametrize("kind", ["int8", "int4", "binary"])
@pytest.mark.parametrize("originals", [True, False])
@pytest.mark.parametrize("snapshot", [True, False])
def test_quantised_collections_are_salvaged(tmp_path: Path, kind: str, originals: bool, snapshot: bool) -> None:
    large(tmp_path, snapshot=snapshot, quantization=kind, originals=originals)
    path = of_docs(tmp_path, "snapshot-00000001.vpa" if snapshot else "log-00000000.vpa")
    if snapshot:
        offset, length = section(path, "vectors" if originals else "vectors.codes")
        damage(path, offset + length // 2)
    else:
        damage(path, path.stat().st_size // 4)
    plan, _ = salvage(tmp_path)
    # The codes of `binary` are 8 kB in parts of 4 kB.
    assert plan.salvaged["docs"].kept_records >= 900
    assert len(stored(tmp_path)) == plan.salvaged["docs"].kept_records


def test_what_is_no_collection_is_left_alone(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / "collections" / "thesis").mkdir()
    (tmp_path / "collections" / "thesis" / "one.txt").write_text("work")
    before = content(tmp_path)
    plan, aside = salvage(tmp_path)
    assert (list(plan.helpless), aside, plan.sound) == (["thesis"], {}, {"docs": 20})
    assert content(tmp_path) == before
    with pytest.raises(errors.StorageError, match="no store"):
        Repair(str(tmp_path / "nowhere"))
    assert not (tmp_path / "nowhere").exists()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Database]:
    database = filled(tmp_path / "store", close=False)
    yield database
    database.close()


async def test_a_live_directory_is_copied_and_opened(tmp_path: Path, live: Database) -> None:
    done = await vpa.backup(tmp_path / "store", tmp_path / "copy")
    assert done.collections["docs"].records == done.records == 20
    write(live, 20, 25)
    assert set(stored(tmp_path / "copy")) == set(TRUTH)
    database = Database(str(tmp_path / "copy"))
    assert database.reports()["docs"].clean
    write(database, 20, 25)
    database.close()
    assert len(stored(tmp_path / "copy")) == 25


@pytest.mark.parametrize("what", ["exists", "no store", "damaged"])
async def test_a_backup_that_cannot_be_right_is_not_made(tmp_path: Path, live: Database, what: str) -> None:
    source, target = tmp_path / "store", tmp_path / "copy"
    if what == "exists":
        target.mkdir()
    if what == "damaged":
        damage(of_docs(source, "snapshot-00000001.vpa"), 200)
    if what == "no store":
        source = tmp_path / "nothing"
    with pytest.raises(errors.StorageError):
        await vpa.backup(source, target)
    assert target.exists() is (what == "exists")
    assert not list(tmp_path.glob("copy.partial-*"))
    del live
    assert INFO.name == "docs"


async def test_a_copy_into_the_store_itself_is_refused(tmp_path: Path) -> None:
    store = tmp_path / "store"
    async with vpa.connect(f"mock://{store}") as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert([vpa.Record("a", vector=[1, 0])])
    (tmp_path / "link").symlink_to(store)
    for target in (store / "copy", store / "collections" / "docs" / "deep" / "copy", tmp_path / "link" / "copy"):
        with pytest.raises(errors.StorageError, match="lie inside one another"):
            await vpa.backup(store, target)
        assert not target.exists()
    assert (await vpa.backup(store, tmp_path / "store-copy")).records == 1


@pytest.mark.parametrize("name", ["store.json", "collections/docs/collection.json"])
async def test_a_file_of_names_that_is_no_text_is_named_in_few_words(tmp_path: Path, name: str) -> None:
    async with vpa.connect(f"mock://{tmp_path / 'store'}") as db:
        await db.create_collection("docs", dimension=2)
    path = tmp_path / "store" / name
    path.write_bytes(path.read_bytes().replace(b"store", b"st\xffre", 1))
    with pytest.raises(errors.StorageCorruptedError) as caught:
        async with vpa.connect(f"mock://{tmp_path / 'store'}") as db:
            await db.collection("docs")
    assert str(path) in caught.value.message
    assert "can't decode byte 0xff" in caught.value.message
    assert len(caught.value.message) < 400 + len(str(path))


async def test_a_collection_that_is_dropped_or_made_again_meanwhile_does_not_fail_a_backup(tmp_path: Path) -> None:
    async with vpa.connect(f"mock://{tmp_path / 'store'}") as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert([vpa.Record("a", vector=[1, 0])])

        async def churn() -> None:
            while True:
                made = await db.create_collection("passing", dimension=2)
                await made.upsert([vpa.Record("x", vector=[1, 0])])
                await db.drop_collection("passing")

        churning = asyncio.create_task(churn())
        try:
            for number in range(25):
                done = await vpa.backup(tmp_path / "store", tmp_path / f"copy{number}")
                assert done.collections["docs"].records == 1
        finally:
            churning.cancel()
        await asyncio.gather(churning, return_exceptions=True)


@pytest.mark.parametrize("name", ["words.rows", "words.terms", "words.lengths"])
def test_damaged_words_cost_no_record_and_are_taken_from_the_texts_again(tmp_path: Path, name: str) -> None:
    async def fill() -> None:
        async with vpa.connect(f"embedded://{tmp_path}") as db:
            docs = await db.create_collection("docs", dimension=2, keywords="english")
            await docs.upsert([Record(f"r{n}", vector=[1, n], text=f"pump number {n}") for n in range(40)])
            await docs.optimize()
            # The next snapshot removes the log, so that nothing but it holds the records.
            await docs.upsert([Record("r1", vector=[1, 1], text="pump number 1")])
            await docs.optimize()

    async def ask() -> tuple[int, list[str]]:
        async with vpa.connect(f"embedded://{tmp_path}") as db:
            docs = await db.collection("docs")
            return await docs.count(), (await docs.search(text="number 7", mode="keyword")).ids[:1]

    asyncio.run(fill())
    for snapshot in (tmp_path / "collections" / "docs").glob("snapshot-*.vpa"):
        damage(snapshot, section(snapshot, name)[0])
    salvage(tmp_path)
    assert asyncio.run(ask()) == (40, ["r7"])
