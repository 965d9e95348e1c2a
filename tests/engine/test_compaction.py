"""Dead rows are left out in the background: nothing changes for readers, and no write is lost."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from engine.vectors import clustered, collection, recall, unit
from vpa.base.query import OnConflict, SearchRequest
from vpa.base.records import CollectionInfo, RecordBatch
from vpa.base.scope import ALL_SCOPES, Scope
from vpa.engine.compaction import is_worth_it
from vpa.engine.table import Table
from vpa.filters import F, normalize
from vpa.filters.ast import ALWAYS

SCOPES = [Scope(), Scope("ann"), Scope("bob", "notes")]
Model = dict[tuple[Scope, str], dict[str, Any]]


def never() -> bool:
    return False


def batch(numbers: range, *, version: int) -> RecordBatch:
    return RecordBatch(
        ids=[str(n) for n in numbers],
        vectors=np.asarray([[n % 97, version, n % 7, 1] for n in numbers], dtype=np.float32),
        texts=[None if n % 5 == 0 else f"text {n}" for n in numbers],
        metadata=[{"n": n, "version": version, "tags": [str(n % 3), str(n % 4)]} for n in numbers],
        system=[{"chunk": n % 9} for n in numbers],
    )


class Writer:
    """Writes to a collection and to a plain dictionary."""

    def __init__(self, made: Table) -> None:
        self.made, self.model = made, dict[tuple[Scope, str], dict[str, Any]]()
        self.version = 0

    def upsert(self, numbers: range, scope: Scope) -> None:
        self.version += 1
        given = batch(numbers, version=self.version)
        self.made.upsert(given, scope=scope, on_conflict=OnConflict.REPLACE, replacing=None)
        for record in given:
            self.model[scope, record.id] = {"record": record}

    def delete(self, numbers: range, scope: Scope) -> None:
        self.made.delete(ids=[str(n) for n in numbers], node=ALWAYS, scope=scope, dry_run=False)
        for n in numbers:
            self.model.pop((scope, str(n)), None)

    def check(self) -> None:
        for scope in SCOPES:
            wanted = {key[1]: value["record"] for key, value in self.model.items() if key[0] == scope}
            found = self.made.get(sorted(wanted), scope=scope, include_vectors=True)
            assert found == [wanted[name] for name in sorted(wanted)]
            for node, holds in (
                (normalize(F("version") >= 3), lambda one: one["version"] >= 3),
                (normalize(F("tags") == "2"), lambda one: "2" in one["tags"]),
                (normalize(F.system("chunk") == 4), None),
            ):
                count = sum(
                    (record.system["chunk"] == 4) if holds is None else holds(record.metadata)
                    for record in wanted.values()
                )
                assert self.made.count(node, scope) == count
        assert self.made.count(ALWAYS, ALL_SCOPES) == len(self.model)


def half_dead() -> Writer:
    made = Table(CollectionInfo(name="docs", dimension=4, metric="euclidean"))  # type: ignore[arg-type]
    writer = Writer(made)
    for scope in SCOPES:
        writer.upsert(range(3_000), scope)
        writer.upsert(range(1_000, 3_000), scope)
        writer.delete(range(500, 1_500), scope)
    assert is_worth_it(made.view)
    return writer


def test_a_compacted_collection_is_the_same() -> None:
    writer = half_dead()
    writer.made.upkeep.run(stop=never)
    assert writer.made.view.count == writer.made.view.live_count == len(writer.model)
    writer.check()


def test_an_old_view_goes_on_as_it_was() -> None:
    writer = half_dead()
    view = writer.made.view
    before = view.select(normalize(F("n") < 50), SCOPES[1]).tolist()
    records = view.records(before, include_vectors=True)
    writer.made.upkeep.run(stop=never)
    assert view.select(normalize(F("n") < 50), SCOPES[1]).tolist() == before
    assert view.records(before, include_vectors=True) == records


def interrupting(work: Iterator[Callable[[], None]]) -> Callable[[], bool]:
    """A `stop` that never stops, and each time it is asked does a piece of work: as another thread might at that
    moment.
    """

    def stop() -> bool:
        next(work, never)()
        return False

    return stop


def test_what_is_written_meanwhile_is_there_afterwards() -> None:
    writer = half_dead()

    def work() -> Iterator[Callable[[], None]]:
        for n in range(12):
            yield lambda n=n: writer.upsert(range(n * 100, n * 100 + 150), SCOPES[n % 3])
            yield lambda n=n: writer.delete(range(n * 100 + 50, n * 100 + 90), SCOPES[n % 3])
            yield lambda n=n: writer.upsert(range(5_000 + n * 400, 5_400 + n * 400), SCOPES[n % 3])

    rows = writer.made.view.rows
    writer.made.upkeep.run(stop=interrupting(work()))
    assert writer.made.view.rows is not rows
    writer.check()
    writer.upsert(range(100), SCOPES[0])
    writer.delete(range(2_000, 2_500), SCOPES[1])
    writer.check()


def test_writers_and_readers_in_threads_never_see_a_hole() -> None:
    writer = half_dead()
    made = writer.made
    made.upsert(batch(range(9_000, 9_001), version=99), scope=SCOPES[0], on_conflict=OnConflict.REPLACE, replacing=None)
    writer.model[SCOPES[0], "9000"] = {"record": next(iter(batch(range(9_000, 9_001), version=99)))}
    ended = threading.Event()
    missed: list[str] = []

    def read() -> None:
        query = np.asarray([[9_000 % 97, 99, 9_000 % 7, 1]], dtype=np.float32)
        while not ended.is_set():
            if len(made.get(["9000"], scope=SCOPES[0], include_vectors=False)) != 1:
                missed.append("get")
            [answer] = made.search(SearchRequest(vectors=query, top_k=1), ALWAYS)
            if [match.id for match in answer.matches] != ["9000"]:
                missed.append("search")

    def write() -> None:
        for n in range(30):
            writer.upsert(range(n * 50, n * 50 + 70), SCOPES[2])

    threads = [threading.Thread(target=read), threading.Thread(target=read), threading.Thread(target=write)]
    for thread in threads:
        thread.start()
    made.upkeep.run(stop=never)
    threads[2].join()
    ended.set()
    for thread in threads[:2]:
        thread.join()
    assert missed == []
    writer.check()


@pytest.mark.parametrize("steps", range(6))
def test_it_can_be_stopped_at_any_step(steps: int) -> None:
    writer = half_dead()
    left = iter(range(steps))
    writer.made.upkeep.run(stop=lambda: next(left, None) is None)
    writer.check()
    writer.made.upkeep.run(stop=never)
    assert not is_worth_it(writer.made.view)
    writer.check()


def test_codes_go_with_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vpa.engine.indexes.coded.seconds", lambda call, runs: call(0) and 0.0 if runs == 16 else 1.0)
    made = collection(unit(clustered(40_000, 96)), first_pass="turbovec")
    made.delete(ids=[str(n) for n in range(0, 40_000, 2)], node=ALWAYS, scope=Scope(), dry_run=False)
    plan = made.index.stats()["measured"]
    made.upkeep.run(stop=never)
    assert made.view.count == 20_000
    stats = made.index.stats()
    assert (stats["coded_rows"], stats["measured"]) == (20_000, plan)
    assert recall(made, unit(clustered(100, 96, seed=1))) >= 0.999


def test_values_that_nobody_asked_for_go_along_without_codes() -> None:
    rows = 5_000
    made = Table(CollectionInfo(name="docs", dimension=2, metric="dot"))
    vectors = unit(clustered(rows, 2))
    for first in (0, rows):
        numbers = np.arange(first, first + rows)
        columns = {
            "n": numbers,
            "kind": np.char.add("kind-", (numbers % 8).astype(str)),
            "half": np.ma.masked_array(numbers, numbers % 2 == 1),
        }
        ids = [str(n) for n in numbers]
        made.upsert(
            RecordBatch.from_columns(ids=ids, vectors=vectors, metadata=columns),
            scope=Scope(),
            on_conflict=OnConflict.REPLACE,
            replacing=None,
        )
        if not first:
            # Of the first half "kind" has codes now.
            assert made.count(normalize(F("kind") == "kind-3"), Scope()) == rows // 8
    before = made.view
    made.delete(ids=[str(n) for n in range(6_000)], node=ALWAYS, scope=Scope(), dry_run=False)
    made.upkeep.compact(stop=never)
    assert made.view.count == 4_000
    assert made.count(normalize(F("n") >= 6_000), Scope()) == 4_000
    assert made.count(normalize(F("n") < 6_001), Scope()) == 1
    assert made.count(normalize(F("kind") == "kind-3"), Scope()) == 500
    assert made.count(normalize(F("half").exists()), Scope()) == 2_000
    # Who reads the old view still finds what was there.
    assert len(before.select(normalize(F("n") < 6_000), Scope())) == 6_000


def test_readers_are_not_kept_by_a_search_for_garbage() -> None:
    """Objects that Python tracks, made by the thousand, set it off."""
    made = Table(CollectionInfo(name="docs", dimension=4, metric="dot"))
    Writer(made).upsert(range(8_000), Scope())
    rows = np.arange(0, 8_000, 2)
    gc.collect()
    before = gc.get_stats()[0]["collections"]
    for heap in (made.view.rows.texts, made.view.rows.metadata, made.view.rows.system):
        heap.packed(rows)
    assert gc.get_stats()[0]["collections"] == before
