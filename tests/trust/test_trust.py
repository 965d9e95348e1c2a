"""Recall is measured against the exact answer, and a drifted collection is found and mended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

import vpa
from deployments import PROVIDERS, RunningStores
from vpa import Record
from vpa.base import errors
from vpa.base.records import CollectionInfo, Matches
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.embedded.store import EmbeddedStore
from vpa.stores.requests import Search


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
