"""A cursor continues the scan that it is of, also in another process, and no other."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from deployments import RunningStores
from vpa import ALL_SCOPES, Record, Scope, VectorDatabaseManager, errors


@pytest.fixture(params=["mock", "pgvector", "qdrant engine", "chromadb server"])
async def db(request: pytest.FixtureRequest, stores: RunningStores) -> AsyncIterator[VectorDatabaseManager]:
    async with VectorDatabaseManager(stores.config(request.param)) as manager:
        yield manager


async def test_a_cursor_of_another_scope_or_collection_is_refused(db: VectorDatabaseManager) -> None:
    docs = await db.create_collection("cursors", dimension=2, metric="dot")
    others = await db.create_collection("others", dimension=2, metric="dot")
    for collection in (docs, others):
        for scope in (Scope("a"), Scope("b")):
            await collection.upsert([Record(f"r{n}", vector=[1, n]) for n in range(4)], scope=scope)
    for scope in (Scope("a"), ALL_SCOPES):
        first = await anext(docs.scan_batches(batch_size=2, scope=scope))
        for other in (Scope("b"), Scope("a"), ALL_SCOPES):
            if other == scope:
                continue
            with pytest.raises(errors.InvalidQueryError, match="is that of a scan in another scope"):
                await anext(docs.scan_batches(cursor=first.cursor, scope=other))
        with pytest.raises(errors.InvalidQueryError, match="is that of a scan in another collection"):
            await anext(others.scan_batches(cursor=first.cursor, scope=scope))
        seen = list(first.ids)
        async for batch in docs.scan_batches(cursor=first.cursor, scope=scope):
            seen += batch.ids
        assert len(seen) == len(first.ids) + (2 if scope == Scope("a") else 6)
    cursor = (await anext(docs.scan_batches(batch_size=2, scope=Scope("a")))).cursor
    await db.drop_collection("cursors")
    again = await db.create_collection("cursors", dimension=2, metric="dot")
    with pytest.raises(errors.InvalidQueryError, match="another collection"):
        await anext(again.scan_batches(cursor=cursor, scope=Scope("a")))
    await db.drop_collection("cursors")
    await db.drop_collection("others")
