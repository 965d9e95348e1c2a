"""Records: what goes in comes out, values and types; what breaks a rule is refused and nothing is written."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pytest

from vpa.base.errors import DimensionMismatchError, InvalidRecordError
from vpa.base.metadata import canonical_metadata
from vpa.base.records import Record, RecordBatch
from vpa.client.collection import Collection
from vpa.filters import F
from vpa.testing.suite.base import DIMENSION, StoreSuite, vector


class Colour(enum.Enum):
    """An enum whose value is stored."""

    RED = "red"


_deep: dict[str, Any] = {"leaf": 1}
for _ in range(8):
    _deep = {"d": _deep}

VALID: Final[Mapping[str, Mapping[str, Any]]] = {
    "empty": {},
    "int": {"v": 2},
    "integral float": {"v": 2.0},
    "2**53 + 1": {"v": 2**53 + 1},
    "64-bit ends": {"a": -(2**63), "b": 2**63 - 1},
    "negative zero": {"v": -0.0},
    "floats": {"a": 0.1, "b": 1e22, "c": 5e-324, "d": 1.7976931348623157e308, "e": float(2**62 + 1024)},
    "booleans": {"a": True, "b": False},
    "None": {"v": None},
    "empty list": {"v": []},
    "list of None": {"v": [None, None]},
    "empty mapping": {"v": {}},
    "empty text": {"v": ""},
    "list of text": {"v": ["b", "a", "b"]},
    "int and float in a list": {"v": [1, 2.0, 3]},
    "None in a list": {"v": [None, 1, None]},
    "list of booleans": {"v": [True, False]},
    "nested": {"a": {"b": {"c": [1]}, "d": None}},
    "eight levels": _deep,
    "quotes": {"v": "a\"b'c`d\\e"},
    "newlines and control characters": {"v": "a\nb\r\tc\x01\x7f\x85\u2028"},
    "emoji": {"v": "👩‍👩‍👧‍👦 🏳️‍🌈"},
    "right to left": {"v": "שלום עולם مرحبا"},
    "looks like JSON": {"v": '{"$gt": 1}'},
    "looks like numbers": {"a": "1", "b": "1.0", "c": "true", "d": "null", "e": "NaN"},
    "reserved-looking keys": {"id": 1, "_id": "x", "text": "t", "vector": [1], "document": "d", "score": 1.5},
    "keys with odd characters": {"a b": 1, "c.d": 2, 'e"f': 3, "g'h": 4, "i$j": 5, "k\\l": 6, "ключ": 7},
    "long key": {"k" * 128: 1},
    "dates as text": {"v": "2024-01-01"},
    "a thousand values": {"v": list(range(1000))},
    "32 kB": {"v": "x" * 32_000},
}

CONVERTED: Final[Mapping[str, tuple[Any, Any]]] = {
    "numpy int": (np.int64(5), 5),
    "numpy float": (np.float64(2.5), 2.5),
    "numpy bool": (np.bool_(True), True),
    "numpy text": (np.str_("x"), "x"),
    "enum": (Colour.RED, "red"),
    "datetime in UTC": (dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.UTC), "2024-01-02T03:04:05.000000Z"),
    "datetime elsewhere": (
        dt.datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30))),
        "2024-01-01T21:34:05.000006Z",
    ),
    "numpy in a list": ([np.int32(1), 2], [1, 2]),
}

_too_deep: dict[str, Any] = {"leaf": 1}
for _ in range(10):
    _too_deep = {"d": _too_deep}

INVALID_METADATA: Final[Mapping[str, tuple[Any, str]]] = {
    "empty key": ({"": 1}, "empty key"),
    "long key": ({"k" * 129: 1}, "128"),
    "long key in bytes": ({"ä" * 65: 1}, "128"),
    "dollar key": ({"$a": 1}, r"'\$a'"),
    "reserved key": ({"_vpa_x": 1}, "_vpa_x"),
    "reserved key below": ({"a": {"$b": 1}}, r"\$b"),
    "number as key": ({1: 2}, "string"),
    "NUL in a key": ({"a\0b": 1}, "NUL"),
    "NaN": ({"v": float("nan")}, "'v'"),
    "infinity": ({"v": float("-inf")}, "'v'"),
    "NaN in a list": ({"v": [1.0, float("nan")]}, "'v'"),
    "65 bits": ({"v": 2**63}, "64 bits"),
    "tuple": ({"v": (1, 2)}, "list"),
    "set": ({"v": {1, 2}}, "list"),
    "date": ({"v": dt.date(2024, 1, 1)}, "datetime"),
    "naive datetime": ({"v": dt.datetime(2024, 1, 1)}, "time zone"),
    "Decimal": ({"v": Decimal("1.5")}, "Decimal"),
    "bytes": ({"v": b"x"}, "bytes"),
    "array": ({"v": np.zeros(2)}, "tolist"),
    "object": ({"v": object()}, "object"),
    "list of lists": ({"v": [[1]]}, "plain values"),
    "list of mappings": ({"v": [{"a": 1}]}, "plain values"),
    "mixed list": ({"v": [1, "x"]}, "mixes"),
    "booleans and numbers": ({"v": [True, 1]}, "mixes"),
    "NUL in text": ({"v": "a\0b"}, "NUL"),
    "lone surrogate": ({"v": "a\ud800"}, "surrogate"),
    "one path twice": ({"a.b": 1, "a": {"b": 2}}, r"a\.b"),
    "too deep": (_too_deep, "8"),
    "too many values": ({"v": list(range(1001))}, "1000"),
    "too many values in all": ({"a": list(range(600)), "b": list(range(600))}, "1000"),
    "no mapping": (["a"], "mapping"),
}

INVALID_RECORDS: Final[Mapping[str, tuple[Record, type[Exception]]]] = {
    "empty id": (Record("", vector=vector(1)), InvalidRecordError),
    "long id": (Record("x" * 513, vector=vector(1)), InvalidRecordError),
    "long id in bytes": (Record("ä" * 257, vector=vector(1)), InvalidRecordError),
    "number as id": (Record(1, vector=vector(1)), InvalidRecordError),  # type: ignore[arg-type]
    "NUL in the id": (Record("a\0", vector=vector(1)), InvalidRecordError),
    "lone surrogate in the id": (Record("\udfff", vector=vector(1)), InvalidRecordError),
    "short vector": (Record("a", vector=[1.0]), DimensionMismatchError),
    "long vector": (Record("a", vector=[1.0] * (DIMENSION + 1)), DimensionMismatchError),
    "matrix": (Record("a", vector=[[1.0] * DIMENSION]), InvalidRecordError),
    "NaN in the vector": (Record("a", vector=[float("nan")] * DIMENSION), InvalidRecordError),
    "infinity in the vector": (Record("a", vector=[float("inf")] * DIMENSION), InvalidRecordError),
    "too large for float32": (Record("a", vector=[1e39] * DIMENSION), InvalidRecordError),
    "zero vector": (Record("a", vector=[0.0] * DIMENSION), InvalidRecordError),
    "text vector": (Record("a", vector=["x"] * DIMENSION), InvalidRecordError),
    "no vector": (Record("a", vector=None), InvalidRecordError),
    "number as text": (Record("a", vector=vector(1), text=5), InvalidRecordError),  # type: ignore[arg-type]
    "NUL in the text": (Record("a", vector=vector(1), text="a\0b"), InvalidRecordError),
    "lone surrogate in the text": (Record("a", vector=vector(1), text="\ud800"), InvalidRecordError),
}

TEXTS: Final = (
    None,
    "",
    " ",
    "text",
    "a\nb\tc\r\n",
    "👩‍👩‍👧‍👦",
    "שלום",
    "x" * 60_000,
    "'\"\\`",
    "\x01\x1f\x7f",
    "{}",
    "null",
)
IDS: Final = ("a", "1", " ", "x" * 512, "ä" * 256, "a/b?c=d#e", "a'b\"c\\d", "😀", "a.b:c", "null", "-1", "\n")


def same(left: Any, right: Any) -> bool:
    """Equal in value and type, all the way down; tells -0.0 from 0.0."""
    return repr(left) == repr(right)


class RoundTripSuite(StoreSuite):
    """The same keys, values and types come back from get, search and scan."""

    @pytest.mark.parametrize("case", VALID)
    async def test_metadata_comes_back_as_it_was(self, docs: Collection, case: str) -> None:
        metadata = VALID[case]
        await docs.upsert([Record("a", vector=vector(1), metadata=metadata)])
        [got] = await docs.get(["a"])
        [match] = await docs.search(vector=vector(1))
        scanned = [record async for record in docs.scan()]
        for found in (got.metadata, match.metadata, scanned[0].metadata):
            assert found == metadata
            assert all(same(found[key], metadata[key]) for key in metadata)

    @pytest.mark.parametrize("case", CONVERTED)
    async def test_other_scalars_become_plain_python(self, docs: Collection, case: str) -> None:
        given, stored = CONVERTED[case]
        await docs.upsert([Record("a", vector=vector(1), metadata={"v": given})])
        [got] = await docs.get(["a"])
        assert same(got.metadata["v"], stored)
        assert same(got.metadata, canonical_metadata({"v": given}))

    @pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
    async def test_text_comes_back_as_it_was(self, docs: Collection, text: str | None) -> None:
        await docs.upsert([Record("a", vector=vector(1), text=text)])
        [got] = await docs.get(["a"])
        [match] = await docs.search(vector=vector(1))
        assert got.text == text
        assert match.text == text

    @pytest.mark.parametrize("record_id", IDS, ids=range(len(IDS)))
    async def test_any_id_is_kept(self, docs: Collection, record_id: str) -> None:
        await docs.upsert([Record(record_id, vector=vector(1))])
        assert [record.id for record in await docs.get([record_id])] == [record_id]
        assert (await docs.search(vector=vector(1))).ids == [record_id]
        assert await docs.delete(ids=[record_id]) == 1

    async def test_a_unit_vector_comes_back_to_the_bit(self, docs: Collection) -> None:
        unit = np.zeros(DIMENSION, dtype=np.float32)
        unit[:2] = (0.6, 0.8)
        await docs.upsert([Record("a", vector=unit)])
        [got] = await docs.get(["a"])
        assert np.asarray(got.vector).dtype == np.float32
        np.testing.assert_allclose(np.asarray(got.vector), unit, rtol=0, atol=1e-7)

    async def test_a_huge_vector_keeps_its_direction(self, docs: Collection) -> None:
        await docs.upsert([Record("a", vector=[1e20, *[0.0] * (DIMENSION - 1)])])
        [got] = await docs.get(["a"])
        assert np.asarray(got.vector).tolist() == [1.0, *[0.0] * (DIMENSION - 1)]

    @pytest.mark.parametrize("metric", ["dot", "euclidean"])
    async def test_other_metrics_keep_vectors_to_the_bit(self, db: Any, name: str, metric: str) -> None:
        docs = await db.create_collection(name, dimension=DIMENSION, metric=metric)
        given = np.asarray(vector(3), dtype=np.float32) * 17
        await docs.upsert([Record("a", vector=given), Record("zero", vector=[0.0] * DIMENSION)])
        got, zero = await docs.get(["a", "zero"])
        assert np.asarray(got.vector).tolist() == given.tolist()
        assert np.asarray(zero.vector).tolist() == [0.0] * DIMENSION

    async def test_system_fields_are_kept_apart_from_metadata(self, docs: Collection) -> None:
        system: dict[str, Any] = {"document_id": "d'1", "version": 2**53 + 1, "share": 0.5, "flag": True, "none": None}
        await docs.upsert(
            [Record("a", vector=vector(1), metadata={"version": 1}, system=system), Record("b", vector=vector(2))]
        )
        [got] = await docs.get(["a"])
        [match] = await docs.search(vector=vector(1), top_k=1)
        for found in (got, match):
            assert same(sorted(found.system.items()), sorted(system.items()))
            assert dict(found.metadata) == {"version": 1}
        assert await docs.fields() == {"version": {"int": 1}}

    async def test_system_fields_are_filtered_by_their_own_name(self, docs: Collection) -> None:
        rows = [
            Record(name, vector=vector(n), metadata={"n": n}, system={"n": n * 10, "s": name})
            for n, name in enumerate("abc")
        ]
        await docs.upsert(rows)
        for node, expected in (
            (F.system("n") == 10, {"b"}),
            (F("n") == 10, set()),
            (F.system("n") >= 10, {"b", "c"}),
            (F.system("s").is_in(["a", "c"]), {"a", "c"}),
            (F.system("s") != "a", {"b", "c"}),
            (F.system("never").missing() & (F("n") < 2), {"a", "b"}),
        ):
            assert {record.id async for record in docs.scan(filter=node)} == expected
            assert set((await docs.search(vector=vector(9), filter=node, exact=True)).ids) == expected
            assert await docs.count(filter=node) == len(expected)

    async def test_an_update_of_metadata_keeps_system_fields(self, docs: Collection) -> None:
        await docs.upsert([Record("a", vector=vector(1), metadata={"n": 1}, system={"n": 10})])
        await docs.update_metadata(filter=F.system("n") == 10, set={"n": 2})
        [got] = await docs.get(["a"])
        assert (dict(got.metadata), dict(got.system)) == ({"n": 2}, {"n": 10})

    async def test_a_batch_of_columns_is_the_same_as_records(self, docs: Collection) -> None:
        matrix = np.asarray([vector(1), vector(2)], dtype=np.float64)
        before = matrix.copy()
        batch = RecordBatch(ids=["a", "b"], vectors=matrix, texts=["x", None], metadata=[{"v": 1}, {}])  # type: ignore[arg-type]
        assert await docs.upsert(batch) == 2
        assert np.array_equal(matrix, before)
        from_columns = await docs.get(["a", "b"])
        await docs.upsert([Record("a", vector=vector(1), text="x", metadata={"v": 1}), Record("b", vector=vector(2))])
        assert await docs.get(["a", "b"]) == from_columns


class InvalidRecordSuite(StoreSuite):
    """What breaks a rule is refused by name; nothing of the call is written."""

    @pytest.mark.parametrize("case", INVALID_METADATA)
    async def test_metadata_that_breaks_a_rule_is_refused(self, docs: Collection, case: str) -> None:
        metadata, pattern = INVALID_METADATA[case]
        good = Record("good", vector=vector(2))
        with pytest.raises(InvalidRecordError, match=pattern):
            await docs.upsert([good, Record("bad", vector=vector(1), metadata=metadata)])
        assert await docs.count() == 0

    @pytest.mark.parametrize("case", INVALID_RECORDS)
    async def test_a_record_that_breaks_a_rule_is_refused(self, docs: Collection, case: str) -> None:
        record, expected = INVALID_RECORDS[case]
        with pytest.raises(expected):
            await docs.upsert([Record("good", vector=vector(2)), record])
        assert await docs.count() == 0

    async def test_an_id_twice_in_one_batch_is_refused(self, docs: Collection) -> None:
        with pytest.raises(InvalidRecordError, match="'a'"):
            await docs.upsert([Record("a", vector=vector(1)), Record("a", vector=vector(2))])
        assert await docs.count() == 0

    @pytest.mark.parametrize("column", ["texts", "metadata", "ids"])
    async def test_columns_of_different_lengths_are_refused(self, docs: Collection, column: str) -> None:
        columns: dict[str, Any] = {"ids": ["a", "b"], "texts": [None, None], "metadata": [{}, {}]}
        columns[column] = columns[column][:1]
        batch = RecordBatch(vectors=np.asarray([vector(1), vector(2)], dtype=np.float32), **columns)
        with pytest.raises(InvalidRecordError):
            await docs.upsert(batch)

    async def test_one_record_or_mapping_alone_is_written(self, docs: Collection) -> None:
        assert await docs.upsert(Record("a", vector=vector(1))) == 1
        assert (await docs.upsert({"id": "b", "vector": vector(2), "metadata": {"n": 1}})).ids == ("b",)
        assert [record.id for record in await docs.get(["a", "b"])] == ["a", "b"]
