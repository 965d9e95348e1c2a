"""fields, distinct, min_max and explain: what metadata there is, type-exact; who evaluates a filter."""

from __future__ import annotations

from typing import Any

import pytest

from vpa.base.records import Record
from vpa.client.collection import Collection
from vpa.filters import F, as_filter, matches
from vpa.testing.suite.base import StoreSuite, vector

METADATA: tuple[dict[str, Any], ...] = (
    {"v": 1},
    {"v": 1.0},
    {"v": "1"},
    {"v": True},
    {"v": [2, 9.5, None]},
    {"v": None},
    {"v": []},
    {"w": {"x": "b"}},
    {"w": {"x": "a"}},
    {"v": False},
    {"v": "z"},
    {"v": 1},
)


class DescribeSuite(StoreSuite):
    """Twelve records with every kind of value."""

    @pytest.fixture
    async def filled(self, docs: Collection) -> Collection:
        """A collection of the twelve records."""
        await docs.upsert([Record(f"r{n}", vector=vector(n), metadata=row) for n, row in enumerate(METADATA)])
        return docs

    async def test_distinct_values_are_type_exact(self, filled: Collection) -> None:
        found = await filled.distinct("v")
        assert sorted(map(repr, found)) == sorted(["1", "1.0", "'1'", "True", "False", "2", "9.5", "'z'"])

    async def test_distinct_reaches_nested_paths_and_takes_a_filter(self, filled: Collection) -> None:
        assert await filled.distinct("w.x") == ["a", "b"]
        assert await filled.distinct("v", filter=F("v") > 1) == [2, 9.5]
        assert await filled.distinct("never") == []

    async def test_min_and_max_are_by_kind(self, filled: Collection) -> None:
        found = await filled.min_max("v")
        assert found == {"boolean": (False, True), "number": (1, 9.5), "string": ("1", "z")}
        assert await filled.min_max("never") == {}

    async def test_fields_are_named_with_their_types(self, filled: Collection) -> None:
        assert await filled.fields() == {
            "v": {"bool": 2, "float": 2, "int": 3, "str": 2},
            "w.x": {"str": 2},
        }

    async def test_explain_accounts_for_every_condition(self, filled: Collection) -> None:
        given = {"$and": [{"v": 1}, {"w.x": {"$gt": "a"}}, {"v": {"$ne": 2}}]}
        explained = await filled.explain(given)
        assert explained["leaves"]["native"] + explained["leaves"]["residual"] == 3
        assert explained["complete"] is (explained["residual"] is None)
        node = as_filter(explained["filter"])
        assert [matches(node, row) for row in METADATA] == [matches(as_filter(given), row) for row in METADATA]

    async def test_explain_of_no_filter_has_no_conditions(self, filled: Collection) -> None:
        assert (await filled.explain())["leaves"] == {"native": 0, "residual": 0}
