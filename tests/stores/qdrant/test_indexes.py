"""Payload indexes that take long, and those of fields that no record has."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vpa import F, Record
from vpa.client.manager import VectorDatabaseManager
from vpa.filters.ast import Field
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.qdrant.fields import key_of, name_of, name_of_key
from wire.http import serve
from wire.qdrant_server import QdrantServer

ALWAYS = {"_vpa_scope", "_vpa.p"}
NUMBERS = [Record(f"r{n}", vector=[1, n], metadata={"n": n, "inner": {"n": n}}) for n in range(10)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[QdrantServer, str]]:
    app = QdrantServer(tmp_path, key="secret")
    with serve(app) as port:
        yield app, f"http://127.0.0.1:{port}"
    app.close()


def manager(url: str, timeout_s: float = 30.0) -> VectorDatabaseManager:
    config = VectorDatabaseConfig(
        provider="qdrant", url=url, api_key="secret", max_retries=0, timeout_seconds=timeout_s
    )
    return VectorDatabaseManager(config)


def indexed(app: QdrantServer) -> set[str]:
    return set(app._collections["docs"].indexed) - ALWAYS


async def test_a_filter_goes_without_an_index_that_takes_long_and_with_it_once_it_is_there(
    server: tuple[QdrantServer, str],
) -> None:
    app, url = server
    # The client's own time-out is a whole second at least.
    async with manager(url, timeout_s=4.0) as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert(NUMBERS)
        theirs = app._collections["docs"]
        theirs.strict, theirs.index_s = False, 3.0
        for _ in range(3):
            started = time.monotonic()
            assert await docs.count(filter=F("n") > 3) == 6
            assert len(await docs.search(vector=[1, 0], filter=F("n") > 3)) == 6
            assert time.monotonic() - started < 2.9
        assert indexed(app) == set()
        for _ in range(100):
            if indexed(app):
                break
            await asyncio.sleep(0.1)
        assert indexed(app) == {"_vpa.n.m.n"}
        started = time.monotonic()
        assert await docs.count(filter=F("n") > 3) == 6
        assert time.monotonic() - started < 0.9


async def test_one_that_is_not_made_in_time_is_asked_for_again_later_and_close_leaves_no_task(
    server: tuple[QdrantServer, str],
) -> None:
    app, url = server
    async with manager(url, timeout_s=1.5) as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert(NUMBERS)
        theirs = app._collections["docs"]
        theirs.strict, theirs.index_s = False, 4.0
        for _ in range(6):
            assert await docs.count(filter=F("n") > 3) == 6
            await asyncio.sleep(0.5)
        theirs.index_s = 30.0
        assert await docs.count(filter=F("inner.n") > 3) == 6
        before = asyncio.all_tasks()
        assert any("_build" in repr(task) for task in before)
    await asyncio.sleep(0)
    assert not any("_build" in repr(task) for task in asyncio.all_tasks())
    theirs.index_s = 0.0


async def test_where_indexes_are_required_a_filter_waits_for_them(server: tuple[QdrantServer, str]) -> None:
    app, url = server
    async with manager(url) as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert(NUMBERS)
        app._collections["docs"].index_s = 2.0
        assert await docs.count(filter=F("n") > 3) == 6
        assert await docs.count(filter=F("nowhere") > 3) == 0
        assert indexed(app) == {"_vpa.n.m.n", "_vpa.n.m.nowhere"}


async def test_none_is_made_for_a_field_that_no_record_has(
    server: tuple[QdrantServer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    app, url = server
    async with manager(url) as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert(NUMBERS)
        app._collections["docs"].strict = False
        for number in range(80):
            assert await docs.count(filter=F(f"nowhere{number}") == "x") == 0
        assert indexed(app) == set()
        assert await docs.count(filter=(F("inner.n") < 3) & ~(F("nowhere") == True)) == 3  # noqa: E712
        assert indexed(app) == {f"_vpa.n.{name_of(Field('inner.n'))}"}
        await docs.upsert([Record("late", vector=[1, 0], metadata={"nowhere1": "x"})])
        assert await docs.count(filter=F("nowhere1") == "x") == 1
        monkeypatch.setattr("vpa.stores.qdrant.indexes._ABSENT_S", 0.0)
        db._store.driver._indexes._not_before.clear()  # type: ignore[union-attr]
        assert await docs.count(filter=F("nowhere1") == "x") == 1
        assert "_vpa.s.m.nowhere1" in indexed(app)


@pytest.mark.parametrize("field", [Field("n"), Field("a.b"), Field("created", system=True), Field("ü")])
def test_a_key_names_its_field(field: Field) -> None:
    for kind in "nsbfd":
        assert name_of_key(key_of(kind, field)) == name_of(field)
    assert [name_of_key(key) for key in ("_vpa.x", "_vpa.p", "_vpa_scope", "_vpa.r[].h", "_vpa.r[].w0")] == [None] * 5
