"""A collection as a table: typed columns, filters, limits, and back."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import numpy as np
import pyarrow as pa
import pytest

import vpa
from vpa import errors

ROWS = [
    {"id": "a", "vector": [1, 0], "text": "x", "metadata": {"n": 1, "f": 1, "b": True, "s": "é", "l": ["p", "q"]}},
    {"id": "b", "vector": [0, 1], "metadata": {"n": 2**60, "f": 0.5, "m": 1, "d": {"e": [1]}, "w": 2**60}},
    {"id": "c", "vector": [1, 1], "metadata": {"n": None, "m": "one", "id": "own", "w": 0.5, "l": []}},
]


@pytest.fixture
async def docs() -> AsyncIterator[vpa.Collection]:
    async with vpa.connect("mock://") as manager:
        made = await manager.create_collection("docs", dimension=2, metric="dot")
        await made.upsert(ROWS)
        yield made


async def test_metadata_becomes_typed_columns(docs: vpa.Collection) -> None:
    table = await docs.to_arrow()
    types = {field.name: str(field.type) for field in table.schema}
    assert types == {
        "id": "string",
        "vector": "fixed_size_list<item: float>[2]",
        "text": "string",
        "n": "int64",
        "f": "double",
        "b": "bool",
        "s": "string",
        "l": "list<item: string>",
        "json.m": "string",
        "json.d": "string",
        "json.w": "string",
        "metadata.id": "string",
    }
    columns = table.to_pydict()
    assert columns["n"] == [1, 2**60, None]
    assert columns["f"] == [1.0, 0.5, None]
    assert columns["l"] == [["p", "q"], None, []]
    assert columns["json.m"] == [None, "1", '"one"']
    assert columns["json.d"] == [None, '{"e": [1]}', None]
    assert columns["json.w"] == [None, str(2**60), "0.5"]
    assert columns["metadata.id"] == [None, None, "own"]
    assert columns["vector"] == [[1, 0], [0, 1], [1, 1]]


async def test_filter_limit_scope_and_vectors_are_those_of_a_scan(docs: vpa.Collection) -> None:
    assert (await docs.to_arrow(filter={"n": 1}, include_vectors=False)).column_names == ["id", "text", *"nfbsl"]
    assert (await docs.to_arrow(limit=2)).column("id").to_pylist() == ["a", "b"]
    assert (await docs.to_arrow(limit=0)).num_rows == 0
    await docs.upsert([{"id": f"r{n:04d}", "vector": [1, 1], "metadata": {"n": n}} for n in range(2500)])
    assert (await docs.to_arrow(limit=2400)).num_rows == 2400
    await docs.upsert(ROWS[:1], scope=vpa.Scope("acme"))
    everywhere = await docs.to_arrow(filter={"b": True}, scope=vpa.ALL_SCOPES)
    assert sorted(everywhere.column("tenant").to_pylist()) == ["", "acme"]
    assert (await docs.within(vpa.Scope("acme")).to_arrow()).num_rows == 1
    assert (await docs.to_arrow(scope=vpa.Scope("nobody"))).schema.field("vector").type == pa.list_(pa.float32(), 2)


async def test_pandas_keeps_integers_and_booleans_beside_missing_ones(docs: vpa.Collection) -> None:
    frame = await docs.to_pandas()
    assert frame["n"].tolist()[:2] == [1, 2**60]
    assert str(frame.dtypes["n"]) == "Int64"
    assert str(frame.dtypes["b"]) == "boolean"
    assert np.array_equal(frame["vector"][0], [1, 0])


async def test_polars_takes_it_and_it_comes_back_as_it_was(docs: vpa.Collection) -> None:
    frame = await docs.to_polars(filter={"b": True})
    assert frame.height == 1
    await docs.delete(filter={}, allow_all=True)
    await docs.upsert(frame.drop("l"))
    [record] = await docs.get("a")
    assert (record.text, record.metadata) == ("x", {"n": 1, "f": 1, "b": True, "s": "é"})


@pytest.mark.parametrize(
    ("verb", "library"), [("to_arrow", "pyarrow"), ("to_pandas", "pandas"), ("to_polars", "polars")]
)
async def test_a_missing_library_is_named_with_the_line_to_run(
    docs: vpa.Collection, monkeypatch: pytest.MonkeyPatch, verb: str, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(errors.ProviderNotInstalledError, match=f"{verb} needs {library}.*pip install"):
        await getattr(docs, verb)()
