"""Listing collections while another process drops one of them."""

from __future__ import annotations

from typing import Any

import pytest

from deployments import RunningStores
from vpa.client.manager import VectorDatabaseManager


@pytest.mark.parametrize(
    ("form", "lists"), [("qdrant engine", "get_collections"), ("milvus lite over gRPC", "list_collections")]
)
async def test_a_collection_that_is_dropped_between_its_listing_and_its_description_is_left_out(
    stores: RunningStores, monkeypatch: pytest.MonkeyPatch, form: str, lists: str
) -> None:
    config = stores.config(form)
    async with VectorDatabaseManager(config) as db, VectorDatabaseManager(config) as other:
        for name in ("stays", "goes"):
            await db.create_collection(name, dimension=2)
        client: Any = db._store.driver._connection.client  # type: ignore[union-attr]
        listing = getattr(client, lists)

        async def then_dropped(**options: Any) -> Any:
            listed = await listing(**options)
            await other.drop_collection("goes")
            return listed

        monkeypatch.setattr(client, lists, then_dropped)
        names = await db.list_collections()
        assert "stays" in names
        assert "goes" not in names
        monkeypatch.undo()
        await db.drop_collection("stays")
