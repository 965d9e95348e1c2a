"""Whatever a caller passes in any place is refused by an error of ours, on one line: never by one of Python's."""

from __future__ import annotations

import asyncio
import pathlib
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import vpa
from vpa import F, errors
from vpa.base.showing import shown

BIG = 10**5000  # Python refuses to write it out.


class Speechless:
    def __repr__(self) -> str:
        raise RuntimeError("no text")


def nested(kind: type) -> Any:
    value: Any = kind()
    for _ in range(5000):
        value = {"a": value} if kind is dict else [value]
    return value


HOSTILE: dict[str, Any] = {
    "integer": BIG,
    "negative": -BIG,
    "speechless": Speechless(),
    "deep list": nested(list),
    "deep mapping": nested(dict),
    "list of integers": [BIG],
    "list of the speechless": [Speechless()],
    "mapping": {"a": Speechless()},
    "key": {Speechless(): 1},
    "integer as key": {BIG: 1},
    "NaN": float("nan"),
    "uuid": uuid.uuid4(),
    "path": pathlib.PurePath("x"),
    "set": {1},
    "bytes": b"x",
    "array": np.array([1, 2]),
    "surrogate": "\ud800",
    "NUL": "a\0b",
    "object": object(),
}

Docs = vpa.Collection
PLACES: dict[str, Callable[[Docs, vpa.VectorDatabaseManager, Any], Any]] = {
    "filter": lambda docs, db, x: docs.count(filter=x),
    "equal": lambda docs, db, x: docs.count(filter={"n": x}),
    "operator": lambda docs, db, x: docs.count(filter={"n": {"$gt": x}}),
    "in": lambda docs, db, x: docs.count(filter={"n": {"$in": x}}),
    "exists": lambda docs, db, x: docs.count(filter={"n": {"$exists": x}}),
    "begins": lambda docs, db, x: docs.count(filter={"n": {"$starts_with": x}}),
    "and": lambda docs, db, x: docs.count(filter={"$and": x}),
    "not": lambda docs, db, x: docs.count(filter={"n": {"$not": x}}),
    "foreign": lambda docs, db, x: docs.count(filter={"field": "n", "operator": "==", "value": x}),
    "foreign operator": lambda docs, db, x: docs.count(filter={"n": {"$like": x}}),
    "foreign match": lambda docs, db, x: docs.count(filter={"must": [{"key": "n", "match": x}]}),
    "F": lambda docs, db, x: docs.count(filter=F("n") == x),
    "field": lambda docs, db, x: docs.count(filter=F(x) == 1),
    "top_k": lambda docs, db, x: docs.search(vector=[1, 0], top_k=x),
    "threshold": lambda docs, db, x: docs.search(vector=[1, 0], score_threshold=x),
    "query": lambda docs, db, x: docs.search(vector=x),
    "queries": lambda docs, db, x: docs.search_batch(vectors=x),
    "scope": lambda docs, db, x: docs.count(scope=x),
    "tenant": lambda docs, db, x: asyncio.sleep(0, vpa.Scope(x)),
    "ids": lambda docs, db, x: docs.get(x),
    "id": lambda docs, db, x: docs.delete(ids=[x]),
    "record": lambda docs, db, x: docs.upsert([x]),
    "records": lambda docs, db, x: docs.upsert(x),
    "record id": lambda docs, db, x: docs.upsert([vpa.Record(x, vector=[1, 0])]),
    "vector": lambda docs, db, x: docs.upsert([vpa.Record("x", vector=x)]),
    "number": lambda docs, db, x: docs.upsert([vpa.Record("x", vector=[x, 1])]),
    "text": lambda docs, db, x: docs.upsert([vpa.Record("x", vector=[1, 0], text=x)]),
    "metadata": lambda docs, db, x: docs.upsert([vpa.Record("x", vector=[1, 0], metadata=x)]),
    "value": lambda docs, db, x: docs.upsert([vpa.Record("x", vector=[1, 0], metadata={"n": x})]),
    "on_conflict": lambda docs, db, x: docs.upsert([vpa.Record("x", vector=[1, 0])], on_conflict=x),
    "set": lambda docs, db, x: docs.update_metadata(ids=["a"], set=x, dry_run=True),
    "remove": lambda docs, db, x: docs.update_metadata(ids=["a"], remove=x, dry_run=True),
    "batch_size": lambda docs, db, x: anext(docs.scan_batches(batch_size=x)),
    "cursor": lambda docs, db, x: anext(docs.scan_batches(cursor=x)),
    "distinct": lambda docs, db, x: docs.distinct(x),
    "name": lambda docs, db, x: db.create_collection(x, dimension=2),
    "dimension": lambda docs, db, x: db.create_collection("zz", dimension=x),
    "metric": lambda docs, db, x: db.create_collection("zz", dimension=2, metric=x),
    "index": lambda docs, db, x: db.create_collection("zz", dimension=2, index=x),
    "recall": lambda docs, db, x: db.create_collection("zz", dimension=2, recall=x),
    "quantization": lambda docs, db, x: db.create_collection("zz", dimension=2, index={"quantization": x}),
    "store_options": lambda docs, db, x: db.create_collection("zz", dimension=2, store_options=x),
    "native_fields": lambda docs, db, x: db.create_collection("zz", dimension=2, native_fields=x),
    "url": lambda docs, db, x: asyncio.sleep(0, vpa.connect(x)),
    "column": lambda docs, db, x: asyncio.sleep(
        0, vpa.RecordBatch.from_columns(ids=["q"], vectors=[[1, 0]], metadata={"n": x})
    ),
    "table": lambda docs, db, x: asyncio.sleep(0, vpa.RecordBatch.from_table(x)),
}


@pytest.mark.parametrize("place", PLACES)
async def test_a_hostile_value_is_refused_by_an_error_of_ours(place: str) -> None:
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert([vpa.Record("a", vector=[1, 0], metadata={"n": 1})])
        for name, value in HOSTILE.items():
            try:
                await PLACES[place](docs, db, value)
            except errors.VectorDatabaseError as error:
                assert "\n" not in str(error), name
                assert len(str(error)) < 1000, name


def test_a_value_in_a_message_is_as_python_writes_it_but_short() -> None:
    for value in (1, "x'y", None, [1, "a"], {"b": 2, "a": 1}, 2.5, {1}, ("x",)):
        assert shown(value) == repr(value)
    assert shown("x" * 500) == repr("x" * 500)[:80]
    assert shown(BIG) == "an integer of 16610 bits"
    assert shown(Speechless()) == "<Speechless>"
    assert len(shown(list(range(10**6)))) <= 80
    assert "\n" not in shown(np.zeros((4, 4)))
