"""Which consistency each read asks Milvus for: seen in the requests that the real client sends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pymilvus.client.prepare import Prepare

from deployments import RunningStores
from vpa import F, Record
from vpa.base import errors
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager

STRONG, OWN = "Strong", "the collection's own"


async def _conflict(docs: Collection) -> None:
    with pytest.raises(errors.RecordExistsError):
        await docs.upsert([Record("a", vector=[1, 2])], on_conflict="error")


async def _scanned(docs: Collection) -> None:
    assert [record.id async for record in docs.scan()] == ["a"]


READS: dict[str, tuple[str, Callable[[Collection], Awaitable[object]]]] = {
    "get": (STRONG, lambda docs: docs.get(["a"])),
    "count": (STRONG, lambda docs: docs.count()),
    "count by a prefix": (STRONG, lambda docs: docs.count(filter=F("kind").starts_with("a"))),
    "on_conflict": (STRONG, _conflict),
    "delete by ids": (STRONG, lambda docs: docs.delete(ids=["a"])),
    "delete by a filter": (STRONG, lambda docs: docs.delete(filter={"kind": "ab"})),
    "delete by a prefix": (STRONG, lambda docs: docs.delete(filter=F("kind").starts_with("a"))),
    "update by ids": (STRONG, lambda docs: docs.update_metadata(ids=["a"], set={"n": 1})),
    "update by a filter": (STRONG, lambda docs: docs.update_metadata(filter={"kind": "ab"}, set={"n": 1})),
    "replacing": (
        STRONG,
        lambda docs: docs.upsert([Record("b", vector=[1, 2])], replacing=F("kind").starts_with("a")),
    ),
    "search": (OWN, lambda docs: docs.search(vector=[1, 2])),
    "scan": (OWN, _scanned),
}


@pytest.mark.parametrize("read", READS)
async def test_reads_that_writes_depend_on_are_strong_and_others_follow_the_collection(
    stores: RunningStores, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    level, call = READS[read]
    async with VectorDatabaseManager(stores.config("milvus lite over gRPC")) as db:
        docs = await db.create_collection("levels", dimension=2, metric="dot")
        await docs.upsert([Record("a", vector=[1, 2], metadata={"kind": "ab"})])
        sent = _recorded(monkeypatch)
        await call(docs)
        await db.drop_collection("levels")
    assert set(sent) == {level}


def _recorded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    levels: list[str] = []
    for name in ("query_request", "search_requests_with_expr"):
        monkeypatch.setattr(Prepare, name, _noting(getattr(Prepare, name), levels))
    return levels


def _noting(make: Any, levels: list[str]) -> Any:
    def made(*args: Any, **kwargs: Any) -> Any:
        request = make(*args, **kwargs)
        # 0 is Strong.
        levels.append(OWN if request.use_default_consistency else {0: STRONG}.get(request.consistency_level, "weaker"))
        return request

    return made
