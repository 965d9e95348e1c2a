"""A delete or an update whose filter vpa evaluates chooses ids first: what is rewritten before it changes them, so that
the filter does not match any more, stays.
"""

from __future__ import annotations

from typing import Any

import pytest

from deployments import PROVIDERS, RunningStores
from stores.layout.simulated import Server, simulated
from vpa import F, Record, Scope
from vpa.base import errors
from vpa.client.manager import VectorDatabaseManager
from vpa.filters import normalize
from vpa.stores.requests import Delete, UpdateMetadata

KINDS = {"old": "alpha", "new": "beta", "list": "alpha"}
# Tokens do not say this one, so it is left to vpa on every store of the layout.
STARTS = F("kind").starts_with("al")


@pytest.mark.parametrize("condition", [STARTS, F("kind") == "alpha", F("n") > 0.5], ids=["prefix", "equal", "range"])
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_of_ids_only_those_are_changed_that_still_satisfy(
    stores: RunningStores, provider: str, condition: Any
) -> None:
    still, ids = normalize(condition), [*KINDS, "gone"]
    async with VectorDatabaseManager(stores.config(PROVIDERS[provider])) as db:
        docs = await db.create_collection("still", dimension=2, metric="dot")
        records = [
            Record(name, vector=[1, 2], metadata={"kind": kind, "n": int(kind == "alpha")})
            for name, kind in KINDS.items()
        ]
        await docs.upsert(records)
        store = db._open_store()
        update = UpdateMetadata(ids=ids, still=still, assign={"seen": True})
        assert await store.update_metadata(docs.info, update) == 2
        assert await docs.count(filter={"seen": True}) == 2
        assert await store.delete(docs.info, Delete(ids=ids, still=still, dry_run=True)) == 2
        assert await store.delete(docs.info, Delete(ids=ids, still=still)) == 2
        assert [record.id async for record in docs.scan()] == ["new"]
        # Without it each id is meant, and must exist where it is updated.
        with pytest.raises(errors.RecordNotFoundError):
            await store.update_metadata(docs.info, UpdateMetadata(ids=ids, assign={"seen": True}))
        await db.drop_collection("still")


class Meanwhile:
    """Rewrites a record, as another process does, at the request with a number, and counts the requests."""

    def __init__(self, server: Server, at: int) -> None:
        self.server, self.at, self.requests = server, at, 0
        server.meanwhile = self

    def __call__(self) -> None:
        if self.requests == self.at:
            self.server.put(Scope(), "r1", [1, 1], {"kind": "beta"})
        self.requests += 1


async def _remains(verb: str, at: int) -> tuple[bool, int]:
    """Whether what another process wrote at a request is there afterwards, and how many requests there were."""
    server = Server()
    store, _ = simulated(server)
    async with VectorDatabaseManager(store=store) as db:
        docs = await db.create_collection("docs", dimension=2, metric="dot")
        for number in range(3):
            server.put(Scope(), f"r{number}", [number, 1], {"kind": "alpha"})
        meanwhile = Meanwhile(server, at)
        if verb == "delete":
            await docs.delete(filter=STARTS)
        elif verb == "update_metadata":
            await docs.update_metadata(filter=STARTS, set={"kind": "gamma"})
        else:
            await docs.upsert([Record("r9", vector=[1, 1], metadata={"kind": "alpha"})], replacing=STARTS)
        server.meanwhile = lambda: None
        kinds = {record.id: record.metadata["kind"] async for record in docs.scan()}
        return kinds.get("r1") == "beta", meanwhile.requests


@pytest.mark.parametrize("verb", ["delete", "update_metadata", "upsert"])
async def test_what_was_rewritten_before_the_last_look_stays(verb: str) -> None:
    _, requests = await _remains(verb, -1)
    remains = [(await _remains(verb, at))[0] for at in range(requests)]
    # The last request is the change itself, which has no condition on a store without transactions.
    assert remains == [True] * (requests - 1) + [False]
