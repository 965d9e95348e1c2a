"""A field of a filter that no record has is told, by every verb that could only answer with nothing."""

from __future__ import annotations

import pytest
import structlog

import vpa
from vpa.client.manager import VectorDatabaseManager
from vpa.testing.fakes import WeakStore

pytestmark = pytest.mark.parametrize("kind", ["whole", "eq only"])


@pytest.fixture
async def docs(kind: str):  # type: ignore[no-untyped-def]
    store = None if kind == "whole" else WeakStore()
    manager = vpa.connect("mock://") if store is None else VectorDatabaseManager(store=store)
    async with manager as db:
        collection = await db.create_collection("docs", dimension=2)
        await collection.upsert(
            vpa.Record(str(n), vector=[1, n], metadata={"year": 2000 + n, "author": {"name": "ann"}}) for n in range(20)
        )
        yield collection


async def test_an_empty_answer_names_the_fields_that_no_record_has(docs: vpa.Collection) -> None:
    empty = await docs.search(vector=[1, 0], filter={"yaer": 2001, "year": {"$gt": 1}})
    assert empty.usage.unknown_fields == ("yaer",)
    [one, other] = await docs.search_batch(vectors=[[1, 0], [0, 1]], filter={"yaer": 1, "autor.name": "ann"})
    assert one.usage.unknown_fields == other.usage.unknown_fields == ("yaer", "autor.name")


async def test_an_empty_answer_over_known_fields_names_none(docs: vpa.Collection) -> None:
    for condition in ({"year": 1}, {"author": {"$exists": False}}, {"author.name": "bob"}, {"$nor": [{}]}):
        assert (await docs.search(vector=[1, 0], filter=condition)).usage.unknown_fields == ()
    assert (await docs.search(vector=[1, 0], filter={"year": {"$ne": 1}})).usage.unknown_fields == ()
    assert (await docs.search(vector=[1, 0], score_threshold=0.99, filter={"year": {"$gt": 2001}})).ids == []


async def test_an_empty_scope_has_no_unknown_fields(docs: vpa.Collection) -> None:
    empty = await docs.search(vector=[1, 0], filter={"yaer": 1}, scope=vpa.Scope("nobody"))
    assert empty.usage.unknown_fields == ()


async def test_a_field_that_is_written_meanwhile_is_known(docs: vpa.Collection) -> None:
    assert (await docs.search(vector=[1, 0], filter={"kind": "x"})).usage.unknown_fields == ("kind",)
    await docs.upsert([vpa.Record("new", vector=[1, 1], metadata={"kind": "y"})])
    assert (await docs.search(vector=[1, 0], filter={"kind": "x"})).usage.unknown_fields == ()


async def test_explain_lists_them_with_the_nearest_name(docs: vpa.Collection) -> None:
    facts = await docs.explain({"yaer": 1, "meta.year": 2, "Year": 3, "name": "ann", "zzz": 4, "year": 5})
    assert facts["unknown_fields"] == {
        "yaer": "year",
        "meta.year": "year",
        "Year": "year",
        "name": "author.name",
        "zzz": None,
    }
    assert (await docs.explain({"year": 1}))["unknown_fields"] == {}
    assert (await docs.explain({"yaer": 1}, scope=vpa.Scope("nobody")))["unknown_fields"] == {}


async def test_verbs_that_answer_with_a_number_log_it_once(docs: vpa.Collection) -> None:
    with structlog.testing.capture_logs() as lines:
        assert await docs.count(filter={"yaer": 1}) == 0
        assert await docs.count(filter={"yaer": 2}) == 0
        assert await docs.delete(filter={"autor.name": "ann"}) == 0
        assert await docs.update_metadata(filter={"yeer": 1}, set={"a": 1}) == 0
        assert await docs.count(filter={"year": 1}) == 0
        assert await docs.delete(ids=["nothing"]) == 0
    assert [line["event"] for line in lines] == [
        "no record has a field 'yaer'; did you mean 'year'?",
        "no record has a field 'autor.name'; did you mean 'author.name'?",
        "no record has a field 'yeer'; did you mean 'year'?",
    ]


async def test_a_denied_condition_on_a_field_that_no_record_has_is_told_before_it_matches_everything(
    docs: vpa.Collection,
) -> None:
    for condition in ({"yaer": {"$ne": 1}}, {"$nor": [{"yaer": 1}]}, {"year": {"$gt": 1}, "yaer": {"$nin": [1]}}):
        found = await docs.search(vector=[1, 0], filter=condition)
        assert (len(found), found.usage.unknown_fields) == (10, ("yaer",))
    with structlog.testing.capture_logs() as logged:
        assert await docs.delete(filter={"atuhor.name": {"$ne": "x"}}, dry_run=True) == 20
        assert [line["event"] for line in logged] == [
            "no record has a field 'atuhor.name'; did you mean 'author.name'?"
        ]
        assert await docs.update_metadata(filter={"kidn": {"$ne": 1}}, set={"a": 1}) == 20
        assert await docs.count({"other": {"$exists": False}}) == 20
        assert await docs.count({"deep.x": {"$ne": 1}}) == 20
        assert len([record async for record in docs.scan(filter={"b1": {"$ne": 1}})]) == 20
        assert len(await docs.distinct("year", filter={"b2": {"$ne": 1}})) == 20
        assert await docs.fields(filter={"b3": {"$ne": 1}})
    names = ("kidn", "deep.x", "b1", "b2", "b3")
    assert [line["event"] for line in logged[1:]] == [f"no record has a field {name!r}" for name in names]


async def test_verbs_that_find_nothing_say_why(docs: vpa.Collection) -> None:
    with structlog.testing.capture_logs() as logged:
        assert [record async for record in docs.scan(filter={"a1": 1})] == []
        assert await docs.distinct("a2") == []
        assert await docs.min_max("a3") == {}
        assert await docs.distinct("year", filter={"a4": 1}) == []
    assert [line["event"] for line in logged] == [f"no record has a field 'a{n}'" for n in range(1, 5)]


async def test_values_of_another_kind_are_told(docs: vpa.Collection) -> None:
    with structlog.testing.capture_logs() as logged:
        for condition in ({"year": "2001"}, {"year": {"$gte": "2001"}}, {"author.name": {"$in": [1, 2]}}):
            assert await docs.count(condition) == 0
        assert await docs.count({"year": 1}) == 0
    assert [line["event"] for line in logged] == [
        "the field 'year' holds numbers, and the filter compares it with texts, which never match",
        "the field 'author.name' holds texts, and the filter compares it with numbers, which never match",
    ]
