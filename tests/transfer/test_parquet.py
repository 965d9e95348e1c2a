"""Parquet files: damage is named and never imported, and bad input never half applies."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import vpa
from vpa import Record, Scope
from vpa.base import errors
from vpa.transfer.digest import digest
from vpa.transfer.parquet.format import ContentDigest

FLIPS = 600
SCOPES = (Scope(), Scope("acme", "eu"))
NAMED = (errors.StorageCorruptedError, errors.ConfigurationError)


def records(count: int, seed: int) -> list[Record]:
    rng = np.random.default_rng(seed)
    return [
        Record(
            f"r{n:03d}",
            vector=rng.standard_normal(8),
            text=f"text {n}" if n % 3 else None,
            metadata={"n": n, "t": ["a", f"ü{n}"]},
            system={"v": n},
        )
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("parquet") / "docs.parquet"

    async def write() -> None:
        async with vpa.connect("mock://") as db:
            docs = await db.create_collection("docs", dimension=8, metric="dot")
            for number, scope in enumerate(SCOPES):
                await docs.upsert(records(40, seed=number), scope=scope)
            await vpa.export_parquet(docs, path)

    asyncio.run(write())
    return path


async def content_of(path: Path) -> dict[Any, Any]:
    async with vpa.connect("mock://") as db:
        try:
            await vpa.import_parquet(db, path, collection="again")
        except NAMED:
            assert await db.list_collections() == []
            raise
        return {scope: one.to_json() for scope, one in (await digest(await db.collection("again"))).items()}


async def test_flipped_bits_are_named_or_harmless(exported: Path, tmp_path: Path) -> None:
    whole, good = exported.read_bytes(), await content_of(exported)
    rng = random.Random(7)
    refused = 0
    for _ in range(FLIPS):
        place = rng.randrange(len(whole) * 8)
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        path = tmp_path / "damaged.parquet"
        path.write_bytes(damaged)
        try:
            assert await content_of(path) == good, f"bit {place}"
        except NAMED as error:
            assert "damaged.parquet" in error.message, f"bit {place}"
            refused += 1
    assert refused > FLIPS // 2


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 0.999])
async def test_a_file_that_ends_early_is_named(exported: Path, tmp_path: Path, share: float) -> None:
    whole = exported.read_bytes()
    path = tmp_path / "short.parquet"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(NAMED, match=r"short\.parquet"):
        await content_of(path)


def rewritten(exported: Path, path: Path, *, change: Any = None, drop: tuple[bytes, ...] = ()) -> Path:
    table = pq.read_table(exported)
    facts = {**pq.read_metadata(exported).metadata}
    table = change(table) if change is not None else table
    kept = {key: value for key, value in facts.items() if key not in (b"ARROW:schema", *drop)}
    pq.write_table(table.replace_schema_metadata(kept), path)
    return path


CHANGES: dict[str, Any] = {
    "a row less": lambda table: table.slice(1),
    "a row twice": lambda table: pa.concat_tables([table, table.slice(0, 1)]),
    "rows in another order": lambda table: table.take(list(range(table.num_rows))[::-1]),
    "another text": lambda table: table.set_column(4, "text", pa.array(["changed"] * table.num_rows)),
    "another tenant": lambda table: table.set_column(0, "tenant", pa.array(["other"] * table.num_rows)),
    "a column less": lambda table: table.drop_columns(["system"]),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_a_file_that_was_changed_is_refused(exported: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(errors.StorageCorruptedError, match="nothing was imported"):
        await content_of(rewritten(exported, tmp_path / "changed.parquet", change=CHANGES[name]))


@pytest.mark.parametrize("drop", [(b"vpa",), (b"vpa.digest",), (b"vpa", b"vpa.digest")])
async def test_a_file_without_its_own_metadata_is_refused(
    exported: Path, tmp_path: Path, drop: tuple[bytes, ...]
) -> None:
    with pytest.raises(errors.StorageCorruptedError, match="lacks vpa"):
        await content_of(rewritten(exported, tmp_path / "changed.parquet", drop=drop))


async def test_a_rewritten_file_with_the_same_content_is_accepted(exported: Path, tmp_path: Path) -> None:
    assert await content_of(rewritten(exported, tmp_path / "same.parquet")) == await content_of(exported)


async def test_pages_carry_checksums(exported: Path, tmp_path: Path) -> None:
    whole = bytearray(exported.read_bytes())
    column = pq.read_metadata(exported).row_group(0).column(3)
    first = column.dictionary_page_offset or column.data_page_offset
    whole[first + column.total_compressed_size - 5] ^= 1
    path = tmp_path / "page.parquet"
    path.write_bytes(whole)
    with pytest.raises(OSError, match="CRC"):
        pq.ParquetFile(path, page_checksum_verification=True).read()


THEIRS: dict[str, dict[str, list[Any]]] = {
    "no id in the last row": {"id": ["a", None], "vector": [[1.0, 2.0], [3.0, 4.0]]},
    "no vector": {"id": ["a", "b"], "vector": [[1.0, 2.0], None]},
    "another dimension": {"id": ["a", "b"], "vector": [[1.0, 2.0], [3.0]]},
    "no numbers": {"id": ["a", "b"], "vector": [["x"], ["y"]]},
    "not finite": {"id": ["a", "b"], "vector": [[1.0, 2.0], [float("nan"), 1.0]]},
    "an id twice": {"id": ["a", "a"], "vector": [[1.0, 2.0], [2.0, 1.0]]},
    "bytes as ids": {"id": [b"a", b"b"], "vector": [[1.0, 2.0], [2.0, 1.0]]},
    "lists as ids": {"id": [["a"], ["b"]], "vector": [[1.0, 2.0], [2.0, 1.0]]},
    "booleans": {"id": ["a", "b"], "vector": [[True, False], [False, True]]},
    "nothing but missing vectors": {"id": ["a", "b"], "vector": [None, None]},
    "metadata that cannot be": {"id": ["a", "b"], "vector": [[1.0], [2.0]], "blob": [b"x", b"y"]},
}


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("good_rows", [0, 6000])
async def test_bad_rows_of_others_are_refused_before_anything_is_written(
    tmp_path: Path, name: str, good_rows: int
) -> None:
    columns = THEIRS[name]
    width = len(columns["vector"][0] or [1.0])
    if not isinstance(columns["id"][0], str):
        good_rows = 0
    good: dict[str, list[Any]] = {
        "id": [f"good{n}" for n in range(good_rows)],
        "vector": [columns["vector"][0]] * good_rows if name != "no numbers" else [["1"]] * good_rows,
        "blob": [b"x"] * good_rows,
    }
    assert width
    table = pa.table({key: [*good[key], *values] for key, values in columns.items()})
    pq.write_table(table, tmp_path / "theirs.parquet")
    async with vpa.connect("mock://") as db:
        with pytest.raises((errors.InvalidRecordError, errors.ConfigurationError, errors.DimensionMismatchError)):
            await vpa.import_parquet(db, tmp_path / "theirs.parquet", collection="docs")
        assert await db.list_collections() == []


@pytest.mark.parametrize("facts", [b"{", b"null", b"[]", b'{"embedding": "x"}', b"[" * 50_000])
async def test_hostile_metadata_of_a_file_is_named(exported: Path, tmp_path: Path, facts: bytes) -> None:
    table = pq.read_table(exported).replace_schema_metadata({b"vpa": facts, b"vpa.digest": b"0" * 64})
    pq.write_table(table, tmp_path / "hostile.parquet")
    with pytest.raises(errors.StorageCorruptedError, match=r"hostile\.parquet"):
        await content_of(tmp_path / "hostile.parquet")


async def test_an_empty_collection_comes_back(tmp_path: Path) -> None:
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=3)
        assert await vpa.export_parquet(docs, tmp_path / "empty.parquet") == 0
        assert await vpa.import_parquet(db, tmp_path / "empty.parquet", collection="again") == 0
        assert (await db.collection("again")).info.dimension == 3
        assert await (await db.collection("again")).count() == 0


def test_the_digest_does_not_depend_on_batches() -> None:
    rows = {
        name: [f"{name} {n}" for n in range(7)] for name in ("tenant", "namespace", "id", "text", "metadata", "system")
    }
    vectors = np.arange(14, dtype=np.float32).reshape(7, 2)
    one, other = ContentDigest(b"info"), ContentDigest(b"info")
    one.add(dict(rows), vectors)
    for part in (slice(0, 3), slice(3, 3), slice(3, 7)):
        other.add({name: values[part] for name, values in rows.items()}, vectors[part])
    assert one.hexdigest() == other.hexdigest()
    assert one.hexdigest() != ContentDigest(b"other").hexdigest()


async def test_an_export_that_cannot_be_written_says_so_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.parquet").touch()
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=8)
        await docs.upsert(records(3, 1))
        for name, message in (
            ("notes.txt", "exists and is no Parquet file"),
            ("folder", "is a directory"),
            ("nowhere/x.parquet", "there is no directory"),
        ):
            with pytest.raises(errors.ConfigurationError, match=message):
                await vpa.export_parquet(docs, tmp_path / name)
        assert (tmp_path / "notes.txt").read_text() == "mine"
        for _ in range(2):
            assert await vpa.export_parquet(docs, tmp_path / "empty.parquet") == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.parquet", "folder", "notes.txt"]


async def test_vectors_of_different_lengths_are_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a", "b"], "vector": [[1.0, 2.0], [1.0]]}), tmp_path / "ragged.parquet")
    async with vpa.connect("mock://") as db:
        with pytest.raises(errors.InvalidRecordError, match="the vector of 'b' has 1 numbers, that of 'a' has 2"):
            await vpa.import_parquet(db, tmp_path / "ragged.parquet", collection="ragged")
        assert await db.list_collections() == []


async def test_an_id_that_occurs_twice_far_apart_is_refused(tmp_path: Path) -> None:
    ids = [f"i{n}" for n in range(12_000)] + ["i7"]
    pq.write_table(pa.table({"id": ids, "vector": [[1.0, 2.0]] * len(ids)}), tmp_path / "twice.parquet")
    async with vpa.connect("mock://") as db:
        with pytest.raises(errors.InvalidRecordError, match="id 'i7' is that of row 7 and of row 12000; keep one"):
            await vpa.import_parquet(db, tmp_path / "twice.parquet", collection="twice")
        assert await db.list_collections() == []


async def test_two_exports_at_once_and_files_of_others_beside_them(tmp_path: Path) -> None:
    (tmp_path / "x.parquet.partial").write_text("mine")
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=8)
        await docs.upsert(records(300, 1))
        done = await asyncio.gather(*(vpa.export_parquet(docs, tmp_path / "x.parquet") for _ in range(3)))
        assert done == [300] * 3
        assert await vpa.import_parquet(db, tmp_path / "x.parquet", collection="copy") == 300
    assert (tmp_path / "x.parquet.partial").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.parquet", "x.parquet.partial"]


async def test_typed_columns_stand_beside_the_json_and_an_import_stays_exact(tmp_path: Path) -> None:
    path = tmp_path / "docs.parquet"
    metadata: list[dict[str, Any]] = [
        {"n": 1, "s": "x", "metadata": True, "l": [1, 2]},
        {"n": 2**60, "f": 0.5, "mixed": 1, "d": {"e": [None, 1]}},
        {"mixed": "one", "f": 1, "n": None},
    ]
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert([Record(str(n), vector=[n, 1], metadata=row) for n, row in enumerate(metadata)])
        await vpa.export_parquet(docs, path)
        await vpa.import_parquet(db, path, collection="again")
        again, before = (await digest(await db.collection("again")))[Scope()], (await digest(docs))[Scope()]
        assert (again.content, again.vectors) == (before.content, before.vectors)
    table = pq.read_table(path)
    assert {name: str(table.schema.field(name).type) for name in table.column_names if "." in name} == {
        "metadata.n": "int64",
        "metadata.s": "string",
        "metadata.metadata": "bool",
        "metadata.l": "list<element: int64>",
        "metadata.f": "double",
        "metadata.mixed": "string",
        "metadata.d": "string",
    }
    assert table.column("metadata.n").to_pylist() == [1, 2**60, None]
    assert pq.read_table(path, filters=[("metadata.n", ">", 5)]).column("id").to_pylist() == ["1"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["docs.parquet"]


async def test_typed_columns_can_be_left_out(tmp_path: Path) -> None:
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=8)
        await docs.upsert(records(3, seed=0))
        await vpa.export_parquet(docs, tmp_path / "plain.parquet", typed_metadata=False)
    assert pq.read_schema(tmp_path / "plain.parquet").names[-2:] == ["metadata", "system"]
