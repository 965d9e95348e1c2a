"""Deletes by filter on Chroma's own server, and in this process, while others write."""

from __future__ import annotations

from typing import Any

import pytest

from deployments import PROVIDERS, RunningStores
from vpa import F, Record
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.chroma import store
from vpa.stores.config import VectorDatabaseConfig


def records(number: int, status: str) -> list[Record]:
    return [Record(f"r{n}", vector=[1, n, 0], metadata={"status": status, "n": n}) for n in range(number)]


@pytest.mark.parametrize("limits", [True, False], ids=["by filter", "by keys and filter"])
@pytest.mark.parametrize("place", ["server", "memory"])
@pytest.mark.parametrize("rewritten", [0, 10, 250])
async def test_what_is_written_anew_and_does_not_match_any_more_stays(
    stores: RunningStores, monkeypatch: pytest.MonkeyPatch, *, rewritten: int, place: str, limits: bool
) -> None:
    config = stores.config(PROVIDERS["chromadb"]) if place == "server" else VectorDatabaseConfig(provider="chromadb")
    monkeypatch.setattr(store, "_LIMITS_DELETES", limits)
    monkeypatch.setattr(store, "_FEW", 100)
    monkeypatch.setattr(store.ChromaDriver, "limits", store.Limits(ids=100))
    remove, requests = store.ChromaDriver._remove, 0

    async def removed(driver: store.ChromaDriver, info: Any, **arguments: Any) -> int:
        nonlocal requests
        requests += 1
        if requests == 1 and rewritten:
            await docs.upsert(records(rewritten, "new"))
        return await remove(driver, info, **arguments)

    async with VectorDatabaseManager(config) as db:
        docs = await db.create_collection("deleted", dimension=3)
        await docs.upsert(records(250, "old"))
        monkeypatch.setattr(store.ChromaDriver, "_remove", removed)
        assert await docs.delete(filter=F("status") == "old") == 250
        assert await docs.count() == rewritten
        assert await docs.count(filter=(F("status") == "new") & (F("n") < 5)) == min(5, rewritten)
        assert requests > 0
        await db.drop_collection("deleted")
