"""The shapes in which records are given to `upsert`."""

from __future__ import annotations

import json
import pickle
from collections.abc import AsyncIterator
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import vpa
from vpa import errors


@pytest.fixture
async def docs() -> AsyncIterator[vpa.Collection]:
    async with vpa.connect("mock://") as manager:
        yield await manager.create_collection("docs", dimension=2)


async def _many() -> AsyncIterator[vpa.Record]:
    for number in range(600):
        yield vpa.Record(f"r{number}", vector=[number, 1])


async def test_what_was_written_is_a_number_with_the_ids_in_order(docs: vpa.Collection) -> None:
    written = await docs.upsert([vpa.Record("b", vector=[1, 0]), vpa.Record("a", vector=[0, 1])])
    assert (written, written.ids, json.dumps(written)) == (2, ("b", "a"), "2")
    assert pickle.loads(pickle.dumps(written)).ids == ("b", "a")
    again = await docs.upsert([{"id": "b", "vector": [1, 0]}, {"id": "c", "vector": [1, 0]}], on_conflict="skip")
    assert (again, again.ids) == (1, ("b", "c"))
    assert (await docs.upsert([])).ids == ()


async def test_ids_are_made_where_none_are_given(docs: vpa.Collection) -> None:
    written = await docs.upsert([{"vector": [1, 0], "text": "x"}, {"vector": [0, 1]}])
    assert len(set(written.ids)) == 2
    assert [record.text for record in await docs.get(written.ids)] == ["x", None]
    record = vpa.Record(vector=[1, 1])
    assert (await docs.upsert(record)).ids == (record.id,)
    batch = vpa.RecordBatch.from_columns(vectors=[[1, 0], [0, 1]], metadata={"n": [1, 2]})
    assert await docs.upsert(batch) == 2
    assert await docs.count() == 5


async def test_asynchronous_iterables_and_generators_are_read_to_their_end(docs: vpa.Collection) -> None:
    assert await docs.upsert(_many()) == 600
    assert await docs.upsert({"id": str(number), "vector": [1, number]} for number in range(3)) == 3


TABLE = {"id": ["a", "b"], "vector": [[1.0, 0.0], [0.0, 1.0]], "text": ["x", None], "year": [2020, 2021]}


@pytest.mark.parametrize("make", [pa.table, pd.DataFrame, pl.DataFrame, lambda data: pa.RecordBatch.from_pydict(data)])
async def test_tables_are_taken_as_they_are(docs: vpa.Collection, make: Any) -> None:
    assert (await docs.upsert(make(TABLE))).ids == ("a", "b")
    assert [(r.text, r.metadata["year"]) for r in await docs.get(["a", "b"])] == [("x", 2020), (None, 2021)]


async def test_a_table_without_ids_gets_some_but_one_with_another_name_for_them_is_asked(docs: vpa.Collection) -> None:
    without = {name: TABLE[name] for name in ("vector", "text")}
    assert len(set((await docs.upsert(pa.table(without))).ids)) == 2
    with pytest.raises(errors.InvalidRecordError, match="no column 'id', it has doc_id"):
        await docs.upsert(pa.table({"doc_id": ["a", "b"], **without}))
    assert await docs.upsert(vpa.RecordBatch.from_table(pa.table({"doc_id": ["a", "b"], **without}), id="doc_id")) == 2


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"id": "a", "embedding": [1, 0]}, "item 1 .'a'. has a key 'embedding'; it is called 'vector' here"),
        ({"id": "a", "values": [1, 0]}, "'values'; it is called 'vector' here"),
        ({"id": "a", "vector": [1, 0], "document": "x"}, "'document'; it is called 'text' here"),
        ({"id": "a", "vector": [1, 0], "payload": {}}, "'payload'; it is called 'metadata' here"),
        ({"id": "a", "vector": [1, 0], "metdata": {}}, "'metdata'; it is called 'metadata' here"),
        ({"id": "a", "vector": [1, 0], "year": 2020}, "fields of your own go into its metadata"),
        ({"ids": ["a"], "embeddings": [[1, 0]]}, "RecordBatch.from_columns"),
        ({"id": "a", "text": "x"}, "has no vector; a record is"),
        (("a", [1, 0]), "item 1 is a tuple, not a Record; give a vpa.Record or a mapping"),
    ],
)
async def test_misspelt_keys_are_answered_with_ours_and_nothing_is_written(
    docs: vpa.Collection, item: Any, message: str
) -> None:
    with pytest.raises(errors.InvalidRecordError, match=message):
        await docs.upsert([vpa.Record("sound", vector=[1, 0]), item])
    assert await docs.count() == 0


async def test_one_string_is_no_record(docs: vpa.Collection) -> None:
    with pytest.raises(errors.InvalidRecordError, match="not a string"):
        await docs.upsert("abc")  # type: ignore[arg-type]


async def test_a_batch_of_a_scan_goes_into_its_own_scope() -> None:
    async with vpa.connect("mock://") as db:
        here = await db.create_collection("here", dimension=2)
        there = await db.create_collection("there", dimension=2)
        for tenant in ("acme", "other"):
            await here.upsert({"id": "a", "vector": [1, 0], "text": tenant}, scope=vpa.Scope(tenant))
        async for batch in here.scan_batches(scope=vpa.ALL_SCOPES):
            await there.upsert(batch)
        for tenant in ("acme", "other"):
            assert [record.text for record in await there.get("a", scope=vpa.Scope(tenant))] == [tenant]
        assert await there.count() == 0


async def test_replacing_everything_is_refused() -> None:
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert([{"id": f"r{n}", "vector": [1, n]} for n in range(5)])
        with pytest.raises(vpa.errors.InvalidFilterError, match="matches every record"):
            await docs.upsert([], replacing={})
        assert await docs.count() == 5


async def test_ids_that_are_the_index_of_a_frame_are_ids() -> None:
    frame = pd.DataFrame({"id": ["a", "b"], "vector": [[1.0, 0.0], [0.0, 1.0]]}).set_index("id")
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=2)
        for _ in range(2):
            assert (await docs.upsert(frame)).ids == ("a", "b")
        assert await docs.count() == 2
