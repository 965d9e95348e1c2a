"""Codes first, exact second: the promised recall, on good data and on data that defeats codes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import pytest

import vpa
from engine.vectors import Matrix, clustered, collection, recall, write
from vpa.base.query import SearchRequest
from vpa.base.scope import Scope
from vpa.engine.quant.signs import SignCodes
from vpa.filters import F, normalize
from vpa.filters.ast import ALWAYS

FIRST = pytest.mark.parametrize("first_pass", ["signs", "turbovec", "faiss"])


def is_coded(made: object) -> bool:
    return str(made.index.stats()["search"]).startswith("codes")  # type: ignore[attr-defined]


def unit(rows: Matrix) -> Matrix:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Codes count as fast, so that they are used whatever this machine is doing."""
    monkeypatch.setattr("vpa.engine.indexes.coded.seconds", lambda call, runs: call(0) and 0.0 if runs == 16 else 1.0)


@FIRST
@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
@pytest.mark.usefixtures("no_clock")
def test_the_promised_recall_is_kept(first_pass: str, metric: str) -> None:
    rows, queries = clustered(30_000, 96), clustered(100, 96, seed=1)
    if metric == "cosine":
        rows, queries = unit(rows), unit(queries)
    made = collection(rows, metric=metric, first_pass=first_pass, recall=0.99)
    assert recall(made, queries) >= 0.99
    if first_pass == "turbovec":
        assert is_coded(made), made.index.stats()
    stats = made.index.stats()
    assert stats["promised_recall"] == 0.99
    assert is_coded(made) or stats["exact_because"]


def one_hot(rng: np.random.Generator) -> Matrix:
    return np.eye(128, dtype=np.float32)[rng.integers(128, size=20_000)]


HOSTILE: dict[str, tuple[str, Callable[[np.random.Generator], Matrix]]] = {
    "constant": ("cosine", lambda rng: np.ones((20_000, 128), dtype=np.float32) / np.float32(128**0.5)),
    "duplicated": ("cosine", lambda rng: unit(clustered(40, 128))[rng.integers(40, size=20_000)]),
    "one-hot": ("cosine", one_hot),
    "four dimensions": ("euclidean", lambda rng: rng.standard_normal((600_000, 4), dtype=np.float32)),
    "huge norms": (
        "dot",
        lambda rng: clustered(20_000, 128) * np.float32(10) ** rng.integers(-3, 12, (20_000, 1)).astype(np.float32),
    ),
    "beyond float32's squares": ("dot", lambda rng: clustered(20_000, 128) * np.float32(1e20)),
    "all positive": ("dot", lambda rng: np.abs(clustered(20_000, 128)) + np.float32(100)),
    "two values": ("euclidean", lambda rng: rng.integers(0, 2, (20_000, 128)).astype(np.float32)),
}


@FIRST
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.usefixtures("no_clock")
def test_data_that_defeats_codes_keeps_its_recall(name: str, first_pass: str) -> None:
    metric, make = HOSTILE[name]
    rows = make(np.random.default_rng(0))
    noise = np.random.default_rng(1).standard_normal((20, rows.shape[1]))
    moved = rows[40:60] * (1 + 0.2 * noise)
    queries = np.concatenate([rows[:20], (rows[20:40] + rows[100:120]) / 2, moved]).astype(np.float32)
    if metric == "cosine":
        queries = unit(queries)
    made = collection(rows, metric=metric, first_pass=first_pass)
    assert recall(made, queries) >= 0.999, made.index.stats()


@pytest.mark.usefixtures("no_clock")
def test_rows_without_codes_are_looked_at_too() -> None:
    rows = unit(clustered(30_000, 96))
    made = collection(rows, first_pass="turbovec")
    late = unit(clustered(300, 96, seed=2))
    write(made, late, first=30_000)
    assert is_coded(made)
    assert made.index.stats()["coded_rows"] == 30_000
    found = made.search(SearchRequest(vectors=late[:50], top_k=1), ALWAYS)
    assert [answer.matches[0].id for answer in found] == [str(30_000 + n) for n in range(50)]
    assert recall(made, late) >= 0.999


@FIRST
@pytest.mark.usefixtures("no_clock")
def test_a_filter_may_keep_only_rows_without_codes(first_pass: str) -> None:
    made = collection(unit(clustered(30_000, 96)), first_pass=first_pass, recall=0.9)
    late = unit(clustered(20_000, 96, seed=2))
    write(made, late, first=30_000)
    assert made.index.stats()["coded_rows"] == 30_000
    found = made.search(SearchRequest(vectors=late[:20], top_k=3), normalize(F("n") >= 30_000))
    assert [answer.matches[0].id for answer in found] == [str(30_000 + n) for n in range(20)]
    assert recall(made, late[:20], node=normalize(F("n") >= 29_000)) >= 0.9


@pytest.mark.usefixtures("no_clock")
@pytest.mark.parametrize("share", [0.05, 0.4, 0.7])
def test_what_was_deleted_or_updated_is_never_found_as_it_was(share: float) -> None:
    rows, queries = unit(clustered(30_000, 96)), unit(clustered(50, 96, seed=1))
    made = collection(rows, first_pass="turbovec")
    assert is_coded(made)
    rng = np.random.default_rng(0)
    gone = [str(n) for n in rng.choice(30_000, size=int(share * 30_000), replace=False).tolist()]
    made.delete(ids=gone, node=ALWAYS, scope=Scope(), dry_run=False)
    left = {match.id for answer in made.search(SearchRequest(vectors=queries), ALWAYS) for match in answer.matches}
    assert not left & set(gone)
    assert recall(made, queries) >= 0.999
    made.upkeep.run(stop=lambda: False)
    assert recall(made, queries) >= 0.999
    moved = -rows[:3_000]
    write(made, moved)
    best = made.search(SearchRequest(vectors=moved[:20], top_k=1), ALWAYS)
    assert [answer.matches[0].id for answer in best] == [str(n) for n in range(20)]


@FIRST
@pytest.mark.usefixtures("no_clock")
@pytest.mark.parametrize("keeps", [29_999, 15_000, 3_000, 300, 30, 3, 0])
def test_filters_of_any_width_keep_the_recall(first_pass: str, keeps: int) -> None:
    queries = unit(clustered(40, 96, seed=1))
    made = _FILTERED.setdefault(first_pass, collection(unit(clustered(30_000, 96)), first_pass=first_pass))
    node = normalize(F("n") < keeps)
    if keeps == 0:
        assert all(not answer.matches for answer in made.search(SearchRequest(vectors=queries), node))
    else:
        assert recall(made, queries, node=node) >= (1.0 if keeps <= 300 else 0.999)


_FILTERED: dict[str, object] = {}  # type: ignore[type-arg]


@pytest.mark.usefixtures("no_clock")
def test_making_codes_can_be_stopped_at_any_step_and_taken_up_again() -> None:
    rows, queries = unit(clustered(30_000, 96)), unit(clustered(20, 96, seed=1))
    made = collection(rows[:0], first_pass="turbovec")
    write(made, rows)
    for steps in range(12):
        left = iter(range(steps))
        made.upkeep.run(stop=lambda left=left: next(left, None) is None)
        assert recall(made, queries) >= 0.999
    made.upkeep.run(stop=lambda: False)
    assert is_coded(made)
    assert recall(made, queries) >= 0.999


def test_codes_that_fail_half_way_leave_search_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, queries = unit(clustered(40_000, 96)), unit(clustered(20, 96, seed=1))
    made = collection(rows[:0], first_pass="signs")
    write(made, rows)
    add = SignCodes.add

    def failing(self: SignCodes, vectors: Matrix) -> None:
        if len(self):
            raise MemoryError("no room for codes")
        add(self, vectors)

    monkeypatch.setattr(SignCodes, "add", failing)
    with pytest.raises(MemoryError):
        made.upkeep.run(stop=lambda: False)
    assert recall(made, queries) == 1.0
    assert not is_coded(made)
    monkeypatch.undo()
    made.upkeep.run(stop=lambda: False)
    assert recall(made, queries) >= 0.999


@pytest.mark.parametrize("options", [{"index_type": "flat"}, {"recall": 1.0}])
def test_flat_and_a_recall_of_one_are_exact(options: dict[str, object]) -> None:
    made = collection(unit(clustered(30_000, 96)), **options)
    assert not made.upkeep.wants_codes
    [answer] = made.search(SearchRequest(vectors=unit(clustered(1, 96, seed=1))), ALWAYS)
    assert answer.exact
    assert made.index.stats()["search"] == "exact"


def test_few_rows_are_searched_exactly() -> None:
    made = collection(unit(clustered(5_000, 96)))
    assert not made.upkeep.wants_codes


@pytest.mark.usefixtures("no_clock")
def test_a_depth_that_was_not_reached_is_exact_and_said_in_the_statistics() -> None:
    rows = unit(np.random.default_rng(0).standard_normal((30_000, 96), dtype=np.float32))
    made = collection(rows, first_pass="signs")
    stats = made.index.stats()
    assert stats["search"] == "exact"
    assert "reach recall 0." in stats["exact_because"]
    [answer] = made.search(SearchRequest(vectors=rows[:1]), ALWAYS)
    assert answer.exact


@pytest.mark.usefixtures("no_clock")
def test_exact_is_exact_and_a_coded_answer_says_that_it_is_not() -> None:
    rows, queries = unit(clustered(30_000, 96)), unit(clustered(5, 96, seed=1))
    made = collection(rows, first_pass="turbovec")
    assert [answer.exact for answer in made.search(SearchRequest(vectors=queries), ALWAYS)] == [False] * 5
    exact = made.search(SearchRequest(vectors=queries, exact=True), ALWAYS)
    assert all(answer.exact for answer in exact)
    best = np.argsort(-(queries @ rows.T), axis=1)[:, :10].tolist()
    assert [[int(match.id) for match in answer.matches] for answer in exact] == best


@pytest.mark.usefixtures("no_clock")
def test_recall_is_measured_again_when_the_data_has_changed() -> None:
    made = collection(unit(clustered(30_000, 96)), first_pass="turbovec")
    before = made.index.stats()["measured_at_rows"]
    write(made, unit(clustered(20_000, 96, seed=3)), first=30_000)
    assert made.upkeep.wants_codes
    made.upkeep.run(stop=lambda: False)
    assert (before, made.index.stats()["measured_at_rows"]) == (30_000, 50_000)
    assert recall(made, unit(clustered(300, 96, seed=4))) >= 0.999


@pytest.mark.parametrize(
    ("options", "rows", "because"),
    [
        ({}, 100, "a search of all 800 values"),
        ({"recall": 1.0}, 100, "a recall of 1 is asked for"),
        ({"index_type": "flat"}, 100, "index_type is flat"),
        ({}, -1, "the longest vector has the length 8.49e+15"),
    ],
)
async def test_statistics_say_why_searches_are_exact(options: dict[str, object], rows: int, because: str) -> None:
    matrix = np.full((250_000, 8), 3e15, dtype=np.float32) if rows < 0 else clustered(rows, 8)
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=8, metric="dot", index=options)
        await docs.upsert(vpa.RecordBatch.from_columns(ids=[str(n) for n in range(len(matrix))], vectors=matrix))
        index = (await db.get_statistics())["collections"]["docs"]["index"]
    assert index["search"] == "exact"
    assert index["exact_because"].startswith(because), index


@pytest.mark.usefixtures("no_clock")
async def test_codes_that_are_in_use_need_no_excuse() -> None:
    rows = unit(clustered(30_000, 96))
    ids = [str(n) for n in range(len(rows))]
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=96, index={"first_pass": "signs", "recall": 0.9})

        async def index() -> dict[str, object]:
            return (await db.get_statistics())["collections"]["docs"]["index"]  # type: ignore[no-any-return]

        await docs.upsert(vpa.RecordBatch.from_columns(ids=ids, vectors=rows))
        async with asyncio.timeout(60):
            while (await index())["search"] == "exact" or (await index())["at_work"]:
                await asyncio.sleep(0.01)
        # Too few now for codes to be made, too many for those that are dead to be left out.
        await docs.delete(ids=ids[:12_000])
        found = await index()
    assert str(found["search"]).startswith("codes")
    assert found["exact_because"] is None


@pytest.mark.parametrize(("count", "times"), [(10_000, 1), (9_999, 0)])
async def test_what_a_large_upsert_needed_goes_back(count: int, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[bool] = []
    monkeypatch.setattr("vpa.engine.upkeep.give_back", lambda: given.append(True))
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=2, metric="dot")
        ids, vectors = [str(n) for n in range(count)], np.ones((count, 2), dtype=np.float32)
        await docs.upsert(vpa.RecordBatch.from_columns(ids=ids, vectors=vectors))
        await docs.delete(filter={"none": 1})
    assert len(given) == times
