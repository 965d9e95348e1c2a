"""How Weaviate is asked for the records of a scope."""

from __future__ import annotations

import asyncio

import pytest

from deployments import WEAVIATE_IS_BUILT, RunningStores
from vpa.base.records import Record
from vpa.base.scope import ALL_SCOPES, Scope
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.layout.driver import Where
from vpa.stores.weaviate.filters import Speller


@pytest.mark.parametrize("scope", [Scope(), Scope("acme"), Scope("acme", "docs")])
def test_a_scope_is_asked_for_by_what_its_records_have(scope: Scope) -> None:
    speller = Speller(known=None, negates=True)
    assert speller.spell(Where(scope)) is not None
    assert not speller.negated


@pytest.mark.skipif(not WEAVIATE_IS_BUILT, reason="the real Weaviate is not built here: make weaviate")
async def test_emptying_the_default_scope_leaves_what_others_write_meanwhile(stores: RunningStores) -> None:
    async with VectorDatabaseManager(stores.config("weaviate server")) as db:
        docs = await db.create_collection("emptied", dimension=8)
        done = False

        async def write(writer: int) -> int:
            written = 0
            while not done:
                records = [Record(f"r{n}", vector=[1.0, n, 0, 0, 0, 0, 0, 1]) for n in range(100)]
                written += await docs.upsert(records, scope=Scope(f"w{writer}n{written}"))
            return written

        async def empty() -> None:
            while not done:
                await docs.upsert([Record("mine", vector=[1.0] * 8)])
                await docs.delete(filter={}, allow_all=True)

        tasks = [asyncio.create_task(write(writer)) for writer in range(2)]
        emptying = [asyncio.create_task(empty()) for _ in range(3)]
        await asyncio.sleep(8)
        done = True
        written = sum(await asyncio.gather(*tasks))
        await asyncio.gather(*emptying)
        assert len([1 async for _ in docs.scan(scope=ALL_SCOPES)]) == written
        await db.drop_collection("emptied")
