"""Writes: upsert, update_metadata, delete; what they return, and that bad input changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from vpa.base import errors
from vpa.base.records import Record
from vpa.client.collection import Collection
from vpa.filters import F
from vpa.testing.suite.base import StoreSuite, vector


async def metadata_by_id(docs: Collection) -> dict[str, dict[str, Any]]:
    """The metadata of everything that is stored, by id."""
    return {record.id: dict(record.metadata) async for record in docs.scan()}


def three() -> list[Record]:
    """Records a, b, c with n = 1, 2, 3."""
    return [Record(name, vector=vector(n), text=name, metadata={"n": n, "k": "x"}) for n, name in enumerate("abc", 1)]


class WriteSuite(StoreSuite):
    """Everything that changes records."""

    async def test_upsert_returns_how_many_were_written(self, docs: Collection) -> None:
        assert await docs.upsert(three()) == 3
        assert await docs.count() == 3

    async def test_an_empty_list_writes_nothing(self, docs: Collection) -> None:
        assert await docs.upsert([]) == 0
        assert await docs.count() == 0

    async def test_upsert_replaces_the_whole_record(self, docs: Collection) -> None:
        await docs.upsert(three())
        await docs.upsert([Record("a", vector=vector(9), metadata={"other": 1})])
        [got] = await docs.get(["a"])
        assert dict(got.metadata) == {"other": 1}
        assert got.text is None
        assert (await docs.search(vector=vector(9), top_k=1)).ids == ["a"]
        assert await docs.count(filter={"n": 1}) == 0
        assert await docs.count() == 3

    async def test_a_generator_of_records_is_taken(self, docs: Collection) -> None:
        assert await docs.upsert(record for record in three()) == 3

    async def test_a_large_batch_is_written_whole(self, docs: Collection) -> None:
        records = [Record(f"r{n}", vector=vector(n), metadata={"n": n}) for n in range(1500)]
        assert await docs.upsert(records) == 1500
        assert await docs.count() == 1500
        assert await docs.count(filter=F("n") >= 1000) == 500

    async def test_skip_leaves_existing_records_alone(self, docs: Collection) -> None:
        await docs.upsert(three()[:1])
        new = [Record("a", vector=vector(7), metadata={"new": 1}), Record("z", vector=vector(8), metadata={"new": 1})]
        assert await docs.upsert(new, on_conflict="skip") == 1
        assert await metadata_by_id(docs) == {"a": {"n": 1, "k": "x"}, "z": {"new": 1}}

    async def test_error_writes_nothing_and_names_the_ids(self, docs: Collection) -> None:
        await docs.upsert(three()[:1])
        with pytest.raises(errors.RecordExistsError) as caught:
            await docs.upsert([Record("z", vector=vector(8)), Record("a", vector=vector(7))], on_conflict="error")
        assert caught.value.ids == ("a",)
        assert await metadata_by_id(docs) == {"a": {"n": 1, "k": "x"}}

    async def test_error_writes_when_nothing_exists(self, docs: Collection) -> None:
        assert await docs.upsert(three(), on_conflict="error") == 3

    async def test_an_unknown_choice_is_refused(self, docs: Collection) -> None:
        with pytest.raises(errors.InvalidQueryError, match="replace, skip, error"):
            await docs.upsert(three(), on_conflict="merge")  # type: ignore[arg-type]

    async def test_replacing_removes_what_matches_and_does_not_come(self, docs: Collection) -> None:
        await docs.upsert(three())
        new = [Record("a", vector=vector(4), metadata={"n": 10}), Record("d", vector=vector(5), metadata={"n": 11})]
        assert await docs.upsert(new, replacing=F("n") <= 2) == 2
        assert await metadata_by_id(docs) == {"a": {"n": 10}, "c": {"n": 3, "k": "x"}, "d": {"n": 11}}

    async def test_replacing_with_nothing_only_removes(self, docs: Collection) -> None:
        await docs.upsert(three())
        assert await docs.upsert([], replacing={"n": {"$gte": 2}}) == 0
        assert sorted(await metadata_by_id(docs)) == ["a"]

    async def test_replacing_what_matches_nothing_only_adds(self, docs: Collection) -> None:
        await docs.upsert(three())
        assert await docs.upsert([Record("d", vector=vector(5))], replacing={"n": 99}) == 1
        assert sorted(await metadata_by_id(docs)) == ["a", "b", "c", "d"]

    async def test_update_merges_top_level_keys(self, docs: Collection) -> None:
        await docs.upsert(three())
        assert await docs.update_metadata(ids=["a", "b"], set={"k": "y", "new": [1]}, remove=["n"]) == 2
        assert await metadata_by_id(docs) == {
            "a": {"k": "y", "new": [1]},
            "b": {"k": "y", "new": [1]},
            "c": {"n": 3, "k": "x"},
        }

    async def test_update_keeps_vector_and_text(self, docs: Collection) -> None:
        await docs.upsert(three())
        [before] = await docs.get(["b"])
        await docs.update_metadata(ids=["b"], set={"k": 0})
        [after] = await docs.get(["b"])
        assert np.array_equal(np.asarray(before.vector), np.asarray(after.vector))
        assert after.text == before.text

    async def test_update_by_filter_changes_what_matches(self, docs: Collection) -> None:
        await docs.upsert(three())
        assert await docs.update_metadata(filter=F("n") > 1, set={"k": None}) == 2
        assert await docs.count(filter={"k": "x"}) == 1
        assert (await metadata_by_id(docs))["b"] == {"n": 2, "k": None}

    async def test_filters_see_an_update_at_once(self, docs: Collection) -> None:
        await docs.upsert(three())
        await docs.update_metadata(ids=["a"], set={"n": 100})
        assert await docs.count(filter={"n": 1}) == 0
        assert (await docs.search(vector=vector(1), filter=F("n") == 100)).ids == ["a"]

    async def test_removing_an_absent_key_is_no_error(self, docs: Collection) -> None:
        await docs.upsert(three())
        assert await docs.update_metadata(ids=["a"], remove=["absent", "$never"]) == 1
        assert (await metadata_by_id(docs))["a"] == {"n": 1, "k": "x"}

    async def test_keys_to_remove_as_one_string_are_refused(self, docs: Collection) -> None:
        await docs.upsert(three())
        with pytest.raises(errors.InvalidRecordError, match="list"):
            await docs.update_metadata(ids=["a"], remove="n")
        assert (await metadata_by_id(docs))["a"] == {"n": 1, "k": "x"}

    async def test_an_update_replaces_whole_values(self, docs: Collection) -> None:
        await docs.upsert([Record("a", vector=vector(1), metadata={"m": {"x": 1, "y": 2}})])
        await docs.update_metadata(ids=["a"], set={"m": {"z": 3}})
        assert await metadata_by_id(docs) == {"a": {"m": {"z": 3}}}

    async def test_updating_an_unknown_id_changes_nothing(self, docs: Collection) -> None:
        await docs.upsert(three())
        with pytest.raises(errors.RecordNotFoundError, match="nope"):
            await docs.update_metadata(ids=["a", "nope"], set={"k": "y"})
        assert await docs.count(filter={"k": "x"}) == 3

    @pytest.mark.parametrize("change", [{"v": float("nan")}, {"$k": 1}, {"v": (1,)}, {"": 1}])
    async def test_an_update_that_breaks_a_rule_changes_nothing(self, docs: Collection, change: dict[str, Any]) -> None:
        await docs.upsert(three())
        with pytest.raises(errors.InvalidRecordError):
            await docs.update_metadata(filter={"k": "x"}, set=change)
        assert await docs.count(filter={"k": "x"}) == 3

    async def test_an_update_whose_result_breaks_a_rule_changes_nothing(self, docs: Collection) -> None:
        await docs.upsert([Record("a", vector=vector(1)), Record("b", vector=vector(2), metadata={"m": {"x": 1}})])
        with pytest.raises(errors.InvalidRecordError, match=r"m\.x"):
            await docs.update_metadata(ids=["a", "b"], set={"m.x": 2})
        assert await metadata_by_id(docs) == {"a": {}, "b": {"m": {"x": 1}}}

    async def test_delete_returns_how_many_existed(self, docs: Collection) -> None:
        await docs.upsert(three())
        assert await docs.delete(ids=["a", "nope", "c"]) == 2
        assert sorted(await metadata_by_id(docs)) == ["b"]
        assert await docs.delete(ids=["a"]) == 0
        assert await docs.delete(ids=[]) == 0

    async def test_an_id_twice_in_a_delete_counts_once(self, docs: Collection) -> None:
        await docs.upsert(three())
        assert await docs.delete(ids=["a", "a"]) == 1

    async def test_delete_by_filter_returns_how_many_went(self, docs: Collection) -> None:
        await docs.upsert(three())
        assert await docs.delete(filter=F("n") >= 2) == 2
        assert await docs.delete(filter=F("n") >= 2) == 0
        assert sorted(await metadata_by_id(docs)) == ["a"]

    async def test_a_deleted_record_is_gone_from_everywhere(self, docs: Collection) -> None:
        await docs.upsert(three())
        await docs.delete(ids=["b"])
        assert await docs.get(["b"]) == []
        assert "b" not in (await docs.search(vector=vector(2))).ids
        assert await docs.count(filter={"n": 2}) == 0
        assert await docs.distinct("n") == [1, 3]

    async def test_a_deleted_id_can_be_written_again(self, docs: Collection) -> None:
        await docs.upsert(three())
        await docs.delete(ids=["b"])
        await docs.upsert([Record("b", vector=vector(8), metadata={"n": 20})])
        assert (await metadata_by_id(docs))["b"] == {"n": 20}

    @pytest.mark.parametrize("verb", ["delete", "update_metadata"])
    @pytest.mark.parametrize("everything", [{}, {"n": {"$nin": []}}, {"$not": {"n": {"$in": []}}}])
    async def test_a_filter_that_matches_all_needs_permission(
        self, docs: Collection, verb: str, everything: dict[str, Any]
    ) -> None:
        await docs.upsert(three())
        options: dict[str, Any] = {"set": {"k": "y"}} if verb == "update_metadata" else {}
        with pytest.raises(errors.InvalidFilterError, match="allow_all"):
            await getattr(docs, verb)(filter=everything, **options)
        assert await docs.count(filter={"k": "x"}) == 3
        assert await getattr(docs, verb)(filter=everything, allow_all=True, **options) == 3
        assert await docs.count(filter={"k": "x"}) == 0

    @pytest.mark.parametrize("verb", ["delete", "update_metadata"])
    @pytest.mark.parametrize("arguments", [{}, {"ids": ["a"], "filter": {"n": 1}}])
    async def test_exactly_one_of_ids_and_filter(self, docs: Collection, verb: str, arguments: dict[str, Any]) -> None:
        with pytest.raises(errors.InvalidFilterError, match="exactly one"):
            await getattr(docs, verb)(**arguments)

    @pytest.mark.parametrize("target", [{"ids": ["a", "b", "nope"]}, {"filter": {"n": {"$lte": 2}}}])
    async def test_a_dry_run_only_counts(self, docs: Collection, target: dict[str, Any]) -> None:
        await docs.upsert(three())
        assert await docs.delete(dry_run=True, **target) == 2
        if "filter" in target:
            assert await docs.update_metadata(set={"k": "y"}, dry_run=True, **target) == 2
        assert await docs.count(filter={"k": "x"}) == 3

    async def test_one_id_stands_for_itself_not_for_its_letters(self, docs: Collection) -> None:
        await docs.upsert([Record(name, vector=vector(1), metadata={"n": 1}) for name in ("abc", "a", "b")])
        assert [record.id for record in await docs.get("abc")] == ["abc"]
        assert await docs.update_metadata("abc", set={"n": 2}) == 1
        assert await docs.delete("abc") == 1
        assert await docs.get_one("abc") is None
        assert sorted((await metadata_by_id(docs)).items()) == [("a", {"n": 1}), ("b", {"n": 1})]

    async def test_what_is_written_is_read_at_once(self, docs: Collection) -> None:
        for number in range(20):
            await docs.upsert([Record("a", vector=vector(number), metadata={"n": number})])
            assert await docs.count(filter={"n": number}) == 1
            assert (await docs.search(vector=vector(number), top_k=1))[0].metadata == {"n": number}

    async def test_writes_at_the_same_time_all_arrive(self, docs: Collection) -> None:
        async def write(number: int) -> None:
            await docs.upsert([Record(f"r{number}-{i}", vector=vector(i), metadata={"n": number}) for i in range(5)])

        await asyncio.gather(*(write(number) for number in range(20)))
        assert await docs.count() == 100
        assert await docs.count(filter={"n": 7}) == 5

    async def test_errors_say_where(self, docs: Collection) -> None:
        wrong: list[Callable[[], Awaitable[object]]] = [
            lambda: docs.upsert([Record("", vector=vector(1))]),
            lambda: docs.search(vector=[1.0]),
            lambda: docs.count(filter={"a": {"$foo": 1}}),
            lambda: docs.delete(filter={}),
            lambda: docs.update_metadata(ids=["nope"], set={"a": 1}),
            lambda: docs.get(["\0"]),
        ]
        for call in wrong:
            with pytest.raises(errors.VectorDatabaseError) as caught:
                await call()
            assert caught.value.collection == docs.name
            assert caught.value.provider
            assert docs.name in str(caught.value)

    async def test_unknown_options_are_type_errors(self, docs: Collection) -> None:
        with pytest.raises(TypeError):
            await docs.upsert(three(), overwrite=True)  # type: ignore[call-arg]
        with pytest.raises(TypeError):
            await docs.search(vector=vector(1), where={"n": 1})  # type: ignore[call-arg]
        with pytest.raises(TypeError):
            await docs.delete(where={"n": 1})  # type: ignore[call-arg]
