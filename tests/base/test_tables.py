"""Batches from arrays and from tables of others: the same records as from plain mappings, or an error that names the
place.
"""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vpa
from vpa.base.errors import InvalidFilterError, InvalidRecordError
from vpa.base.metadata import canonical_metadata
from vpa.base.tables import MetadataColumns, NumberColumn, TextColumn
from vpa.engine.columns import Columns
from vpa.engine.jsontext import dumps, dumps_plain, loads, loads_plain
from vpa.engine.predicate import row_mask
from vpa.engine.render import json_rows
from vpa.engine.rows import decode_mapping
from vpa.filters import F, as_filter, matches, normalize
from vpa.testing import strategies

VECTORS = np.eye(4, 3, dtype=np.float32) + 1
IDS = ["a", "b", "c", "d"]

text = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
kinds: dict[str, st.SearchStrategy[Any]] = {
    "text": text,
    "int": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "bool": st.booleans(),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, list[Any]], int]:
    count = draw(st.integers(0, 12))
    names = draw(st.lists(st.sampled_from(["a", "b", "tags", "x.y", "ключ", 'qu"ote']), unique=True, max_size=4))
    return {
        name: draw(st.lists(st.none() | kinds[draw(st.sampled_from(sorted(kinds)))], min_size=count, max_size=count))
        for name in names
    }, count


@given(tables())
def test_columns_are_stored_as_the_same_mappings_are(made: tuple[dict[str, list[Any]], int]) -> None:
    columns, count = made
    typed = MetadataColumns(columns, length=count)
    rows = [{name: values[row] for name, values in columns.items() if values[row] is not None} for row in range(count)]
    assert list(typed) == [canonical_metadata(row) for row in rows]
    stored = json_rows(typed)
    assert len(stored) == count
    back = [decode_mapping(one) for one in stored.unpack()]
    assert [repr(row) for row in back] == [repr(row) for row in rows]
    # With orjson and without it.
    for row in rows:
        for encode, decode in ((dumps, loads_plain), (dumps_plain, loads), (dumps_plain, loads_plain)):
            assert repr(decode(encode(row))) == repr(row)


@given(tables(), st.lists(strategies.filters, min_size=1, max_size=4))
def test_filters_see_columns_as_they_see_mappings(
    made: tuple[dict[str, list[Any]], int], filters: list[strategies.Pair]
) -> None:
    columns, count = made
    rows = [{name: values[row] for name, values in columns.items()} for row in range(count)]
    store = Columns()
    store.append(0, rows[: count // 2], None)
    store.append(
        count // 2, MetadataColumns({k: v[count // 2 :] for k, v in columns.items()}, length=count - count // 2), None
    )
    for pair in filters:
        node = normalize(as_filter(pair.json))
        assert row_mask(node, store, count).tolist() == [matches(node, row) for row in rows]


def test_arrays_of_every_type_become_plain_values() -> None:
    batch = vpa.RecordBatch.from_columns(
        ids=np.array(IDS),
        vectors=VECTORS,
        metadata={
            "small": np.arange(4, dtype=np.int8),
            "unsigned": np.arange(4, dtype=np.uint64),
            "half": np.arange(4, dtype=np.float16),
            "flag": np.array([True, False, True, False]),
            "name": np.array(["x", "é", "", "longer"]),
            "masked": np.ma.masked_equal(np.array([1, 2, 1, 3]), 1),
            "mixed": np.array(["x", None, "y", "z"], dtype=object),
            "when": [datetime(2024, 1, 2, tzinfo=UTC)] * 4,
        },
        texts=["t0", None, "t2", ""],
    )
    assert batch.metadata is not None
    assert [repr(value) for value in batch.metadata[1].values()] == [
        "1",
        "1",
        "1.0",
        "False",
        "'é'",
        "2",
        "'2024-01-02T00:00:00.000000Z'",
    ]
    assert [record.text for record in batch] == ["t0", None, "t2", ""]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"n": np.array([1.0, np.nan, 2, 3])}, "record 'b': column 'n' is nan"),
        ({"n": np.array([1, 2**63, 2, 3], dtype=np.uint64)}, "record 'b': column 'n' is an integer beyond 64 bits"),
        ({"n": ["a", "b\0", "c", "d"]}, "record 'b': column 'n' holds NUL"),
        ({"n": ["a", "b", "\ud800", "d"]}, "record 'c': column 'n' holds a lone surrogate"),
        ({"n": [1, "2", 3, 4]}, "column 'n' mixes int and str"),
        ({"n": [1, 2, 3]}, "column 'n' has 3 values, not 4"),
        ({"n": np.zeros((4, 2))}, "column 'n' must have one dimension"),
        ({"n": np.zeros(4, dtype="M8[s]")}, "column 'n' holds datetimes without a time zone"),
        ({"n": np.zeros(4, dtype=complex)}, "column 'n' has type complex128"),
        ({"n": [[1], [2], [3], [4]]}, "record 'a': column 'n' has type list"),
        ({"$n": [1, 2, 3, 4]}, "reserved"),
    ],
)
def test_columns_that_cannot_be_stored_are_refused_by_name(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRecordError, match="(?s).*".join(map(_escaped, [message]))):
        vpa.RecordBatch.from_columns(ids=IDS, vectors=VECTORS, metadata=columns)


def _escaped(message: str) -> str:
    return message.replace("$", r"\$")


def arrow() -> pa.Table:
    return pa.table(
        {
            "id": IDS,
            "vector": pa.array(VECTORS.tolist(), pa.list_(pa.float32(), 3)),
            "text": ["one", None, "three", ""],
            "year": pa.array([2020, None, 2022, 2023], pa.int32()),
            "share": pa.array([0.5, 1.0, None, 2.0], pa.float32()),
            "kind": pa.array(["x", "y", "x", None]).dictionary_encode(),
            "flag": pa.array([True, None, False, True]),
            "when": pa.array([0, 1_500_000, None, 3], pa.timestamp("us", tz="Europe/Berlin")),
            "nothing": pa.nulls(4),
        }
    )


WITH_NONE: list[dict[str, Any]] = [
    {"year": 2020, "share": 0.5, "kind": "x", "flag": True, "when": "1970-01-01T00:00:00.000000Z", "nothing": None},
    {"year": None, "share": 1.0, "kind": "y", "flag": None, "when": "1970-01-01T00:00:01.500000Z", "nothing": None},
    {"year": 2022, "share": None, "kind": "x", "flag": False, "when": None, "nothing": None},
    {"year": 2023, "share": 2.0, "kind": None, "flag": True, "when": "1970-01-01T00:00:00.000003Z", "nothing": None},
]
# What a table does not have, a record does not have.
WANTED = [{key: value for key, value in row.items() if value is not None} for row in WITH_NONE]


def in_chunks() -> pa.Table:
    table = arrow()
    return pa.concat_tables([table.slice(1, 2), table.slice(3, 1)])


@pytest.mark.parametrize(
    "made",
    [arrow, lambda: arrow().to_batches()[0], lambda: pl.from_arrow(arrow()), lambda: arrow().to_pandas()],
    ids=["arrow", "batch", "polars", "pandas"],
)
async def test_tables_of_others_are_stored_as_the_same_records(made: Any) -> None:
    batch = vpa.RecordBatch.from_table(made())
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=3, metric="dot")
        assert await docs.upsert(batch) == 4
        records = await docs.get(IDS)
        assert [record.metadata for record in records] == WANTED
        assert [record.text for record in records] == ["one", None, "three", ""]
        assert np.array_equal(np.stack([record.vector for record in records]), VECTORS)  # type: ignore[misc]
        assert [record.id async for record in docs.scan(filter={"kind": "x", "year": {"$gte": 2021}})] == ["c"]


def test_slices_and_chunks_of_a_table_keep_their_rows() -> None:
    batch = vpa.RecordBatch.from_table(in_chunks())
    assert list(batch.ids) == ["b", "c", "d"]
    assert list(batch.metadata or ()) == WANTED[1:]
    assert np.array_equal(batch.vectors, VECTORS[1:])
    assert list(batch.texts or ()) == [None, "three", ""]


def test_columns_go_by_the_names_that_are_given() -> None:
    frame = pd.DataFrame({"key": IDS, "body": ["p", "q", "r", "s"], "n": [1, 2, 3, 4]})
    batch = vpa.RecordBatch.from_table(frame, id="key", text="body", vectors=VECTORS)
    assert list(batch.texts or ()) == ["p", "q", "r", "s"]
    assert list(batch.metadata or ()) == [{"n": 1}, {"n": 2}, {"n": 3}, {"n": 4}]
    plain = vpa.RecordBatch.from_table(frame, id="key", text=None, vectors=VECTORS)
    assert plain.texts is None
    assert (plain.metadata or [{}])[0] == {"body": "p", "n": 1}


def changed(**columns: Any) -> pa.Table:
    table = arrow()
    for name, values in columns.items():
        place = table.column_names.index(name) if name in table.column_names else None
        table = table.append_column(name, values) if place is None else table.set_column(place, name, values)
    return table


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (changed(id=pa.array([1, 2, 3, 4])), "ids are text, column 'id' holds int64"),
        (changed(id=pa.array(["a", None, "c", "d"])), "1 rows without an id"),
        (arrow().drop_columns(["vector"]), "no column 'vector'"),
        (changed(vector=pa.array([[1.0], [1.0, 2.0], [1.0], [1.0]])), "record 'b' has 2 dimensions, the first one 1"),
        (changed(vector=pa.array([[1.0], None, [1.0], [1.0]])), "record 'b' has no vector"),
        (changed(vector=pa.array([["x"]] * 4)), "lists of string"),
        (changed(text=pa.array([1, 2, 3, 4])), "column 'text' holds int64, not text"),
        (changed(share=pa.array([1.0, float("inf"), 2.0, 3.0])), "record 'b': column 'share' is inf"),
        (changed(day=pa.array([1, 2, 3, 4], pa.date32())), "cast it to text"),
        (changed(tags=pa.array([{"a": 1}] * 4)), "column 'tags' holds struct"),
        (changed(when=pa.array([1, 2, 3, 4], pa.timestamp("s"))), "times without a zone"),
        (pa.table([pa.array(IDS), pa.array(IDS)], names=["id", "id"]), "2 columns 'id'"),
        ("no table", "a str is no table"),
    ],
)
def test_tables_that_cannot_be_stored_are_refused_with_what_to_do(table: Any, message: str) -> None:
    with pytest.raises(InvalidRecordError, match=message):
        vpa.RecordBatch.from_table(table)


async def test_skipping_and_other_stores_take_columns_too() -> None:
    from vpa.client.manager import VectorDatabaseManager
    from vpa.testing.fakes import WeakStore

    batch = vpa.RecordBatch.from_columns(
        ids=IDS, vectors=VECTORS, metadata={"n": np.arange(4), "s": ["a", None, "c", "d"]}
    )
    async with VectorDatabaseManager(store=WeakStore()) as db:
        docs = await db.create_collection("docs", dimension=3)
        await docs.upsert([vpa.Record("b", vector=[1, 2, 3], metadata={"n": 9})])
        assert await docs.upsert(batch, on_conflict="skip") == 3
        assert [record.metadata for record in await docs.get(IDS)] == [
            {"n": 0, "s": "a"},
            {"n": 9},
            {"n": 2, "s": "c"},
            {"n": 3, "s": "d"},
        ]


def test_columns_are_sequences() -> None:
    numbers, words = NumberColumn(np.arange(3), np.array([True, False, True])), TextColumn.of(["a", None, "é"])
    assert (list(numbers), numbers[-1], numbers[1:]) == ([0, None, 2], 2, [None, 2])
    assert (list(words), words[-1], words[1:]) == (["a", None, "é"], "é", [None, "é"])
    assert MetadataColumns({"n": numbers, "w": words})[-1] == {"n": 2, "w": "é"}
    with pytest.raises(IndexError):
        MetadataColumns({"n": numbers})[3]


def test_what_a_table_turns_into_something_else_is_said() -> None:
    nanoseconds = pa.array([1, None, 1_500_000_001, -1], pa.timestamp("ns", tz="Asia/Tokyo"))
    batch = vpa.RecordBatch.from_table(arrow().append_column("exact", nanoseconds))
    moments = "became text of moments in UTC, with microseconds"
    assert batch.conversions == (
        "kind: dictionary<values=string, indices=int32, ordered=0> became string",
        f"when: timestamp[us, tz=Europe/Berlin] {moments}",
        f"exact: timestamp[ns, tz=Asia/Tokyo] {moments}; nanoseconds were cut",
    )
    assert [record.metadata.get("exact") for record in batch] == [
        "1970-01-01T00:00:00.000000Z",
        None,
        "1970-01-01T00:00:01.500000Z",
        "1969-12-31T23:59:59.999999Z",
    ]
    assert vpa.RecordBatch.from_columns(ids=IDS, vectors=VECTORS, metadata={"n": np.arange(4)}).conversions == ()


def frame(**columns: Any) -> Any:
    return pd.DataFrame({"id": ["a", "b"], "vector": [[1.0, 0.0], [0.0, 1.0]], **columns})


def test_lists_of_plain_values_are_metadata() -> None:
    for table in (
        frame(tags=[["x"], ["y", "z"]], n=[1, 2]),
        pl.DataFrame({"id": ["a", "b"], "vector": [[1.0, 0.0], [0.0, 1.0]], "tags": [["x"], ["y", "z"]], "n": [1, 2]}),
    ):
        batch = vpa.RecordBatch.from_table(table)
        assert [dict(row) for row in batch.metadata or ()] == [{"n": 1, "tags": ["x"]}, {"n": 2, "tags": ["y", "z"]}]


async def test_an_empty_frame_is_an_empty_batch() -> None:
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=2)
        for table in (pd.DataFrame(), pd.DataFrame({"id": [], "vector": [], "n": []}), pl.DataFrame()):
            assert await docs.upsert(vpa.RecordBatch.from_table(table)) == 0


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([1, "x"], "column 'n' mixes int and str"),
        ([["x"], "x"], "column 'n' mixes list and str"),
        ([Path("a"), None], "column 'n' holds values of type P"),
        ([10**30, 1], "column 'n' holds values of type int"),
        ([1j, 2j], "column 'n' holds values of type complex"),
        ([object(), object()], "column 'n' holds values of type object"),
        ([uuid.uuid4(), uuid.uuid4()], r"\.astype\(str\)"),
        ([Decimal("1.5"), Decimal(2)], r"\.astype\(str\)"),
    ],
)
def test_a_column_of_pandas_that_no_type_holds_is_named_with_what_to_do(column: list[Any], message: str) -> None:
    with pytest.raises(InvalidRecordError, match=message):
        vpa.RecordBatch.from_table(frame(n=column))


def test_a_series_is_no_table() -> None:
    with pytest.raises(InvalidRecordError, match="a Series of pandas is no table"):
        vpa.RecordBatch.from_table(pd.Series([1, 2]))


def test_values_of_other_libraries_are_refused_with_a_hint() -> None:
    for value, hint in (
        (uuid.uuid4(), "use str(value)"),
        (Path("a"), "use str(value)"),
        (pd.NA, "a missing value is None"),
        (pd.NaT, "a missing value is None"),
        (pd.Series([1]), "use .tolist()"),
        (np.datetime64("2024-01-01"), "use an aware datetime"),
    ):
        for refused in (lambda value=value: canonical_metadata({"d": value}), lambda value=value: F("d") == value):
            with pytest.raises((InvalidRecordError, InvalidFilterError), match=re.escape(hint)):
                refused()
