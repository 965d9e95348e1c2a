"""Searches that come together are answered together, and each gets what it would have got alone."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

import vpa
from engine.vectors import clustered
from vpa import F, RecordBatch
from vpa.engine.table import Table
from vpa.engine.upkeep import Upkeep

ROWS = clustered(6_000, 128)
QUERIES = clustered(40, 128, seed=1)


async def filled(db: vpa.VectorDatabaseManager) -> vpa.Collection:
    docs = await db.create_collection("docs", dimension=128)
    metadata = [{"n": n, "one": [1, True, 1.0, "1"][n % 4]} for n in range(len(ROWS))]
    await docs.upsert(RecordBatch(ids=[str(n) for n in range(len(ROWS))], vectors=ROWS, metadata=metadata))
    return docs


async def test_many_callers_get_what_each_gets_alone() -> None:
    async with vpa.connect("mock://") as db:
        docs = await filled(db)
        asked = [
            {
                "top_k": 1 + n % 3,
                "filter": [None, F("one") == 1, F("one").is_in([True]), F("n") < 100][n % 4],
                "exact": n % 5 == 0,
            }
            for n in range(len(QUERIES))
        ]
        alone = [await docs.search(vector=query, **options) for query, options in zip(QUERIES, asked, strict=True)]
        together = await asyncio.gather(
            *(docs.search(vector=query, **options) for query, options in zip(QUERIES, asked, strict=True))
        )
        for one, other in zip(alone, together, strict=True):
            assert [(match.id, match.score) for match in one] == [(match.id, match.score) for match in other]


async def test_those_who_wait_share_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    search = Table.search

    def counted(self: Table, request: vpa.base.query.SearchRequest, node: vpa.Filter) -> object:  # type: ignore[name-defined]
        sizes.append(len(request.vectors))
        return search(self, request, node)

    monkeypatch.setattr(Table, "search", counted)
    async with vpa.connect("mock://") as db:
        docs = await filled(db)
        await asyncio.gather(*(docs.search(vector=query) for query in QUERIES))
    assert sum(sizes) == len(QUERIES)
    assert len(sizes) < len(QUERIES) / 4


async def test_one_that_is_alone_needs_no_thread_and_others_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[bool] = []
    sizes: list[int] = []
    search = Table.search

    def counted(self: Table, request: vpa.base.query.SearchRequest, node: vpa.Filter) -> object:  # type: ignore[name-defined]
        threads.append(threading.current_thread() is not threading.main_thread())
        sizes.append(len(request.vectors))
        return search(self, request, node)

    monkeypatch.setattr(Table, "search", counted)
    # However slow this machine is just now, a search counts as short.
    monkeypatch.setattr("vpa.stores.embedded.searching._SHORT_S", 10.0)
    async with vpa.connect("mock://") as db:
        docs = await filled(db)
        for query in QUERIES:
            assert len(await docs.search(vector=query)) == 10
        assert sum(threads) <= 1
        sizes.clear()

        async def caller() -> None:
            for query in QUERIES[:10]:
                await docs.search(vector=query)

        await asyncio.gather(*(caller() for _ in range(20)))
    assert sum(sizes) == 200
    # It takes sixteen searches at the most to see that others ask too.
    assert sizes.count(1) <= 17
    assert max(sizes) > 5


async def test_a_cancelled_caller_harms_nobody() -> None:
    async with vpa.connect("mock://") as db:
        docs = await filled(db)
        tasks = [asyncio.create_task(docs.search(vector=query)) for query in QUERIES]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in found[::2])
        for query, one in zip(QUERIES[1::2], found[1::2], strict=True):
            assert one.ids == (await docs.search(vector=query)).ids


async def test_the_error_of_one_is_not_that_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    search = Table.search

    def failing(self: Table, request: object, node: object) -> object:
        if "poison" in repr(node):
            raise vpa.errors.ProviderError("this filter breaks the engine")
        return search(self, request, node)  # type: ignore[arg-type]

    monkeypatch.setattr(Table, "search", failing)
    async with vpa.connect("mock://") as db:
        docs = await filled(db)
        nodes = [F("poison") == 1 if n % 3 == 0 else None for n in range(12)]
        found = await asyncio.gather(
            *(docs.search(vector=QUERIES[n], filter=node) for n, node in enumerate(nodes)), return_exceptions=True
        )
        assert [isinstance(one, vpa.errors.ProviderError) for one in found] == [n % 3 == 0 for n in range(12)]


async def test_closing_while_searches_wait_ends_them_all() -> None:
    manager = vpa.connect("mock://")
    async with manager as db:
        docs = await filled(db)
        tasks = [asyncio.create_task(docs.search(vector=query, exact=True)) for query in np.repeat(QUERIES, 5, axis=0)]
        await asyncio.sleep(0)
    found = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
    assert all(isinstance(one, vpa.Matches | vpa.errors.VectorDatabaseError | asyncio.CancelledError) for one in found)


async def test_codes_are_made_in_the_background_and_shown() -> None:
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=128, index={"first_pass": "signs"})
        rows = clustered(20_000, 128)
        await docs.upsert(RecordBatch(ids=[str(n) for n in range(len(rows))], vectors=rows))
        found = await docs.search(vector=rows[7], top_k=1)
        assert found.ids == ["7"]

        async def index() -> dict[str, object]:
            return (await db.get_statistics())["collections"]["docs"]["index"]  # type: ignore[no-any-return]

        async with asyncio.timeout(60):
            while "measured" not in await index():
                await asyncio.sleep(0.01)
        assert (await index())["coded_rows"] == 20_000
        assert (await docs.search(vector=rows[7], top_k=1)).ids == ["7"]


async def test_codes_that_cannot_be_made_are_named_and_searches_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(self: Upkeep, *, stop: object) -> None:
        raise MemoryError("no room for codes")

    monkeypatch.setattr(Upkeep, "make_codes", failing)
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=128)
        rows = clustered(20_000, 128)
        await docs.upsert(RecordBatch(ids=[str(n) for n in range(len(rows))], vectors=rows))
        found = await docs.search(vector=rows[7], top_k=1)
        assert found.ids == ["7"]
        assert found.exact
        async with asyncio.timeout(10):
            while not (error := (await db.get_statistics())["collections"]["docs"]["index"]["error"]):
                await asyncio.sleep(0.01)
        assert error == "MemoryError: no room for codes"
