"""`vpa.check`: what an index does not know is named, and written again as it was."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vpa
from deployments import STORES, RunningStores
from vpa.base import errors
from vpa.base.records import Record
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager
from vpa.main import main
from vpa.stores.config import VectorDatabaseConfig
from wire.weaviate_server import weaviate_server

SCOPE = vpa.Scope("t", "n")


async def filled(db: VectorDatabaseManager, *, metric: str = "cosine", name: str = "check") -> Collection:
    docs = await db.create_collection(name, dimension=6, metric=metric)
    rows = np.random.default_rng(3).standard_normal((60, 6)).astype(np.float32)
    records = [Record(f"r{n:02d}", vector=row, text=f"t{n}", metadata={"n": n}) for n, row in enumerate(rows)]
    await docs.upsert(records)
    await docs.upsert(records[:5], scope=SCOPE)
    return docs


@pytest.mark.parametrize("store", STORES)
async def test_a_sound_collection_is_whole_on_every_store(stores: RunningStores, store: str) -> None:
    async with VectorDatabaseManager(stores.config(store)) as db:
        docs = await filled(db)
        report = await vpa.check(docs)
        assert (report.apart, report.counts, report.ok) == ([], [], True)
        assert (report.records, report.searched, report.scopes, report.undecided) == (65, 65, 2, 0)
        await db.drop_collection("check")


@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
async def test_equal_vectors_are_undecided_not_apart(metric: str) -> None:
    async with vpa.connect("mock://") as db:
        docs = await filled(db, metric=metric)
        await docs.upsert([Record(f"same{n}", vector=[1] * 6) for n in range(600)])
        report = await vpa.check(docs)
        assert report.ok
        assert report.undecided >= 100
        assert report.searched + report.undecided == 665


async def test_a_sample_is_drawn_and_said() -> None:
    async with vpa.connect("mock://") as db:
        docs = await filled(db)
        report = await vpa.check(docs, sample=10)
        assert (report.ok, report.records, report.searched) == (True, 65, 10)
        with pytest.raises(errors.InvalidQueryError, match="sample"):
            await vpa.check(docs, sample=0)


async def test_records_that_come_and_go_meanwhile_are_not_apart() -> None:
    async with vpa.connect("mock://") as db:
        docs = await filled(db)
        vectors = np.random.default_rng(4).standard_normal((1000, 6))

        async def write() -> None:
            for number in range(1_000_000):
                fresh = [Record(f"w{number}-{row}", vector=vectors[(number + row) % 1000]) for row in range(3)]
                await docs.upsert([*fresh, Record("r00", vector=vectors[number % 1000])])
                await docs.delete(ids=[f"w{number - 5}-{row}" for row in range(3 if number % 40 else 2)])
                await asyncio.sleep(0.0005)

        writer = asyncio.create_task(write())
        try:
            reports = [await vpa.check(docs) for _ in range(5)]
            assert [(report.apart, report.counts) for report in reports] == [([], [])] * 5
            assert any(report.written_to for report in reports)
        finally:
            writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
        report = await vpa.check(docs)
        assert (report.ok, report.written_to) == (True, False)


async def test_what_weaviates_indexes_lost_is_named_by_view_and_mended() -> None:
    with weaviate_server() as (url, app):
        async with vpa.connect(url) as db:
            docs = await filled(db)
            before = {(one.id): one async for one in docs.scan()}
            app.crash(unfiltered=3, unvectored=4)
            report = await vpa.check(docs)
            assert not report.ok
            assert (
                # A scan goes by the same cursor as Weaviate's own iteration.
                sorted(one.lacking for one in report.apart) == [("get",)] * 3 + [("search", "exact search")] * 4
            )
            assert {count.records - count.counted for count in report.counts} <= {1, 2, 3}
            mended = await vpa.check(docs, repair=True)
            assert mended.ok
            assert [(one.scope, one.id) for one in mended.repaired] == [(one.scope, one.id) for one in report.apart]
            after = {one.id: one async for one in docs.scan()}
            assert after.keys() == before.keys()
            assert all(_same(after[name], before[name]) for name in before)


def _same(left: Record, right: Record) -> bool:
    plain = (left.text, dict(left.metadata), left.system) == (right.text, dict(right.metadata), right.system)
    return plain and np.array_equal(np.asarray(left.vector), np.asarray(right.vector))


async def test_a_count_of_what_is_gone_stays_and_is_said() -> None:
    with weaviate_server() as (url, app):
        async with vpa.connect(url) as db:
            docs = await filled(db)
            app.crash(stale=2)
            report = await vpa.check(docs, repair=True)
            assert report.apart == []
            assert [(one.counted, one.records) for one in report.counts] == [(62, 60), (7, 5)]
            assert not report.ok


async def test_a_record_that_changes_during_a_repair_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with weaviate_server() as (url, app):
        async with vpa.connect(url) as db:
            docs = await filled(db)
            app.crash(unvectored=1)
            upsert = docs.upsert

            async def changed(records: Any, **options: Any) -> int:
                return await upsert([Record(one.id, vector=one.vector, text="other") for one in records], **options)

            monkeypatch.setattr(docs, "upsert", changed)
            with pytest.raises(errors.StorageCorruptedError, match="content"):
                await vpa.check(docs, repair=True)


def test_the_program_says_what_is_apart_and_how_it_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def fill(url: str) -> None:
        async with vpa.connect(url) as db:
            await filled(db, name="vpa-index")

    with weaviate_server() as (url, app):
        asyncio.run(fill(url))
        assert main(["check", url]) == 0
        assert (
            "65 records in 2 scopes, the same by iteration, scan, get, search, exact search and count"
            in capsys.readouterr().out
        )
        app.crash(unvectored=2)
        assert main(["check", url, "--json"]) == 1
        assert len(json.loads(capsys.readouterr().out)["apart"]) == 2
        assert main(["check", url]) == 1
        assert "--repair" in capsys.readouterr().out
        assert main(["check", url, "--repair"]) == 0
        assert "written again: " in capsys.readouterr().out
        assert main(["check", url, "--sample", "7"]) == 0
        assert "a sample: 7 of 65" in capsys.readouterr().out
    assert main(["check", f"mock://{tmp_path}", "--collection", "nothing"]) == 3


async def test_an_empty_collection_is_whole() -> None:
    async with VectorDatabaseManager(VectorDatabaseConfig(dimension=6)) as db:
        report = await vpa.check(await db.collection("vpa-index"), repair=True)
        assert (report.ok, report.records) == (True, 0)
