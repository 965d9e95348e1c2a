"""Cursors of scans in PostgreSQL."""

from __future__ import annotations

import pytest

import vpa
from deployments import RunningStores
from vpa import Record, Scope
from vpa.base import errors
from vpa.client.manager import VectorDatabaseManager


async def test_a_cursor_of_another_scope_is_refused(stores: RunningStores) -> None:
    async with VectorDatabaseManager(stores.config("pgvector")) as db:
        docs = await db.create_collection("cursors", dimension=2, metric="dot")
        for scope in (Scope("a"), Scope("b")):
            await docs.upsert([Record(f"r{n}", vector=[n, 1]) for n in range(3)], scope=scope)
        first = await anext(docs.scan_batches(batch_size=1, scope=Scope("a")))
        with pytest.raises(errors.InvalidQueryError, match="cursor is that of a scan in"):
            await anext(docs.scan_batches(cursor=first.cursor, scope=Scope("b")))
        for scope in (Scope("a"), vpa.ALL_SCOPES):
            following = await anext(docs.scan_batches(cursor=first.cursor, scope=scope))
            assert list(following.ids) == ["r1", "r2"]
        await db.drop_collection("cursors")
