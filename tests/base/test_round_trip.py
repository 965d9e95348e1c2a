"""Tables that `to_arrow`, `to_pandas` and `export_parquet` made are read back as the records that they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vpa
from vpa import errors

RECORDS: list[dict[str, Any]] = [
    {"n": 1, "mixed": 1, "deep": {"a": [1, 2], "b": "x"}, "tags": ["a", "b"], "id": "own"},
    {"n": 2, "mixed": "two", "deep": {"b": None}, "tenant": "field"},
    {"mixed": [1, 2]},
    {"metadata.n": True, "json.n": 2.5},
]


async def filled(db: vpa.VectorDatabaseManager) -> vpa.Collection:
    docs = await db.create_collection("docs", dimension=2)
    for scope in (vpa.Scope(), vpa.Scope("acme", "n")):
        await docs.upsert(
            [vpa.Record(f"r{n}", vector=[1, n], text=f"t{n}", metadata=one) for n, one in enumerate(RECORDS)],
            scope=scope,
        )
    return docs


def plain(records: list[vpa.Record]) -> list[Any]:
    return [(one.id, one.text, dict(one.metadata), one.system) for one in sorted(records, key=lambda one: one.id)]


@pytest.mark.parametrize("form", ["to_arrow", "to_pandas", "to_polars"])
async def test_what_a_collection_gave_as_a_table_comes_back(form: str) -> None:
    pytest.importorskip({"to_pandas": "pandas", "to_polars": "polars"}.get(form, "pyarrow"))
    async with vpa.connect("embedded://") as db:
        docs = await filled(db)
        table = await getattr(docs, form)()
        copy = await db.create_collection("copy", dimension=2)
        assert await copy.upsert(table) == 4
        expected = [record async for record in docs.scan()]
        assert plain([record async for record in copy.scan()]) == plain(expected)


async def test_a_table_of_one_scope_goes_into_it_and_one_of_several_is_refused() -> None:
    async with vpa.connect("embedded://") as db:
        docs = await filled(db)
        table = await docs.to_arrow(scope=vpa.ALL_SCOPES)
        copy = await db.create_collection("copy", dimension=2)
        with pytest.raises(errors.InvalidRecordError, match=r"2 scopes.*one scope after the other.*metadata\.tenant"):
            await copy.upsert(table)
        assert await copy.upsert(table.slice(0, 4)) == 4
        assert await copy.upsert(table.slice(4)) == 4
        for scope in (vpa.Scope(), vpa.Scope("acme", "n")):
            expected = [record async for record in docs.scan(scope=scope)]
            assert plain([record async for record in copy.scan(scope=scope)]) == plain(expected)


async def test_an_exported_file_read_with_pandas_is_the_same_records(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    async with vpa.connect("embedded://") as db:
        docs = await filled(db)
        await docs.delete(["r0", "r1", "r2", "r3"])
        await vpa.export_parquet(docs, str(tmp_path / "out.parquet"))
        copy = await db.create_collection("copy", dimension=2)
        await copy.upsert(pandas.read_parquet(tmp_path / "out.parquet"))
        expected = [record async for record in docs.scan(scope=vpa.Scope("acme", "n"))]
        assert plain([record async for record in copy.scan(scope=vpa.Scope("acme", "n"))]) == plain(expected)


def test_columns_of_other_libraries_are_answered() -> None:
    pa = pytest.importorskip("pyarrow")
    vectors = pa.array([[1.0, 2.0]])
    with pytest.raises(errors.InvalidRecordError, match=r"from_table\(table, vector='embedding'\)"):
        vpa.RecordBatch.from_table(pa.table({"id": ["a"], "embedding": vectors}))
    batch = vpa.RecordBatch.from_table(pa.table({"id": ["a"], "vector": vectors, "page_content": ["x"]}))
    assert any("text='page_content' makes it the text" in said for said in batch.conversions)
    with pytest.raises(errors.InvalidRecordError, match=r"record 'a'.*holds 'no', which is no JSON.*'metadata.json.x'"):
        vpa.RecordBatch.from_table(pa.table({"id": ["a"], "vector": vectors, "json.x": ["no"]}))
    with pytest.raises(errors.InvalidRecordError, match="are one field; rename"):
        vpa.RecordBatch.from_table(pa.table({"id": ["a"], "vector": vectors, "x": [1], "metadata.x": [2]}))
    mappings: Any = [{"a": 1}]
    with pytest.raises(errors.InvalidRecordError, match="a list for each key"):
        vpa.RecordBatch.from_columns(vectors=np.ones((1, 2)), metadata=mappings)


@pytest.mark.parametrize("form", ["to_arrow", "to_pandas", "to_polars"])
async def test_documents_are_documents_again(form: str) -> None:
    async with vpa.create_enhanced_rag_system(embedder="hashing") as rag:
        await rag.add_document(document_id="d", title="Ice", content="Sea ice forms.", metadata={"year": 2021})
        chunks = await rag.manager.collection(rag.manager.config.index_name)
        await chunks.upsert([vpa.Record("own", vector=[1.0] + [0.0] * (chunks.info.dimension - 1))])
        before = await rag.list_documents()
        table = await getattr(chunks, form)()
        await chunks.upsert(table)
        assert await rag.list_documents() == before
        assert (await chunks.get_one("own")).system == {}  # type: ignore[union-attr]


def test_two_columns_of_one_field_are_refused_and_renamed_ones_are_said() -> None:
    pa = pytest.importorskip("pyarrow")
    table = {"id": ["a"], "vector": [[1.0, 2.0]]}
    for twice in ({"tags": [["x"]], "metadata.tags": [["y"]]}, {"n": [7], "json.n": ["5"]}):
        with pytest.raises(errors.InvalidRecordError, match="are one field"):
            vpa.RecordBatch.from_table(pa.table({**table, **twice}))
    moved = {"metadata.author": ["x"], "tenant": ["acme"], "namespace": ["n"]}
    batch = vpa.RecordBatch.from_table(pa.table({**table, **moved}))
    assert batch.conversions == (
        "tenant, namespace: the scope of the records ('acme', 'n'), no fields",
        "metadata.author: the field 'author'",
    )
