"""A collection of an old or a later layout is refused by name and nothing of it is touched; it can be listed and
dropped.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployments import PROVIDERS, RunningStores
from vpa import Record
from vpa.base import errors
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.layout.store import LayoutStore

LAYOUTS = {1: "vpa export", 3: "upgrade vpa"}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("provider", sorted(set(PROVIDERS) - {"mock", "pgvector"}))
async def test_another_layout_is_refused(stores: RunningStores, provider: str, layout: int) -> None:
    async with VectorDatabaseManager(stores.config(PROVIDERS[provider])) as db:
        docs = await db.create_collection("layouts", dimension=2)
        try:
            await docs.upsert([Record("a", vector=[1, 0])])
            store = db._store
            assert isinstance(store, LayoutStore)
            await store.driver.save_info(replace(docs.info, layout_version=layout))
            for call in (
                lambda: db.collection("layouts"),
                lambda: db.create_collection("layouts", dimension=2, exist_ok=True),
            ):
                with pytest.raises(errors.ConfigurationError, match=LAYOUTS[layout]):
                    await call()
            await db.create_collection("plain", dimension=2, exist_ok=True)
            assert {"layouts", "plain"} <= set(await db.list_collections())
            assert "plain" in (await db.get_statistics())["collections"]
            await store.driver.save_info(docs.info)
            assert await (await db.collection("layouts")).count() == 1
            await store.driver.save_info(replace(docs.info, layout_version=layout))
        finally:
            await db.drop_collection("layouts")
        assert "layouts" not in await db.list_collections()
        await db.drop_collection("plain")
        with pytest.raises(errors.CollectionNotFoundError):
            await db.drop_collection("layouts")


async def test_pgvector_refuses_it_too(stores: RunningStores) -> None:
    async with VectorDatabaseManager(stores.config(PROVIDERS["pgvector"])) as db:
        docs = await db.create_collection("layouts", dimension=2)
        try:
            database = db._store._database  # type: ignore[union-attr]
            sql = f"UPDATE {database.registry} SET info = replace(info, $2, $3) WHERE name = $1"
            change = [docs.info.name, '"layout_version": 2', '"layout_version": 1']
            await database.fetch("test", sql, change)
            with pytest.raises(errors.ConfigurationError, match="vpa export"):
                await db.collection("layouts")
        finally:
            await db.drop_collection("layouts")
