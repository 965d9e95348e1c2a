"""Filters: every operator over every kind of value, valid and not; the evaluator says what is right."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import pytest

from vpa.base.errors import InvalidFilterError
from vpa.client.collection import Collection
from vpa.filters import F, FilterLike
from vpa.testing.suite.base import StoreSuite, expected_ids, records_of, vector

LONG = "long " * 60
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
HOSTILE = "'; DROP TABLE t; --"
ODD_KEY = "k\"e'y\\ $1 {x} [0] %s"

CORPUS: Final[tuple[Mapping[str, Any], ...]] = (
    {},
    {"n": 1},
    {"n": 1.0},
    {"n": "1"},
    {"n": True},
    {"n": None},
    {"n": []},
    {"n": [None]},
    {"n": {}},
    {"n": [1, 20]},
    {"n": 0},
    {"n": -0.0},
    {"n": False},
    {"n": ""},
    {"n": 2**53},
    {"n": 2**53 + 1},
    {"n": float(2**53)},
    {"n": -(2**63)},
    {"n": 2**63 - 1},
    {"n": 5},
    {"n": 6.5},
    {"n": ["x", "y"]},
    {"n": ["x", None]},
    {"n": "x"},
    {"n": [True, False]},
    {"author": {"name": "Ann", "tags": ["p", "q"]}},
    {"author": {"name": None}},
    {"author": {}},
    {"author.name": "Ann"},
    {"author": {"name": "Bob", "born": {"year": 1950}}},
    {"at": NOON},
    {"at": NOON + timedelta(microseconds=1)},
    {"at": datetime(2024, 5, 1, 14, tzinfo=timezone(timedelta(hours=2)))},
    {"at": "2024"},
    {"at": "2024-05-01T12:00Z"},
    {"at": "2024-05-01 05:00:00.000-07:00"},
    {"at": ["2024-05-01t14:00:00+0200", "2030-01-01T00:00:00Z"]},
    {"at": "2024-05-01"},
    {"at": "2024-05-01T12:00:00"},
    {"at": "2024-02-30T12:00:00Z"},
    {"at": "2024-05-01T10:00Yankee"},
    {"digits": 0.3},
    {"digits": 0.1 + 0.2},
    {"digits": [123456.78901234567, 0.30000000000000016]},
    {"digits": 123456.78901234569},
    {"s": ["berlin", "Bern"]},
    {"s": "BERLIN"},
    {"s": "Straße"},
    {"s": ["aa", "zz"]},
    {"id": "r000", "_id": 1},
    {"text": "t", "vector": 2, "document": ["d"]},
    {ODD_KEY: HOSTILE, "n": HOSTILE},
    {"s": "é"},
    {"s": "e\u0301"},
    {"s": "😀"},
    {"s": "\uffff"},
    {"s": "Z"},
    {"s": "a"},
    {"s": "a\nb\t"},
    {"s": LONG + "a"},
    {"s": LONG + "b"},
    {"e": 5e-324},
    {"e": 1e308},
)

SOME, NONE, ALL = "some", "none", "all"


def _table() -> dict[str, tuple[FilterLike, str]]:
    rows: dict[str, tuple[FilterLike, str]] = {}
    literals = (
        1,
        1.0,
        "1",
        True,
        False,
        0,
        -0.0,
        "",
        2**53,
        2**53 + 1,
        float(2**53),
        -(2**63),
        2**63 - 1,
        5,
        6.5,
        "x",
        HOSTILE,
    )
    for value in literals:
        for operator in ("$eq", "$ne", "$contains"):
            rows[f"n {operator} {value!r}"] = ({"n": {operator: value}}, SOME)
        if not isinstance(value, bool):
            for operator in ("$gt", "$gte", "$lt", "$lte"):
                rows[f"n {operator} {value!r}"] = ({"n": {operator: value}}, SOME)
    for kind in (NONE,):
        for row in ("n $gt 9223372036854775807", "n $lt -9223372036854775808", "n $lt ''"):
            rows[row] = (rows[row][0], kind)
    return rows | _sets() | _paths() | _times_and_digits() | _texts() | _logic()


def _sets() -> dict[str, tuple[FilterLike, str]]:
    return {
        "bare value": ({"n": 1}, SOME),
        "bare None": ({"n": None}, SOME),
        "$eq None": ({"n": {"$eq": None}}, SOME),
        "$ne None": ({"n": {"$ne": None}}, SOME),
        "$exists true": ({"n": {"$exists": True}}, SOME),
        "$exists false": ({"n": {"$exists": False}}, SOME),
        "$exists on a key that never is": ({"zzz": {"$exists": True}}, NONE),
        "$exists false on a key that never is": ({"zzz": {"$exists": False}}, ALL),
        "$eq on a key that never is": ({"zzz": 1}, NONE),
        "$ne on a key that never is": ({"zzz": {"$ne": 1}}, ALL),
        "$in numbers": ({"n": {"$in": [1, 5]}}, SOME),
        "$in mixed kinds": ({"n": {"$in": [1, "1", True]}}, SOME),
        "$in one": ({"n": {"$in": ["x"]}}, SOME),
        "$in with None": ({"n": {"$in": [1, None]}}, SOME),
        "$in None only": ({"n": {"$in": [None]}}, SOME),
        "$in nothing": ({"n": {"$in": []}}, NONE),
        "$in many": ({"n": {"$in": list(range(1000))}}, SOME),
        "$nin numbers": ({"n": {"$nin": [1, 5]}}, SOME),
        "$nin with None": ({"n": {"$nin": [1, None]}}, SOME),
        "$nin nothing": ({"n": {"$nin": []}}, ALL),
        "$contains_any": ({"n": {"$contains_any": ["y", "z"]}}, SOME),
        "$contains_any nothing": ({"n": {"$contains_any": []}}, NONE),
        "$contains_all": ({"n": {"$contains_all": ["x", "y"]}}, SOME),
        "$contains_all on scalars": ({"n": {"$contains_all": ["x"]}}, SOME),
        "$contains_all twice the same": ({"n": {"$contains_all": ["x", "x"]}}, SOME),
        "$contains_all of what no record has": ({"n": {"$contains_all": ["x", "never"]}}, NONE),
        "$contains_all nothing": ({"n": {"$contains_all": []}}, ALL),
        "$contains is no substring": ({"author.name": {"$contains": "An"}}, NONE),
        "two ranges, two values": ({"n": {"$gt": 5, "$lt": 9}}, SOME),
        "range no value alone is in": ({"n": {"$gt": 19, "$lt": 2}}, SOME),
    }


def _paths() -> dict[str, tuple[FilterLike, str]]:
    return {
        "nested path": ({"author.name": "Ann"}, SOME),
        "nested list": ({"author.tags": {"$contains_any": ["q"]}}, SOME),
        "deep path": ({"author.born.year": {"$lt": 2000}}, SOME),
        "a mapping exists": ({"author": {"$exists": True}}, SOME),
        "a mapping does not exist": ({"author": {"$exists": False}}, SOME),
        "an inner mapping exists": ({"author.born": {"$exists": True}}, SOME),
        "a mapping equals nothing": ({"author": "Ann"}, NONE),
        "id is metadata": ({"id": "r000"}, SOME),
        "_id is metadata": ({"_id": 1}, SOME),
        "text is metadata": ({"text": "t"}, SOME),
        "vector is metadata": ({"vector": {"$gte": 2}}, SOME),
        "document is metadata": ({"document": "d"}, SOME),
        "text of the record is not": ({"text": "text 0"}, NONE),
        "odd key, hostile value": ({ODD_KEY: HOSTILE}, SOME),
        "odd key, other value": ({ODD_KEY: "x"}, NONE),
        "hostile key": ({"n' OR '1'='1": 1}, NONE),
    }


def _times_and_digits() -> dict[str, tuple[FilterLike, str]]:
    return {
        "time": ({"at": NOON}, SOME),
        "time in another zone": ({"at": NOON.astimezone(timezone(timedelta(hours=-7)))}, SOME),
        "time after": ({"at": {"$gt": NOON}}, SOME),
        "time against text": ({"at": {"$lt": "2024-05"}}, SOME),
        "time as text of any offset": ({"at": "2024-05-01T13:00:00+01:00"}, SOME),
        "not that time": ({"at": {"$ne": "2024-05-01T13:00:00+01:00"}}, SOME),
        "time among texts": ({"at": {"$in": ["2024", "2024-05-01T14:00:00+02:00"]}}, SOME),
        "time before text with an offset": ({"at": {"$lt": "2024-05-01T12:00:00.000001+00:00"}}, SOME),
        "time from text with an offset": ({"at": {"$gte": "2024-05-01T14:00+02"}}, SOME),
        "a date alone is text": ({"at": "2024-05-01"}, SOME),
        "a time without an offset is text": ({"at": "2024-05-01T12:00:00"}, SOME),
        "a day that is not is text": ({"at": "2024-02-30T12:00:00Z"}, SOME),
        "begins with a day": ({"at": {"$starts_with": "2024-05-01T"}}, SOME),
        "below a number of many digits": ({"digits": {"$lt": 0.1 + 0.2}}, SOME),
        "up to a number of many digits": ({"digits": {"$lte": 0.1 + 0.2}}, SOME),
        "above a number of many digits": ({"digits": {"$gt": 123456.78901234567}}, SOME),
        "not above a number of many digits": ({"digits": {"$not": {"$gt": 0.1 + 0.2}}}, SOME),
        "a number of many digits": ({"digits": 0.1 + 0.2}, SOME),
        "begins as a time, but for its last letter": ({"at": {"$starts_with": "2024-05-01T10:00Y"}}, SOME),
    }


def _texts() -> dict[str, tuple[FilterLike, str]]:
    return {
        "$starts_with": ({"s": {"$starts_with": "ber"}}, SOME),
        "$starts_with in a list": ({"s": {"$starts_with": "Ber"}}, SOME),
        "$starts_with between two of a list": ({"s": {"$starts_with": "m"}}, NONE),
        "$starts_with, all of it": ({"s": {"$starts_with": "BERLIN"}}, SOME),
        "$starts_with nothing": ({"s": {"$starts_with": ""}}, SOME),
        "$starts_with the last character": ({"s": {"$starts_with": "\U0010ffff"}}, NONE),
        "$starts_with a long text": ({"s": {"$starts_with": LONG}}, SOME),
        "not $starts_with": ({"s": {"$not": {"$starts_with": "ber"}}}, SOME),
        "$iequals": ({"s": {"$iequals": "Berlin"}}, SOME),
        "$iequals folds": ({"s": {"$iequals": "STRASSE"}}, SOME),
        "$iequals nothing there": ({"s": {"$iequals": "Bernau"}}, NONE),
        "not $iequals": ({"s": {"$not": {"$iequals": "BERN"}}}, SOME),
        "$iequals of a time": ({"at": {"$iequals": "2024-05-01t13:00:00+01:00"}}, SOME),
        "text order is by code point": ({"s": {"$gt": "\uffff"}}, SOME),
        "text order below": ({"s": {"$lt": "a"}}, SOME),
        "composed letters": ({"s": "é"}, SOME),
        "decomposed letters": ({"s": "e\u0301"}, SOME),
        "emoji": ({"s": {"$in": ["😀"]}}, SOME),
        "control characters": ({"s": "a\nb\t"}, SOME),
        "long text": ({"s": LONG + "b"}, SOME),
        "long text range": ({"s": {"$gt": LONG + "a"}}, SOME),
        "smallest float": ({"e": {"$gt": 0}}, SOME),
        "smallest float alone": ({"e": {"$gt": 0, "$lt": 1e-300}}, SOME),
        "largest float": ({"e": {"$gte": 1e308}}, SOME),
    }


def _logic() -> dict[str, tuple[FilterLike, str]]:
    deep: dict[str, Any] = {"n": 1}
    for _ in range(31):
        deep = {"$not": deep}
    return {
        "no filter": (None, ALL),
        "empty filter": ({}, ALL),
        "several keys": ({"n": HOSTILE, ODD_KEY: {"$exists": True}}, SOME),
        "$and": ({"$and": [{"n": {"$gte": 1}}, {"n": {"$lte": 5}}]}, SOME),
        "$or": ({"$or": [{"n": 1}, {"s": "a"}]}, SOME),
        "$nor": ({"$nor": [{"n": {"$exists": True}}, {"s": {"$exists": True}}]}, SOME),
        "$not of a filter": ({"$not": {"n": {"$gt": 3}}}, SOME),
        "$not in a field": ({"n": {"$not": {"$gt": 3}}}, SOME),
        "$not of $and": ({"$not": {"$and": [{"n": {"$gte": 1}}, {"n": {"$lte": 5}}]}}, SOME),
        "$not of nothing": ({"$not": {}}, NONE),
        "$and with an empty filter": ({"$and": [{}, {"n": 1}]}, SOME),
        "contradiction": ({"$and": [{"n": 1}, {"n": {"$ne": 1}}]}, NONE),
        "tautology": ({"$or": [{"n": 1}, {"n": {"$ne": 1}}]}, ALL),
        "thirty-one times not": (deep, SOME),
        "python and": ((F("n") >= 1) & (F("n") <= 5), SOME),
        "python or": ((F("n") == "x") | F("author.name").missing(), SOME),
        "python not": (~(F("n") > 3), SOME),
        "python starts_with": (F("s").starts_with("Str") | F("s").iequals("bern"), SOME),
        "python contains_any": (F("n").contains_any("x", 5), SOME),
        "python contains_all": (F("n").contains_all("x", "y"), SOME),
        "python not_in": (F("n").not_in([1, None]), SOME),
        "python !=": (F("n") != 1, SOME),
    }


TABLE: Final = _table()


class FilterSuite(StoreSuite):
    """Each filter through search, and every fourth through count, scan and delete too."""

    @pytest.fixture
    async def filled(self, docs: Collection) -> Collection:
        """The corpus of filters, stored once for the class."""
        await docs.upsert(records_of(CORPUS))
        return docs

    def expected(self, condition: FilterLike, kind: str) -> set[str]:
        """The evaluator's rows; a case says beforehand whether they are none, some or all."""
        rows = expected_ids(CORPUS, condition)
        found = NONE if not rows else ALL if len(rows) == len(CORPUS) else SOME
        assert found == kind, f"the case says {kind}, the evaluator finds {found}: {sorted(rows)}"
        return rows

    @pytest.mark.parametrize("case", TABLE)
    async def test_search_finds_what_the_evaluator_finds(self, filled: Collection, case: str) -> None:
        given, kind = TABLE[case]
        found = await filled.search(vector=vector(999), top_k=len(CORPUS), filter=given, exact=True)
        assert set(found.ids) == self.expected(given, kind)
        assert len(found.ids) == len(set(found.ids))

    @pytest.mark.parametrize("case", list(TABLE)[::4])
    async def test_count_scan_and_delete_agree_with_the_evaluator(self, filled: Collection, case: str) -> None:
        given, kind = TABLE[case]
        rows = self.expected(given, kind)
        assert await filled.count(filter=given) == len(rows)
        assert {record.id async for record in filled.scan(filter=given)} == rows
        everything = {} if given is None else given
        assert await filled.delete(filter=everything, allow_all=True, dry_run=True) == len(rows)
        assert await filled.delete(filter=everything, allow_all=True) == len(rows)
        assert await filled.count() == len(CORPUS) - len(rows)
        assert {record.id async for record in filled.scan(filter=given)} == set()

    async def test_top_k_is_filled_under_a_filter(self, filled: Collection) -> None:
        given = {"n": {"$exists": True}}
        rows = self.expected(given, SOME)
        best = [match.id for match in await filled.search(vector=vector(5), top_k=len(CORPUS)) if match.id in rows]
        for top_k in (1, 3, len(rows)):
            found = await filled.search(vector=vector(5), top_k=top_k, filter=given, exact=True)
            assert found.ids == best[:top_k]


INVALID: Final[Mapping[str, tuple[Any, str]]] = {
    "unknown operator": ({"a": {"$gr": 1}}, r"a\.\$gr"),
    "unknown connective": ({"$xor": [{"a": 1}]}, r"\$xor"),
    "operator without a field": ({"$gt": 1}, r"\$gt"),
    "plain key among operators": ({"a": {"$gt": 1, "b": 2}}, r"a\.b"),
    "boolean range": ({"a": {"$gt": True}}, r"a\.\$gt"),
    "list range": ({"a": {"$lt": [1]}}, r"a\.\$lt"),
    "None range": ({"a": {"$gte": None}}, r"a\.\$gte"),
    "list under $eq": ({"a": {"$eq": [1]}}, r"\$in"),
    "bare list": ({"a": [1, 2]}, r"\$contains_all"),
    "bare mapping": ({"author": {"name": "x"}}, r"author\.name"),
    "mapping under $eq": ({"author": {"$eq": {"name": "x"}}}, r"author\.name"),
    "NaN": ({"a": float("nan")}, r"at a"),
    "infinity": ({"a": {"$lt": float("inf")}}, r"a\.\$lt"),
    "65 bits": ({"a": 2**63}, r"64"),
    "empty object under a field": ({"a": {}}, r"at a"),
    "empty $and": ({"$and": []}, r"\$and"),
    "empty $or": ({"$or": []}, r"\$or"),
    "empty $nor": ({"$nor": []}, r"\$nor"),
    "$and of no list": ({"$and": {"a": 1}}, r"\$and"),
    "$or of no filters": ({"$or": [1]}, r"\$or\[0\]"),
    "inner path": ({"$or": [{"a": 1}, {"b": {"$foo": 1}}]}, r"\$or\[1\]\.b\.\$foo"),
    "$in of no list": ({"a": {"$in": "xyz"}}, r"a\.\$in"),
    "$in of lists": ({"a": {"$in": [[1]]}}, r"a\.\$in"),
    "$exists of no boolean": ({"a": {"$exists": 1}}, r"a\.\$exists"),
    "$starts_with of a number": ({"a": {"$starts_with": 1}}, r"a\.\$starts_with"),
    "$starts_with of a list": ({"a": {"$starts_with": ["x"]}}, r"a\.\$starts_with"),
    "$iequals of None": ({"a": {"$iequals": None}}, r"a\.\$iequals"),
    "$not of a value": ({"a": {"$not": 1}}, r"a\.\$not"),
    "NUL in a literal": ({"a": "x\0y"}, r"NUL"),
    "lone surrogate": ({"a": "\ud800"}, r"surrogate"),
    "bytes": ({"a": b"x"}, r"bytes"),
    "naive datetime": ({"a": datetime(2024, 1, 1)}, r"time zone"),
    "empty field": ({"": 1}, r"field"),
    "no mapping": (["a"], r"mapping"),
    "text": ("a = 1", r"mapping"),
    "system fields from outside": ({"$system": {"x": 1}}, r"\$system"),
    "too deep": ("deep", r"deeper than 32"),
    "too many literals": ({"a": {"$in": list(range(10_001))}}, r"10000"),
    "too many literals in all": ({"$or": [{"a": {"$in": list(range(6000))}}] * 2}, r"10000"),
}


class InvalidFilterSuite(StoreSuite):
    """What is malformed is refused, with the path inside the filter, before the store is asked."""

    @pytest.mark.parametrize("case", INVALID)
    async def test_a_malformed_filter_is_refused_with_its_path(self, docs: Collection, case: str) -> None:
        given, pattern = INVALID[case]
        if given == "deep":
            given = {"a": 1}
            for _ in range(40):
                given = {"$not": given}
        with pytest.raises(InvalidFilterError, match=pattern):
            await docs.search(vector=vector(1), filter=given)

    @pytest.mark.parametrize("verb", ["count", "delete", "update_metadata"])
    async def test_every_verb_refuses_it(self, docs: Collection, verb: str) -> None:
        await docs.upsert(records_of([{"a": 1}]))
        options = {"set": {"b": 1}} if verb == "update_metadata" else {}
        with pytest.raises(InvalidFilterError, match=r"a\.\$foo"):
            await getattr(docs, verb)(filter={"a": {"$foo": 1}}, **options)
        assert [record.metadata async for record in docs.scan()] == [{"a": 1}]
