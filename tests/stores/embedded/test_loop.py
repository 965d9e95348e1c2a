"""Work that grows with the data leaves the event loop: no verb keeps it for long, however much is written or asked
for.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

import numpy as np
import pytest

import vpa
from vpa.base.records import CollectionInfo, Metric
from vpa.base.sorting import sort_steps
from vpa.base.steps import Steps, finish
from vpa.base.validation import batch_steps, check_batch, id_steps
from vpa.client.validating import checked_batch
from vpa.engine.scan import scan_view
from vpa.engine.slices import slices
from vpa.engine.view import View
from vpa.filters import as_filter
from vpa.filters.ast import ALWAYS
from vpa.kit.steps import finish_beside

INFO = CollectionInfo(name="docs", dimension=4, metric=Metric.COSINE)
MANY = 6_000


def records(count: int) -> list[vpa.Record]:
    vectors = np.random.default_rng(0).standard_normal((count, 4))
    return [
        vpa.Record(str(n), vector=vectors[n], text=f"t{n}", metadata={"n": n, "kind": f"k{n % 5}"})
        for n in range(count)
    ]


class Counted:
    """Lines of the library that the event loop's own thread ran between two of its turns: a measure that no busy
    machine disturbs.
    """

    def __init__(self) -> None:
        self.lines = self.most = 0

    def trace(self, frame: FrameType, event: str, _: object) -> object:
        if event == "call" and "/vpa/" not in frame.f_code.co_filename:
            return None
        self.lines += 1
        self.most = max(self.most, self.lines)
        return self.trace

    async def beats(self) -> None:
        while True:
            self.lines = 0
            await asyncio.sleep(0)

    async def during(self, work: object) -> int:
        """The most lines in one turn while `work` is awaited."""
        beating = asyncio.create_task(self.beats())
        await asyncio.sleep(0)
        sys.settrace(self.trace)
        try:
            await work  # type: ignore[misc]
        finally:
            sys.settrace(None)
            beating.cancel()
        return self.most


# A line takes about 50 ns to 1 µs where it is not traced; upsert of 6,000 records ran 400,000 of them in one turn.
MOST_LINES = 30_000


@pytest.mark.skipif(sys.gettrace() is not None, reason="coverage traces lines itself")
@pytest.mark.parametrize("durable", [False, True])
async def test_no_verb_keeps_the_loop(tmp_path: object, durable: bool) -> None:
    async with vpa.connect(f"mock://{tmp_path}/x" if durable else "mock://") as db:
        docs = await db.create_collection("docs", dimension=4)
        given, ids = records(MANY), [str(n) for n in range(MANY)]
        verbs = {
            "upsert": lambda: docs.upsert(given),
            "upsert of a generator": lambda: docs.upsert(record for record in given),
            "get": lambda: docs.get(ids),
            "update_metadata": lambda: docs.update_metadata(ids=ids, set={"year": 1}),
            "count": lambda: docs.count(filter={"$or": [{"n": n} for n in range(MANY)]}),
            "search": lambda: docs.search(vector=[1, 2, 3, 4], top_k=5_000),
            "search_batch": lambda: docs.search_batch(vectors=np.ones((200, 4)), top_k=5),
            "distinct": lambda: docs.distinct("n"),
            "fields": lambda: docs.fields(),
            "min_max": lambda: docs.min_max("kind"),
            "optimize": lambda: docs.optimize(),
            "delete": lambda: docs.delete(ids=ids),
        }
        lines = {name: await Counted().during(call()) for name, call in verbs.items()}
    assert {name: most for name, most in lines.items() if most > MOST_LINES} == {}


async def test_a_small_batch_needs_no_thread_and_a_large_one_is_checked_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vpa.kit.steps._INLINE_S", 10.0)
    threads = set()

    def seen(part: list[int]) -> Steps[int]:
        for _ in part:
            threads.add(threading.current_thread() is threading.main_thread())
            yield
        return len(part)

    assert await finish_beside(seen([1, 2, 3])) == 3
    assert threads == {True}
    monkeypatch.setattr("vpa.kit.steps._INLINE_S", 0.0)
    threads.clear()
    assert await finish_beside(seen([1, 2, 3])) == 3
    assert threads == {False}


async def test_the_batch_is_the_same_either_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vpa.kit.steps._INLINE_S", 0.0)
    given = records(3_000)
    inline, beside = check_batch(given, info=INFO), await checked_batch(iter(given), info=INFO)
    assert list(inline) == list(beside)
    nested = [record.vector.tolist() for record in given]  # type: ignore[union-attr]
    columns = vpa.RecordBatch(ids=[record.id for record in given], vectors=nested)  # type: ignore[arg-type]
    assert np.array_equal(check_batch(columns, info=INFO).vectors, inline.vectors)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (2_999, [1, 2, 3], "record '2999' has 3 dimensions"),
        (2_999, [0, 0, 0, 0], "'2999' is all zeros"),
        (1_024, [1, 2, 3, float("nan")], "'1024' has a value that is not finite"),
    ],
)
def test_a_fault_far_behind_is_named_with_its_record(place: int, value: list[float], message: str) -> None:
    given = records(3_000)
    given[place] = vpa.Record(str(place), vector=value)
    with pytest.raises(vpa.errors.VectorDatabaseError, match=message):
        check_batch(given, info=INFO)


def test_no_step_is_long() -> None:
    given = records(3_000)
    assert sum(1 for _ in batch_steps(given, info=INFO)) > 3_000 / 8
    assert sum(1 for _ in id_steps([record.id for record in given])) >= 11


@pytest.mark.parametrize("count", [0, 1, 1_024, 1_025, 20_000])
def test_sorting_in_steps_sorts(count: int) -> None:
    values = np.random.default_rng(1).integers(count // 2 + 1, size=count).tolist()
    assert finish(sort_steps(values, key=lambda value: -value)) == sorted(values, key=lambda value: -value)


def test_slices_cover_every_number_once() -> None:
    def numbers(count: int) -> Iterator[int]:
        for part in slices(count, 7):
            yield from range(count)[part]

    for count in (0, 1, 7, 8, 50):
        assert list(numbers(count)) == list(range(count))


def test_a_scan_of_many_is_in_id_order() -> None:
    from vpa.base.query import OnConflict
    from vpa.base.scope import Scope
    from vpa.engine.table import Table

    table = Table(INFO)
    ids = [f"{n:05d}" for n in np.random.default_rng(2).permutation(12_000)]
    batch = check_batch(vpa.RecordBatch(ids=ids, vectors=np.ones((12_000, 4))), info=INFO)
    table.upsert(batch, scope=Scope(), on_conflict=OnConflict.REPLACE, replacing=None)
    options = {"scope": Scope(), "batch_size": 5_000, "include_vectors": False}
    batches = list(scan_view(table.view, ALWAYS, cursor=None, **options))  # type: ignore[arg-type]
    assert [value for part in batches for value in part.ids] == sorted(ids)
    later = scan_view(table.view, ALWAYS, cursor=batches[0].cursor, **options)  # type: ignore[arg-type]
    assert [value for part in later for value in part.ids] == sorted(ids)[5_000:]


@pytest.mark.parametrize("key", ["$or", "$in", "deep"])
def test_a_filter_with_too_many_literals_is_refused_before_it_is_built(key: str) -> None:
    class Untouched(dict):  # type: ignore[type-arg]
        def items(self) -> object:
            raise AssertionError("it was built")

    many: dict[str, object] = {"$or": [Untouched(n=n) for n in range(100_000)]}
    if key == "$in":
        many = {"n": {"$in": list(range(100_000))}}
    if key == "deep":
        many = {"$and": [{"$or": [Untouched(n=n) for n in range(5_000)]} for _ in range(3)]}
    with pytest.raises(vpa.errors.InvalidFilterError, match="more than 10000 literals"):
        as_filter(many)


async def test_facets_are_type_exact_and_obey_filter_and_scope() -> None:
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=4)
        values: list[object] = [1, 1.0, "1", True, -0.0, 0.0, [2, 2.5], {"below": 1}, None, "z", False]
        rows = [
            vpa.Record(str(n), vector=[1, 2, 3, n], metadata={"v": value, "n": n}) for n, value in enumerate(values)
        ]
        await docs.upsert(rows)
        await docs.upsert(
            [vpa.Record("other", vector=[1, 1, 1, 1], metadata={"v": "elsewhere"})], scope=vpa.Scope("ann")
        )
        assert list(map(repr, await docs.distinct("v"))) == list(
            map(repr, [False, True, -0.0, 0.0, 1.0, 1, 2, 2.5, "1", "z"])
        )
        assert await docs.distinct("v", filter={"n": {"$lt": 3}}) == [1.0, 1, "1"]
        assert await docs.distinct("v.below") == [1]
        assert (await docs.min_max("v"))["string"] == ("1", "z")
        assert await docs.fields(filter={"n": {"$lt": 3}}) == {"n": {"int": 3}, "v": {"float": 1, "int": 1, "str": 1}}
        await docs.delete(ids=["2"])
        assert "1" not in await docs.distinct("v", filter={"n": {"$gte": 0}})


async def test_few_records_that_are_large_are_read_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert([vpa.Record(f"r{n}", vector=[1, n], text="x" * 50_000) for n in range(20)])
        await docs.search(vector=[1, 0])
        threads: set[str] = set()
        view = View._records

        def noted(self: View, *args: Any, **kwargs: Any) -> Any:
            threads.add(threading.current_thread().name)
            return view(self, *args, **kwargs)

        matches = View.matches

        def matched(self: View, *args: Any, **kwargs: Any) -> Any:
            threads.add(threading.current_thread().name)
            return matches(self, *args, **kwargs)

        monkeypatch.setattr(View, "_records", noted)
        monkeypatch.setattr(View, "matches", matched)
        assert len(await docs.get([f"r{n}" for n in range(20)])) == 20
        for _ in range(4):
            assert len(await docs.search(vector=[1, 0], top_k=20)) == 20
        assert threading.current_thread().name not in threads
        assert len(await docs.get(["r1"])) == 1
        assert threading.current_thread().name in threads
