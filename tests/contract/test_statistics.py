"""What `get_statistics` holds, on every provider."""

from __future__ import annotations

import json

import pytest

from deployments import PROVIDERS, RunningStores
from vpa import Record
from vpa.client.manager import VectorDatabaseManager


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_it_is_json_and_holds_the_collections_that_were_opened(stores: RunningStores, provider: str) -> None:
    config = stores.config(PROVIDERS[provider])
    async with VectorDatabaseManager(config) as db:
        docs = await db.create_collection("facts", dimension=2)
        try:
            await db.create_collection("others", dimension=2)
            await docs.upsert([Record("a", vector=[1, 0])])
            facts = await db.get_statistics()
            assert json.loads(json.dumps(facts)) == facts
            assert facts["collections"]["facts"]["dimension"] == 2
            # The embedded engine's options are shown nowhere else.
            assert ("index" in facts["collections"]["facts"]) is (provider == "mock")
        finally:
            await db.drop_collection("facts")
    async with VectorDatabaseManager(config) as db:
        assert "others" not in (await db.get_statistics())["collections"]
        await db.drop_collection("others")
