"""Codes in memory, originals on the disk or nowhere: what is kept, what is lost, and that it is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import vpa
from engine.vectors import clustered, recall, unit, write
from vpa.base.errors import ConfigurationError, ProviderError
from vpa.base.index_options import IndexOptions, Quantization
from vpa.base.query import SearchRequest
from vpa.base.records import CollectionInfo
from vpa.base.scope import Scope
from vpa.engine.database import Database
from vpa.engine.persist.files import OSFiles
from vpa.engine.persist.snapshot import SectionRows
from vpa.engine.quant.refined import Int4Codes, Int8Codes
from vpa.engine.quant.scalar import Scalar
from vpa.engine.table import Table
from vpa.engine.vectors import FileBlock
from vpa.filters import F, normalize
from vpa.filters.ast import ALWAYS

KINDS = pytest.mark.parametrize("kind", ["int8", "int4", "binary"])
ROWS, QUERIES = unit(clustered(25_000, 96)), unit(clustered(40, 96, seed=1))


def never() -> bool:
    return False


def made(database: Database, metric: str = "cosine", **options: object) -> Table:
    info = CollectionInfo(name="docs", dimension=96, metric=metric, index=IndexOptions(**options))  # type: ignore[arg-type]
    return database.create(info)


def vectors(collection: Table, ids: list[str]) -> np.ndarray:
    records = collection.get(ids, scope=Scope(), include_vectors=True)
    return np.stack([record.vector for record in records])  # type: ignore[misc]


@pytest.mark.parametrize("kind", [Quantization.INT8, Quantization.INT4, Quantization.BINARY])
@pytest.mark.parametrize("dimension", [1, 2, 7, 96])
def test_codes_of_codes_are_the_same_and_near_the_vector(kind: Quantization, dimension: int) -> None:
    rows = clustered(300, dimension) * np.float32(37)
    scalar = Scalar(kind, rows.mean(axis=0), unit=False)
    coded = scalar.encode(rows)
    assert coded.codes.shape == (300, scalar.width)
    back = scalar.decode(coded)
    assert [scalar.decode(coded[n : n + 1])[0].tolist() for n in range(5)] == back[:5].tolist()
    off = np.linalg.norm(back - rows, axis=1) / np.linalg.norm(rows - scalar.centre, axis=1)
    # A row's greatest value is 127 steps; 15 levels lose 0.1 of normal values, the sign 0.6, and more of these, which
    # are not.
    assert np.median(off) < {Quantization.INT8: 0.02, Quantization.INT4: 0.25, Quantization.BINARY: 0.85}[kind]


@pytest.mark.parametrize("kind", [Quantization.INT8, Quantization.INT4, Quantization.BINARY])
def test_rows_that_are_nothing_or_huge_can_be_coded(kind: Quantization) -> None:
    rows = np.zeros((4, 6), dtype=np.float32)
    rows[1], rows[2, 3], rows[3] = 1e30, -1e-30, 5.0
    for unit_rows in (False, True):
        back = Scalar(kind, np.zeros(6, dtype=np.float32), unit=unit_rows)
        decoded = back.decode(back.encode(rows))
        assert np.isfinite(decoded).all()
        if unit_rows:
            assert np.allclose(np.linalg.norm(decoded, axis=1), 1)


@KINDS
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_originals_are_on_the_disk_and_come_back_to_the_bit(tmp_path: Path, kind: str, metric: str) -> None:
    database = Database(str(tmp_path))
    docs = made(database, metric, quantization=kind, recall=0.99)
    write(docs, ROWS)
    docs.upkeep.make_codes(stop=never)
    journal = database.journal("docs")
    assert journal is not None
    assert journal.holds_much
    journal.checkpoint()
    assert not journal.holds_much
    for _ in range(2):
        assert docs.view.rows.vectors.stats()["rows_on_disk_only"] == 25_000
        assert np.array_equal(vectors(docs, ["3", "24999"]), ROWS[[3, 24_999]])
        assert recall(docs, QUERIES) >= 0.99
        [few] = docs.search(SearchRequest(vectors=ROWS[7:8], top_k=3), normalize(F("n") < 20))
        assert few.matches[0].id == "7"
        database.close()
        database = Database(str(tmp_path))
        docs = database.get("docs")
    database.close()


@KINDS
def test_rows_move_to_the_disk_when_some_have_died_and_others_come(tmp_path: Path, kind: str) -> None:
    database = Database(str(tmp_path))
    docs = made(database, quantization=kind, recall=0.99)
    write(docs, ROWS[:20_000])
    docs.delete(ids=[str(n) for n in range(0, 20_000, 4)], node=ALWAYS, scope=Scope(), dry_run=False)
    docs.upkeep.compact(stop=never)
    database.journal("docs").checkpoint()  # type: ignore[union-attr]
    assert docs.view.rows.vectors.filed_rows == 15_000
    write(docs, ROWS[20_000:], first=20_000)
    docs.upkeep.make_codes(stop=never)
    assert np.array_equal(vectors(docs, ["1", "20000", "19999"]), ROWS[[1, 20_000, 19_999]])
    assert recall(docs, QUERIES) >= 0.99
    database.journal("docs").checkpoint()  # type: ignore[union-attr]
    assert docs.view.rows.vectors.filed_rows == 20_000
    assert np.array_equal(vectors(docs, ["1", "24999"]), ROWS[[1, 24_999]])
    database.close()


def test_rows_of_a_file_are_read_one_by_one_and_in_parts(tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(b"head" + ROWS[:9_000].tobytes())
    rows = SectionRows(OSFiles().open_read(str(tmp_path / "rows")), 4, 9_000)
    block = FileBlock(rows, 9_000, 96)
    assert np.array_equal(block.take(np.asarray([8_999, 0, 5, 5])), ROWS[[8_999, 0, 5, 5]])
    assert block.take(np.empty(0, dtype=np.int64)).shape == (0, 96)
    parts = list(block.parts(8_500))
    assert [start for start, _ in parts] == [0, 4096, 8192]
    assert np.array_equal(np.concatenate([part for _, part in parts]), ROWS[:8_500])
    with pytest.raises(ProviderError, match="the file ends"):
        block.take(np.asarray([9_000]))


@KINDS
@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
def test_without_originals_everything_is_as_the_codes_have_it(tmp_path: Path, kind: str, metric: str) -> None:
    database = Database(str(tmp_path))
    docs = made(database, metric, quantization=kind, originals=False)
    write(docs, ROWS[:3_000])
    write(docs, ROWS[3_000:5_000], first=3_000)
    ids = [str(n) for n in range(5_000)]
    kept = vectors(docs, ids)
    assert not np.array_equal(kept, ROWS[:5_000])
    docs.update_metadata(ids=ids[:2_000], node=ALWAYS, scope=Scope(), assign={"seen": True}, remove=[], dry_run=False)
    docs.delete(ids=ids[4_000:], node=ALWAYS, scope=Scope(), dry_run=False)
    docs.upkeep.compact(stop=never)
    for _ in range(3):
        assert np.array_equal(vectors(docs, ids[:4_000]), kept[:4_000])
        products = kept[:4_000].astype(np.float64) @ QUERIES.T.astype(np.float64)
        if metric == "euclidean":
            products -= np.square(kept[:4_000], dtype=np.float64).sum(axis=1)[:, None] / 2
        answers = docs.search(SearchRequest(vectors=QUERIES, top_k=5, exact=True), ALWAYS)
        best = np.argsort(-products, axis=0, kind="stable")[:5].T
        least = np.take_along_axis(products.T, best, axis=1)[:, -1]
        for answer, floor, own in zip(answers, least, products.T, strict=True):
            assert all(own[int(match.id)] >= floor - 1e-6 for match in answer.matches)
        database.close()
        database = Database(str(tmp_path))
        docs = database.get("docs")
    database.close()


def test_what_the_codes_keep_is_measured_and_said() -> None:
    found = {}
    for kind in ("int8", "int4", "binary"):
        docs = made(Database(), quantization=kind, originals=False)
        write(docs, ROWS[:8_000])
        stats = docs.view.rows.vectors.stats()
        found[kind] = stats["stored_recall"]
        assert stats["stored_recall_seen_on_rows"] == 8_000
    assert 1 >= found["int8"] > found["int4"] > found["binary"] > 0.1
    assert found["int8"] > 0.97


def test_codes_without_originals_are_searched_by_codes_first_too() -> None:
    docs = made(Database(), quantization="int8", originals=False, first_pass="signs", recall=0.9)
    write(docs, ROWS)
    docs.upkeep.make_codes(stop=never)
    assert recall(docs, QUERIES) >= 0.9


@pytest.mark.parametrize("kind", [Int8Codes, Int4Codes])
def test_refined_codes_go_out_and_in_as_bytes(kind: type[Int8Codes]) -> None:
    codes = kind(96)
    codes.fit(ROWS[:1000])
    for part in np.split(ROWS[:6_000], [1, 2_000]):
        codes.add(part)
    codes.compact()
    back = kind.load(memoryview(codes.dump()), 96)
    for each in (codes, back):
        each.add(ROWS[6_000:6_100])
    for m in (10, 60):
        one, other = (each.candidates(QUERIES, m, count=6_100, chosen=None) for each in (codes, back))
        assert [rows.tolist() for rows in one] == [rows.tolist() for rows in other]
        best = np.argsort(-(QUERIES @ ROWS[:6_100].T), axis=1)[:, :5]
        if m == 60:
            assert np.mean([len(set(rows) & set(truth)) / 5 for rows, truth in zip(one, best, strict=True)]) > 0.97
    with pytest.raises(ValueError, match="refined codes"):
        kind.load(memoryview(codes.dump()[:-1]), 96)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantization": "int2"}, "use one of none, int8, int4, binary"),
        ({"originals": False}, "say which with quantization"),
        ({"originals": 1, "quantization": "int8"}, "True or False"),
        ({"quantization": "int8", "first_pass": "signs"}, "leave first_pass out"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        IndexOptions.parse(options)


async def test_a_store_in_memory_has_nowhere_to_keep_originals() -> None:
    async with vpa.connect("mock://") as db:
        with pytest.raises(ConfigurationError, match="give it a directory"):
            await db.create_collection("docs", dimension=4, index={"quantization": "int8"})
        await db.create_collection("docs", dimension=4, index={"quantization": "int8", "originals": False})


async def test_a_store_moves_originals_to_the_disk_by_itself(tmp_path: Path) -> None:
    async with vpa.connect(f"mock://{tmp_path}/store") as db:
        docs = await db.create_collection("docs", dimension=96, index={"quantization": "int4", "recall": 0.99})
        ids = [str(n) for n in range(len(ROWS))]
        await docs.upsert(vpa.RecordBatch.from_columns(ids=ids, vectors=ROWS, metadata={"n": np.arange(len(ROWS))}))
        await docs.optimize()
        facts = (await db.get_statistics())["collections"]["docs"]
        assert facts["vectors"] == {"quantization": "int4", "originals": True, "rows_on_disk_only": 25_000}
        assert (await docs.search(vector=ROWS[5], top_k=1)).ids == ["5"]
