"""What lies in a Qdrant collection: the record as it is, fields for filters, and an index when a filter first asks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import qdrant_edge as edge
from hypothesis import given
from hypothesis import strategies as st

from vpa import F, Record
from vpa.base import errors
from vpa.base.moments import in_utc
from vpa.client.manager import VectorDatabaseManager
from vpa.filters.ast import Comparison, Field
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.qdrant.fields import microseconds, text_of, text_of_microseconds
from vpa.stores.qdrant.filters import _moments
from wire.http import serve
from wire.qdrant_server import QdrantServer

ALWAYS = {"_vpa_scope", "_vpa.p"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[QdrantServer, str]]:
    app = QdrantServer(tmp_path, key="secret")
    with serve(app) as port:
        yield app, f"http://127.0.0.1:{port}"
    app.close()


def manager(url: str, key: str = "secret") -> VectorDatabaseManager:
    return VectorDatabaseManager(VectorDatabaseConfig(provider="qdrant", url=url, api_key=key, max_retries=0))


def indexed(app: QdrantServer) -> set[str]:
    return set(app._collections["docs"].indexed)


def payload(app: QdrantServer) -> dict[str, Any]:
    found, _ = app._collections["docs"].shard.scroll(edge.ScrollRequest(limit=10, with_payload=True))
    return dict(found[0].payload)


async def test_a_person_recognises_the_record(server: tuple[QdrantServer, str]) -> None:
    app, url = server
    metadata = {"year": 2024, "weight": 2.0, "tags": ["a", "b"], "author": {"name": "Ann"}, "none": None}
    async with manager(url) as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert([Record("a", vector=[1, 0], text="hello", metadata=metadata)])
        seen = payload(app)
        assert {"id": "a", "text": "hello", "metadata": metadata}.items() <= seen.items()
        assert seen["_vpa"]["n"]["m"] == {"year": 2024.0, "weight": 2.0}
        assert seen["_vpa"]["s"]["m"] == {"tags": ["a", "b"]}
        assert "_vpa_scope" not in seen
        await docs.upsert([Record("a", vector=[1, 0])])
        assert payload(app) == {"id": "a", "_vpa": {"p": ["@"]}}


async def test_numbers_come_back_to_the_last_bit(server: tuple[QdrantServer, str]) -> None:
    _, url = server
    numbers = [1.3886418537998319e-08, 5e-324, 1e308, 0.1, 2.0, -0.0, 1 / 3, 1e22, 123456789012345.6]
    async with manager(url) as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert([Record(f"r{n}", vector=[1, n], metadata={"n": value}) for n, value in enumerate(numbers)])
        found = await docs.get([f"r{n}" for n in range(len(numbers))])
        assert [repr(record.metadata["n"]) for record in found] == [repr(value) for value in numbers]


async def test_a_field_is_indexed_when_a_filter_first_asks(server: tuple[QdrantServer, str]) -> None:
    app, url = server
    async with manager(url) as db, manager(url) as other:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert([Record("a", vector=[1, 0], metadata={f"f{n}": n for n in range(1000)})])
        assert indexed(app) == ALWAYS
        assert (await docs.search(vector=[1, 0], filter=F("f7") == 7)).ids == ["a"]
        assert indexed(app) == {*ALWAYS, "_vpa.n.m.f7"}
        theirs = await other.collection("docs")
        assert await theirs.count(filter=(F("f7") < 8) & (F("city") == "x")) == 0
        assert indexed(app) == {*ALWAYS, "_vpa.n.m.f7", "_vpa.s.m.city"}


async def test_a_collection_that_others_made_again_gets_its_indexes(server: tuple[QdrantServer, str]) -> None:
    app, url = server
    async with manager(url) as db, manager(url) as other:
        docs = await db.create_collection("docs", dimension=2)
        assert await docs.count(filter=F("n") == 1) == 0
        await other.drop_collection("docs")
        await (await other.create_collection("docs", dimension=2)).upsert(
            [Record("a", vector=[1, 0], metadata={"n": 1})]
        )
        assert indexed(app) == ALWAYS
        assert await docs.count(filter=F("n") == 1) == 1
        assert (await docs.search(vector=[1, 0], filter=F("n") == 1)).ids == ["a"]


async def test_a_key_that_may_only_read_is_told_what_to_do(server: tuple[QdrantServer, str]) -> None:
    app, url = server
    async with manager(url) as db, manager(url, key="reader") as reader:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert([Record("a", vector=[1, 0], metadata={"n": 1})])
        theirs = await reader.collection("docs")
        assert (await theirs.search(vector=[1, 0])).ids == ["a"]
        with pytest.raises(errors.PermissionDeniedError, match="strict mode"):
            await theirs.count(filter=F("n") == 1)
        assert await docs.count(filter=F("n") == 1) == 1
        assert await (await reader.collection("docs")).count(filter=F("n") == 1) == 1
        assert indexed(app) == {*ALWAYS, "_vpa.n.m.n"}


@given(st.datetimes(datetime(1685, 1, 1), datetime(2255, 5, 1), timezones=st.just(UTC)))
def test_moments_are_microseconds(moment: datetime) -> None:
    text = in_utc(moment)
    found = microseconds(text)
    assert found is not None
    assert text_of_microseconds(found) == text
    for comparison, holds in (
        (Comparison.GT, False),
        (Comparison.GTE, True),
        (Comparison.LT, False),
        (Comparison.LTE, True),
    ):
        bounds = _moments(comparison, text)
        assert bounds is not None
        assert (bounds.get("gte", found) <= found <= bounds.get("lte", found)) is holds


@pytest.mark.parametrize("text", ["9999-01-01T00:00:00.000000Z", "0001-01-01T00:00:00.000000Z", "2024-05-01", "x"])
def test_other_texts_are_none(text: str) -> None:
    assert microseconds(text) is None


async def test_a_text_that_looks_like_a_hash_is_no_hash(server: tuple[QdrantServer, str]) -> None:
    _, url = server
    async with manager(url) as db:
        docs = await db.create_collection("docs", dimension=2)
        long = "long " * 30
        hashed = text_of(Field("s"), long)
        records = [Record(f"r{n}", vector=[1, n], metadata={"s": text}) for n, text in enumerate((long, hashed))]
        await docs.upsert(records)
        assert (await docs.search(vector=[1, 0], filter=F("s") == long)).ids == ["r0"]
        assert (await docs.search(vector=[1, 0], filter=F("s") == hashed)).ids == ["r1"]
