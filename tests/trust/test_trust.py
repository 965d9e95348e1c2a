"""Recall is measured against the exact answer, and a drifted collection is found and mended."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

import vpa
from deployments import PROVIDERS, RunningStores
from vpa import Record, Scope
from vpa.base import errors
from vpa.base.records import CollectionInfo, Matches, Metric
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.embedded.store import EmbeddedStore
from vpa.stores.requests import Search
from vpa.trust.queries import draw, made_queries


def records(count: int) -> list[Record]:
    rng = np.random.default_rng(4)
    return [
        Record(f"r{n:03d}", vector=rng.standard_normal(6), text=f"t{n}", metadata={"half": n % 2, "tenth": n % 10})
        for n in range(count)
    ]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_recall_on_small_collections_is_whole(stores: RunningStores, provider: str) -> None:
    async with VectorDatabaseManager(stores.config(PROVIDERS[provider])) as db:
        docs = await db.create_collection("recall", dimension=6)
        await docs.upsert(records(200))
        report = await vpa.check_recall(docs, sample=8)
        assert (report.queries, report.recall, report.least) == (8, 1.0, 1.0)
        assert [round(one.selectivity, 2) for one in report.filtered] == [0.5, 0.2, 0.1]
        assert all(one.recall == 1.0 for one in report.filtered)
        assert (await db.get_statistics())["collections"]["recall"]["gauges"] == {"recall": 1.0}
        await db.drop_collection("recall")


class Forgetful(EmbeddedStore):
    """Misses the best match of every search that need not be exact."""

    provider = "forgetful"

    async def search(self, info: CollectionInfo, request: Search) -> list[Matches]:
        found = await super().search(info, request)
        return found if request.exact else [Matches(one.items[1:], False, one.usage) for one in found]


async def test_a_search_that_misses_is_found_out() -> None:
    async with VectorDatabaseManager(store=Forgetful()) as db:
        docs = await db.create_collection("docs", dimension=6)
        await docs.upsert(records(100))
        report = await vpa.check_recall(docs, sample=5, top_k=10)
        assert report.recall == pytest.approx(0.9)
        with pytest.raises(errors.InvalidQueryError):
            await vpa.check_recall(docs, sample=0)


async def test_an_empty_scope_has_no_recall() -> None:
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=6)
        await docs.upsert(records(5), scope=Scope("acme"))
        for queries in (None, [[1.0] * 6]):
            report = await vpa.check_recall(docs, queries=queries)
            assert (report.measured, report.queries, report.filtered) == (False, 0, [])
            assert math.isnan(report.recall)
            assert math.isnan(report.least)
            assert str(report).startswith("nothing to measure")
            assert json.dumps(report.to_json(), allow_nan=False).count("null") == 2
        assert (await db.get_statistics())["collections"]["docs"]["gauges"] == {}
        report = await vpa.check_recall(docs, scope=Scope("acme"))
        assert (report.queries, report.recall) == (5, 1.0)


async def test_queries_lie_near_records_and_between_them() -> None:
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=6)
        await docs.upsert(records(40))
        report = await vpa.check_recall(docs, sample=8)
        assert report.kinds == {"moved": 1.0, "between": 1.0}
        asked = made_queries([r async for r in docs.scan()], count=8, metric=Metric.COSINE, seed=0)
        assert asked.kinds == ("moved", "moved", "moved", "between") * 2
        np.testing.assert_allclose(np.linalg.norm(asked.vectors, axis=1), 1, rtol=1e-6)


async def test_records_are_drawn_from_the_whole_scan_and_not_only_from_its_first() -> None:
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=2)
        ids = [f"r{n:05d}" for n in range(12_000)]
        angles = np.linspace(0, 1, len(ids))
        await docs.upsert(vpa.RecordBatch(ids=ids, vectors=np.stack([np.cos(angles), np.sin(angles)], axis=1)))
        drawn = [int(record.id[1:]) for record in await draw(docs, scope=Scope(), seed=3)]
        assert len(set(drawn)) == 2_000
        assert 5_500 < np.mean(drawn) < 6_500
        assert drawn == [int(record.id[1:]) for record in await draw(docs, scope=Scope(), seed=3)]


class LostFar(EmbeddedStore):
    """Its ordinary search finds nothing for queries on the far side."""

    provider = "lost-far"

    async def search(self, info: CollectionInfo, request: Search) -> list[Matches]:
        found = await super().search(info, request)
        far = np.asarray(request.vectors)[:, 0] < 0
        return [Matches([], False) if lost and not request.exact else one for lost, one in zip(far, found, strict=True)]


async def test_real_queries_take_the_place_of_made_ones() -> None:
    async with VectorDatabaseManager(store=LostFar()) as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert([Record(f"r{n}", vector=[1, n / 1e6], metadata={"half": n % 2}) for n in range(20)])
        report = await vpa.check_recall(docs, queries=np.asarray([[1, 0], [-1, 0], [-1, 0.1], [2, 2]]))
        assert (report.queries, report.recall, report.least, report.kinds) == (4, 0.5, 0.0, {"own": 0.5})
        assert [one.recall for one in report.filtered] == [0.5]
        for wrong, said in (
            ([[1, 0, 0]], "has 3 dimensions"),
            ([1, 0], r"must have 2 dimension"),
            ([], "holds no vector"),
            ([[0, 0]], "no direction"),
            ("what is it?", "real numbers"),
        ):
            with pytest.raises(errors.InvalidQueryError, match=said):
                await vpa.check_recall(docs, queries=wrong)


@pytest.mark.parametrize("wrong", [0, -1, True, 2.5, "ten", None])
async def test_a_sample_is_a_number_and_a_scope_is_one(wrong: Any) -> None:
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=6)
        await docs.upsert(records(3))
        with pytest.raises(errors.InvalidQueryError, match="sample must be"):
            await vpa.check_recall(docs, sample=wrong)
        if wrong is not None:
            with pytest.raises(errors.InvalidQueryError, match="sample must be"):
                await vpa.check(docs, sample=wrong)
        for scope in ("acme", vpa.ALL_SCOPES, None):
            with pytest.raises(errors.InvalidQueryError, match=r"scope must be a vpa\.Scope"):
                await vpa.check_recall(docs, scope=scope)  # type: ignore[arg-type]


async def drifted(docs: vpa.Collection) -> list[Record]:
    source = records(30)
    await docs.upsert(source[:25])
    await docs.update_metadata(ids=["r003"], set={"half": 9})
    await docs.upsert(
        [Record("r004", vector=[1] * 6, text="t4", metadata=source[4].metadata), Record("old", vector=[1] * 6)]
    )
    return source


async def test_audit_names_what_is_missing_stale_and_orphaned() -> None:
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=6)
        source = await drifted(docs)
        report = await vpa.audit(docs, source)
        assert (report.checked, report.missing) == (30, [f"r{n:03d}" for n in range(25, 30)])
        assert (report.stale, report.orphaned, report.ok) == (["r003", "r004"], ["old"], False)


@pytest.mark.parametrize("delete_orphans", [True, False])
async def test_repair_mends_and_a_second_one_finds_nothing(delete_orphans: bool) -> None:
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=6)
        source = await drifted(docs)

        async def each() -> Any:
            for record in source:
                yield record

        first = await vpa.repair(docs, each(), delete_orphans=delete_orphans)
        assert len(first.missing) == 5
        second = await vpa.audit(docs, source)
        assert (second.missing, second.stale, second.orphaned) == ([], [], [] if delete_orphans else ["old"])


async def test_a_missing_record_without_a_vector_cannot_be_mended() -> None:
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=6)
        await docs.upsert(records(2))
        bare = [Record("r000", vector=None, text="new"), Record("r999", vector=None)]
        with pytest.raises(errors.InvalidRecordError, match="r999"):
            await vpa.repair(docs, bare)
        assert (await vpa.repair(docs, bare[:1])).stale == ["r000"]
        assert (await docs.get(["r000"]))[0].text == "new"


async def test_a_source_that_gives_nothing_deletes_nothing() -> None:
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=2)
        rows = [vpa.Record(f"r{n}", vector=[1, n]) for n in range(40)]
        await docs.upsert(rows)
        source = (record for record in rows)
        assert (await vpa.audit(docs, source)).checked == 40
        with pytest.raises(errors.InvalidRecordError, match="the source gave no record, so all 40"):
            await vpa.repair(docs, source, delete_orphans=True)
        assert await docs.count() == 40

        async def beside() -> AsyncIterator[vpa.Record]:
            for record in rows[:39]:
                yield record
            await docs.upsert([vpa.Record("new", vector=[1, 1])])

        assert (await vpa.repair(docs, beside(), delete_orphans=True)).orphaned == ["r39"]
        assert await docs.count() == 40
