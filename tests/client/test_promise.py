"""A promised recall on stores with an index of their own: which setting is found, kept, and measured again."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
import structlog

import vpa
from vpa import Record, Scope
from vpa.base import errors
from vpa.base.calibration import EXACT, Calibration
from vpa.base.clock import SystemClock
from vpa.base.index_options import IndexOptions
from vpa.base.records import CollectionInfo, Match, Matches, Metric, RecordBatch
from vpa.client import promise
from vpa.client.exactly import ExactAnswers
from vpa.client.manager import VectorDatabaseManager
from vpa.client.selectivity import SHARES, filters_by_share
from vpa.filters import matches, normal
from vpa.stores.embedded.store import EmbeddedStore
from vpa.stores.requests import ALWAYS, Count, Search

ROWS = 3000


class Hands(SystemClock):
    """A clock that stands still but for what the store adds."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


class CarelessStore(EmbeddedStore):
    """Finds as much as its effort lets it: 100 of 100 candidates are all, and under a filter it takes twice as many.

    An exact search takes `dearer` times as long.
    """

    def __init__(self, *, reaches: int = 200, filtered: float = 2.0, dearer: float = 1.0) -> None:
        super().__init__()
        self.capabilities = replace(self.capabilities, index_options=False, approximate=True)
        self._reaches = reaches
        self._filtered = filtered
        self.asked: list[int | None] = []
        self.saved: dict[str, Calibration] = {}
        self.clock = Hands()
        self._dearer = dearer
        self._random = np.random.default_rng(0)

    def efforts(self, info: CollectionInfo) -> Sequence[int]:
        return (25, 50, 75, 100, 150, 200)

    async def set_calibration(self, name: str, calibration: Calibration) -> CollectionInfo:
        self.saved[name] = calibration
        info = await super().describe_collection(name)
        assert info is not None
        return replace(info, calibration=calibration)

    async def search(self, info: CollectionInfo, request: Search) -> list[Matches]:
        is_filtered = request.filter is not ALWAYS
        effort = None if info.calibration is None else info.calibration.of(is_filtered=is_filtered)
        self.clock.seconds += len(request.vectors) * (self._dearer if request.exact else 1.0)
        if request.exact or effort == EXACT:
            return await super().search(info, replace(request, exact=True))
        self.asked.append(effort)
        reached = min(self._reaches, 40 if effort is None else effort) / (self._filtered if is_filtered else 1.0)
        share = min(1.0, reached / 100)
        found = await super().search(info, replace(request, exact=True))
        return [Matches(tuple(match for match in matches if self._random.random() < share), False) for matches in found]


async def _filled(store: CarelessStore, recall: float | None = 0.99) -> AsyncIterator[Any]:
    async with VectorDatabaseManager(store=store, clock=store.clock) as db:
        docs = await db.create_collection("docs", dimension=8, recall=recall)
        vectors = np.random.default_rng(1).standard_normal((ROWS, 8))
        await docs.upsert(
            Record(f"r{n}", vector=vectors[n], metadata={"kind": "ab"[n % 2], "n": n * 1103 % ROWS})
            for n in range(ROWS)
        )
        yield db, docs


async def test_the_cheapest_setting_that_keeps_the_promise_is_used_and_stored() -> None:
    store = CarelessStore()
    async for db, docs in _filled(store):
        await docs.optimize()
        kept = store.saved["docs"]
        assert (kept.effort, kept.filtered, kept.missed, kept.rows) == (100, 200, (), ROWS)
        assert kept.measured == dict.fromkeys(("all", *SHARES), 1.0)
        store.asked.clear()
        vector = np.ones(8)
        assert len(await docs.search(vector=vector)) == 10
        assert len(await docs.search(vector=vector, filter={"kind": "a"})) == 10
        assert store.asked == [100, 200]
        facts = (await db.get_statistics())["collections"]["docs"]["promise"]
        assert (facts["promised"], facts["kept"], facts["measured"]["all"]) == (0.99, True, 1.0)


async def test_a_promise_that_no_setting_reaches_is_said() -> None:
    store = CarelessStore(reaches=80, filtered=1.0, dearer=10.0)
    async for db, docs in _filled(store):
        await docs.optimize()
        kept = store.saved["docs"]
        assert kept.missed == ("all", *SHARES)
        assert kept.measured["all"] == pytest.approx(0.8, abs=0.06)
        assert (await db.get_statistics())["collections"]["docs"]["promise"]["kept"] is False
        assert (await docs.search(vector=np.ones(8), filter={"kind": "a"})).ids


@pytest.mark.parametrize(("reaches", "filtered", "is_exact"), [(80, 1.0, (True, True)), (120, 2.0, (False, True))])
async def test_where_exact_searches_cost_little_more_they_keep_the_promise(
    reaches: int, filtered: float, is_exact: tuple[bool, bool]
) -> None:
    store = CarelessStore(reaches=reaches, filtered=filtered, dearer=2.0)
    async for db, docs in _filled(store):
        await docs.optimize()
        kept = store.saved["docs"]
        assert (kept.effort == EXACT, kept.filtered == EXACT) == is_exact
        assert kept.missed == ()
        assert min(kept.measured.values()) >= 0.99
        store.asked.clear()
        assert len(await docs.search(vector=np.ones(8), scope=Scope())) == 10
        assert len(await docs.search(vector=np.ones(8), filter={"kind": "a"})) == 10
        assert store.asked == ([] if is_exact[0] else [kept.effort])
        facts = (await db.get_statistics())["collections"]["docs"]["promise"]
        assert facts["kept"] is True


async def test_a_first_exact_search_that_is_slow_does_not_decide() -> None:
    class Cold(CarelessStore):
        """Its first exact search under each filter takes six times as long."""

        warm: ClassVar[set[str]] = set()

        async def search(self, info: CollectionInfo, request: Search) -> list[Matches]:
            if request.exact and str(request.filter) not in self.warm:
                self.warm.add(str(request.filter))
                self.clock.seconds += 5 * len(request.vectors)
            return await super().search(info, request)

    store = Cold(reaches=80, filtered=1.0)
    async for _db, docs in _filled(store):
        await docs.optimize()
        assert (store.saved["docs"].effort, store.saved["docs"].filtered) == (EXACT, EXACT)


@pytest.mark.parametrize("kept_share", [0.2, 0.1, 0.05])
async def test_filters_that_lose_answers_only_between_half_and_few_are_found(kept_share: float) -> None:
    class Blind(CarelessStore):
        """Loses half of the answers where a filter keeps about one share."""

        async def search(self, info: CollectionInfo, request: Search) -> list[Matches]:
            if not request.exact:
                self.clock.seconds -= 0.9 * len(request.vectors)
            found = await super().search(info, replace(request, exact=True))
            share = await self.count(info, Count(filter=request.filter)) / ROWS
            if request.exact or not kept_share / 1.3 < share < kept_share * 1.3:
                return found
            return [Matches(matches.items[:5], False) for matches in found]

    store = Blind()
    async for db, docs in _filled(store):
        await docs.optimize()
        report = await vpa.check_recall(docs, sample=20)
        assert min(one.recall for one in report.filtered) == pytest.approx(0.5)
        facts = (await db.get_statistics())["collections"]["docs"]["promise"]
        [name] = [name for name, share in SHARES.items() if share == kept_share]
        assert (facts["kept"], facts["missed"]) == (False, [name])


async def test_a_filter_that_keeps_nearly_all_is_served_as_no_filter_is() -> None:
    # Filters take a quarter of the effort here, as where a store answers those that keep few exactly.
    store = CarelessStore(filtered=0.25)
    async for db, docs in _filled(store):
        await docs.optimize()
        kept = store.saved["docs"]
        assert (kept.effort, kept.filtered) == (100, 100)
        assert (await db.get_statistics())["collections"]["docs"]["promise"]["kept"]


def test_a_search_of_a_named_scope_asks_for_all_records_of_it() -> None:
    kept = Calibration(effort=150, filtered=40)
    assert [kept.of(is_filtered=False), kept.of(is_filtered=True)] == [150, 40]
    assert kept.of(is_filtered=False, is_scoped=True) == 150
    # The scope of a named tenant is a filter, and under filters only exact searches keep this promise.
    assert Calibration(effort=100, filtered=EXACT).of(is_filtered=False, is_scoped=True) == EXACT
    assert Calibration(effort=100, filtered=EXACT).of(is_filtered=False) == 100
    assert Calibration(effort=EXACT, filtered=100).of(is_filtered=False, is_scoped=True) == EXACT
    assert Calibration().of(is_filtered=False, is_scoped=True) is None


@pytest.mark.parametrize(
    ("metric", "offset"),
    [
        (Metric.COSINE, 0.0),
        (Metric.DOT, 0.0),
        (Metric.DOT, 1000.0),
        (Metric.EUCLIDEAN, 0.0),
        (Metric.EUCLIDEAN, 1000.0),
    ],
)
def test_exact_answers_are_those_of_float64(metric: str, offset: float) -> None:
    random = np.random.default_rng(5)
    rows = (random.standard_normal((500, 16)) + offset).astype(np.float32)
    queries = (random.standard_normal((20, 16)) + offset).astype(np.float32)
    if metric == "cosine":
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    exactly = ExactAnswers(queries, ALWAYS, metric=Metric(metric), top_k=10)
    for start in range(0, 500, 70):
        part = rows[start : start + 70]
        exactly.add(RecordBatch(ids=[f"r{start + n}" for n in range(len(part))], vectors=part))
    wide, asked = rows.astype(np.float64), queries.astype(np.float64)
    products = asked @ wide.T
    far = ((asked[:, None, :] - wide[None, :, :]) ** 2).sum(axis=2)
    order = np.argsort(far if metric == "euclidean" else -products, axis=1, kind="stable")[:, :10]
    answers = [Matches(tuple(Match(f"r{n}", -np.inf, 0.0, None, {}) for n in places)) for places in order]
    assert min(exactly.shares(answers)) >= 0.9
    assert float(np.mean(exactly.shares(answers))) >= 0.995


async def test_without_a_promise_nothing_is_measured() -> None:
    store = CarelessStore()
    async for db, docs in _filled(store, recall=None):
        await docs.optimize()
        assert not store.saved
        assert "promise" not in (await db.get_statistics())["collections"]["docs"]


async def test_it_is_measured_by_itself_once_writing_pauses_and_again_when_the_collection_has_doubled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(promise, "_QUIET_S", 0.05)
    monkeypatch.setattr(promise, "_REST_TIMES", 0)
    store = CarelessStore()
    async for db, docs in _filled(store):
        await _until(lambda: "docs" in store.saved)
        assert store.saved["docs"].rows == ROWS
        extra = np.random.default_rng(2).standard_normal((ROWS, 8))
        await docs.upsert(Record(f"x{n}", vector=extra[n]) for n in range(ROWS - 1))
        await asyncio.sleep(0.2)
        assert store.saved["docs"].rows == ROWS
        await docs.upsert([Record("last", vector=extra[-1])])
        await _until(lambda: store.saved["docs"].rows == 2 * ROWS)
        assert (await db.get_statistics())["collections"]["docs"]["promise"]["written_since"] == 0


async def test_what_was_written_while_it_was_measured_is_measured_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promise, "_QUIET_S", 0.02)
    monkeypatch.setattr(promise, "_REST_TIMES", 0)
    store = CarelessStore()
    run, begun, release = promise.Calibrating.run, asyncio.Event(), asyncio.Event()

    async def slowly(self: Any) -> Calibration:
        found = await run(self)
        begun.set()
        await release.wait()
        return found

    monkeypatch.setattr(promise.Calibrating, "run", slowly)
    async for _db, docs in _filled(store):
        await begun.wait()
        extra = np.random.default_rng(2).standard_normal((ROWS + 1, 8))
        await docs.upsert(Record(f"x{n}", vector=extra[n]) for n in range(ROWS + 1))
        release.set()
        await _until(lambda: "docs" in store.saved and store.saved["docs"].rows == 2 * ROWS + 1)


async def test_records_of_other_scopes_are_not_growth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promise, "_QUIET_S", 0.02)
    store = CarelessStore()
    async with VectorDatabaseManager(store=store) as db:
        docs = await db.create_collection("docs", dimension=2, recall=0.9)
        for tenant in range(8):
            rows = [Record(f"r{n}", vector=[1, n]) for n in range(500)]
            await docs.upsert(rows, scope=Scope(f"t{tenant}"))
        await docs.optimize()
        assert (store.saved["docs"].rows, store.saved["docs"].total) == (1500, 4000)
        before = store.saved["docs"]
        await docs.upsert([Record(f"r{n}", vector=[1, n]) for n in range(500)], scope=Scope("t0"))
        await docs.upsert([Record(f"r{n}", vector=[1, n]) for n in range(500)], scope=Scope("t1"))
        await asyncio.sleep(0.2)
        assert store.saved["docs"] is before


async def test_an_unexpected_error_while_measuring_does_not_keep_the_store_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(promise, "_QUIET_S", 0.01)

    async def broken(self: Any) -> Calibration:
        raise ValueError("not what was expected")

    monkeypatch.setattr(promise.Calibrating, "run", broken)
    async for db, _docs in _filled(CarelessStore()):
        for _ in range(100):
            facts = (await db.get_statistics())["collections"]["docs"]["promise"]
            if "error" in facts:
                break
            await asyncio.sleep(0.02)
        assert "not what was expected" in facts["error"]


async def test_kept_is_what_was_measured_with_the_settings_that_are_used() -> None:
    class Worse(CarelessStore):
        """Finds less under a filter that keeps half, the more candidates it looks at."""

        async def search(self, info: CollectionInfo, request: Search) -> list[Matches]:
            found = await super().search(info, replace(request, exact=True))
            known = info.calibration
            if request.exact or known is None or request.filter is ALWAYS:
                return found
            effort, few = known.filtered or 0, "n" in str(request.filter)
            keeps = 10 if (effort >= 75 if few else effort < 75) else 5
            return [Matches(matches.items[:keeps], False) for matches in found]

    store = Worse(dearer=10.0)
    async for db, docs in _filled(store, recall=0.9):
        await docs.optimize()
        kept = store.saved["docs"]
        facts = (await db.get_statistics())["collections"]["docs"]["promise"]
        assert facts["kept"] is (min(kept.measured.values()) >= 0.9)
        assert set(kept.missed) == {name for name, share in kept.measured.items() if share < 0.9}


async def test_a_manager_that_closes_ends_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promise, "_QUIET_S", 0.01)
    before = asyncio.all_tasks()
    async for _db, _docs in _filled(CarelessStore()):
        await asyncio.sleep(0.03)
    assert asyncio.all_tasks() == before


async def test_a_measurement_that_fails_leaves_searches_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promise, "_QUIET_S", 0.01)
    store = CarelessStore()

    async def refused(name: str, calibration: Calibration) -> CollectionInfo:
        raise errors.PermissionDeniedError("this key may not change the collection")

    monkeypatch.setattr(store, "set_calibration", refused)
    async for db, docs in _filled(store):

        async def said(db: Any = db) -> str | None:
            return (await db.get_statistics())["collections"]["docs"]["promise"].get("error")

        for _ in range(200):
            if await said():
                break
            await asyncio.sleep(0.02)
        assert "may not change" in str(await said())
        assert (await docs.search(vector=np.ones(8))).ids is not None
        with pytest.raises(errors.PermissionDeniedError):
            await docs.optimize()


@pytest.mark.parametrize("recall", [0, 1.5, True, "much", float("nan")])
async def test_a_promise_is_a_share(recall: Any) -> None:
    async with VectorDatabaseManager(store=CarelessStore()) as db:
        with pytest.raises(errors.ConfigurationError, match="recall"):
            await db.create_collection("docs", dimension=2, recall=recall)


async def test_the_embedded_engine_keeps_its_promise_itself() -> None:
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=2, recall=0.9)
        assert docs.info.index.recall == docs.info.recall == 0.9
        await docs.upsert([Record("a", vector=[1, 0])])
        facts = (await db.get_statistics())["collections"]["docs"]
        assert facts["recall"] == 0.9
        assert (facts["promise"]["promised"], facts["promise"]["kept"]) == (0.9, True)
        assert facts["promise"]["measured"] == {"all": 1.0}
        again = await db.create_collection("docs", dimension=2, recall=0.9, exist_ok=True)
        assert again.info == docs.info
        with pytest.raises(errors.ConfigurationError, match="leave index out"):
            await db.create_collection("docs", dimension=2, recall=0.8, exist_ok=True)


async def test_the_embedded_engine_shows_what_it_measured() -> None:
    async with vpa.connect("mock://?recall=0.95") as db:
        docs = await db.create_collection("docs", dimension=64)
        rows = np.random.default_rng(0).standard_normal((40_000, 64)).astype(np.float32)
        await docs.upsert(RecordBatch(ids=[f"r{n}" for n in range(len(rows))], vectors=rows))
        await docs.optimize()
        facts = (await db.get_statistics())["collections"]["docs"]["promise"]
        assert (facts["promised"], facts["kept"], facts["missed"]) == (0.95, True, [])
        assert facts["measured"]["all"] >= 0.95


@pytest.mark.parametrize("store", [EmbeddedStore, CarelessStore])
async def test_two_promises_that_contradict_are_refused(store: type[EmbeddedStore]) -> None:
    async with VectorDatabaseManager(store=store()) as db:
        for index in ({"recall": 0.99}, IndexOptions(recall=0.99)):
            with pytest.raises(errors.ConfigurationError, match=r"recall=0\.9 and index with recall=0\.99"):
                await db.create_collection("docs", dimension=2, recall=0.9, index=index)
        assert await db.list_collections() == []
        docs = await db.create_collection("docs", dimension=2, recall=0.9, index={"recall": 0.9})
        assert docs.info.recall == 0.9


@pytest.mark.parametrize("store", [EmbeddedStore, CarelessStore])
async def test_without_records_nothing_is_said_to_be_kept(store: type[EmbeddedStore]) -> None:
    async with VectorDatabaseManager(store=store()) as db:
        docs = await db.create_collection("docs", dimension=2, recall=0.9)
        await docs.optimize()
        facts = (await db.get_statistics())["collections"]["docs"]
        assert (facts["promise"]["kept"], facts["promise"]["measured"]) == (None, {})


async def test_one_that_exists_with_another_promise_is_refused() -> None:
    async with VectorDatabaseManager(store=CarelessStore()) as db:
        await db.create_collection("docs", dimension=2, recall=0.9)
        for given in ({"recall": 0.95}, {"index": {"recall": 0.95}}):
            with pytest.raises(errors.ConfigurationError, match="recall"):
                await db.create_collection("docs", dimension=2, exist_ok=True, **given)  # type: ignore[arg-type]
        assert (await db.create_collection("docs", dimension=2, exist_ok=True)).info.recall == 0.9


async def test_an_empty_collection_has_nothing_to_measure() -> None:
    store = CarelessStore()
    async with VectorDatabaseManager(store=store) as db:
        docs = await db.create_collection("docs", dimension=2, recall=0.9)
        await docs.optimize()
        assert store.saved["docs"] == Calibration(rows=0)


def test_a_calibration_is_read_as_it_was_written() -> None:
    kept = Calibration(effort=64, filtered=EXACT, measured={"all": 0.995}, missed=("few",), rows=9, top_k=10)
    info = CollectionInfo(name="docs", dimension=2, metric="dot", recall=0.99, calibration=kept)  # type: ignore[arg-type]
    assert CollectionInfo.from_json(info.to_json()) == info


METADATA = {
    "a number": {"n": lambda n: n},
    "few values": {"kind": lambda n: n % 20, "third": lambda n: n % 3},
    "values of several types that are equal": {"flag": lambda n: [True, 1, 1.0, "1", None][n % 5], "n": lambda n: n},
    "lists": {"tags": lambda n: [f"t{n % 7}", f"u{n % 90}"]},
}


@pytest.mark.parametrize("kind", METADATA)
def test_filters_keep_about_what_is_wanted_each_another_share(kind: str) -> None:
    records = [
        Record(f"r{n}", vector=None, metadata={path: value(n) for path, value in METADATA[kind].items()})
        for n in range(1000)
    ]
    found = filters_by_share(records)
    assert len(set(map(str, found.values()))) == len(found) >= 2
    shares = []
    for name, node in found.items():
        shares.append(sum(matches(normal(node), record.metadata, {}) for record in records) / 1000)
        assert SHARES[name] / 5 <= shares[-1] <= SHARES[name] * 5
    assert shares == sorted(shares, reverse=True)
    if kind == "a number":
        assert shares == list(SHARES.values())


def test_without_metadata_no_filter_is_made() -> None:
    assert filters_by_share([Record("a", vector=None)] * 10) == {}


async def _until(holds: Any) -> None:
    for _ in itertools.repeat(None, 400):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not happen within eight seconds")


async def test_until_it_was_measured_a_promise_is_kept_by_looking_at_every_record() -> None:
    store = CarelessStore()
    async for _, docs in _filled(store):
        found = await docs.search(vector=np.ones(8), top_k=20)
        assert (len(found), found.exact, store.asked) == (20, True, [])
        await docs.optimize()
        store.asked.clear()
        await docs.search(vector=np.ones(8))
        assert store.asked == [100]


async def test_closing_before_anything_was_measured_is_said() -> None:
    with structlog.testing.capture_logs() as logs:
        async for _ in _filled(CarelessStore()):
            pass
    assert [one["collection"] for one in logs if "not measured before closing" in one["event"]] == ["docs"]


async def test_a_setting_that_serves_one_scope_badly_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    class Uneven(CarelessStore):
        """Finds everything of the default scope at once, and of a tenant what the effort lets it."""

        async def search(self, info: CollectionInfo, request: Search) -> list[Matches]:
            if request.scope == Scope():
                return await super().search(info, replace(request, exact=True))
            return await super().search(info, request)

    store = Uneven()
    async for _, docs in _filled(store):
        vectors = np.random.default_rng(2).standard_normal((500, 8))
        await docs.upsert([Record(f"r{n}", vector=vectors[n]) for n in range(500)], scope=Scope("t"))
        await docs.optimize()
        assert (store.saved["docs"].effort, store.saved["docs"].rows) == (100, ROWS + 500)


async def test_the_default_scope_is_measured_beside_larger_ones_where_it_is_not_small() -> None:
    class Asked(CarelessStore):
        scopes_asked: ClassVar[set[Scope]] = set()

        async def search(self, info: CollectionInfo, request: Search) -> list[Matches]:
            self.scopes_asked.add(request.scope)
            return await super().search(info, request)

    store = Asked()
    async with VectorDatabaseManager(store=store) as db:
        docs = await db.create_collection("docs", dimension=2, recall=0.9)
        for size, scope in [(2000, Scope()), *[(2100, Scope(f"t{n}")) for n in range(4)]]:
            await docs.upsert([Record(f"r{n}", vector=[1, n]) for n in range(size)], scope=scope)
        await docs.optimize()
        assert Scope() in store.scopes_asked
        assert len(store.scopes_asked) == 3
        store.scopes_asked.clear()
        await docs.delete(ids=["r0"])
        await docs.optimize()
        assert Scope() not in store.scopes_asked


async def test_a_hopeless_setting_is_given_up_early_and_a_slow_one_after_a_minute() -> None:
    store = CarelessStore()
    async for _, docs in _filled(store):
        await docs.optimize()
        # Forty queries show that a quarter of the answers is not enough, four hundred that all are.
        assert store.asked.count(25) == store.asked.count(50) == 4
        assert store.asked.count(100) >= 6
    slow = CarelessStore(reaches=200, filtered=1.0)
    slow.capabilities = replace(slow.capabilities)
    async for _, docs in _filled(slow):
        await docs.optimize()
        # A query takes a second of this clock: sixty are asked and one batch ends it.
        assert slow.asked.count(100) <= 7 * (1 + len(SHARES))


async def _until_promise(db: Any, holds: Any) -> dict[str, Any]:
    for _ in itertools.repeat(None, 400):
        facts: dict[str, Any] = (await db.get_statistics())["collections"]["docs"]["promise"]
        if holds(facts):
            return facts
        await asyncio.sleep(0.02)
    raise AssertionError(f"it did not happen within eight seconds: {facts}")


class Opened(CarelessStore):
    """Is opened by another manager, with what was measured when the collection was small."""

    def __init__(self, total: int) -> None:
        super().__init__()
        self._calibration = Calibration(effort=100, filtered=100, measured={"all": 1.0}, rows=total, total=total)

    async def describe_collection(self, name: str) -> CollectionInfo | None:
        info = await super().describe_collection(name)
        return None if info is None else replace(info, recall=0.99, calibration=self.saved.get(name, self._calibration))


@pytest.mark.parametrize(
    ("total", "is_exact", "is_measured"), [(2000, False, False), (1500, False, True), (300, True, True)]
)
async def test_growth_that_others_caused_is_found_after_opening(
    monkeypatch: pytest.MonkeyPatch, total: int, is_exact: bool, is_measured: bool
) -> None:
    monkeypatch.setattr(promise, "_QUIET_S", 0.02)
    release = asyncio.Event()
    run = promise.Calibrating.run

    async def later(self: Any) -> Calibration:
        await release.wait()
        return await run(self)

    monkeypatch.setattr(promise.Calibrating, "run", later)
    store = Opened(total)
    async with VectorDatabaseManager(store=store, clock=store.clock) as db:
        await store.create_collection(CollectionInfo(name="docs", dimension=8, metric=Metric.COSINE))
        vectors = np.random.default_rng(1).standard_normal((ROWS, 8))
        loaded = await db.collection("docs")
        await loaded.upsert(Record(f"r{n}", vector=vectors[n]) for n in range(ROWS))
        await db._bindings.pop("docs").promise.close()  # type: ignore[union-attr]
        docs = await db.collection("docs")
        await _until_promise(db, lambda facts: facts["written_since"] == ROWS - total)
        assert (await docs.search(vector=np.ones(8))).exact is is_exact
        release.set()
        if is_measured:
            await _until(lambda: "docs" in store.saved)
            assert not (await docs.search(vector=np.ones(8))).exact
        else:
            await asyncio.sleep(0.2)
            assert not store.saved


async def test_a_measurement_that_failed_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promise, "_QUIET_S", 0.01)
    monkeypatch.setattr(promise, "_RETRY_S", 0.01)
    run, attempts = promise.Calibrating.run, []

    async def at_the_third(self: Any) -> Calibration:
        attempts.append(1)
        if len(attempts) < 3:
            raise errors.ConnectionFailedError("the server is away")
        return await run(self)

    monkeypatch.setattr(promise.Calibrating, "run", at_the_third)
    store = CarelessStore()
    async for db, _ in _filled(store):
        facts = await _until_promise(db, lambda facts: facts["kept"])
        assert "error" not in facts
        assert len(attempts) == 3


async def test_what_cannot_be_stored_holds_for_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promise, "_QUIET_S", 0.01)
    store = CarelessStore()

    async def refused(name: str, calibration: Calibration) -> CollectionInfo:
        raise errors.PermissionDeniedError("this key may not change the collection")

    monkeypatch.setattr(store, "set_calibration", refused)
    async for db, docs in _filled(store):
        facts = await _until_promise(db, lambda facts: facts["kept"] and "error" in facts)
        assert "may not change" in facts["error"]
        store.asked.clear()
        await docs.search(vector=np.ones(8))
        assert store.asked == [100]


async def test_records_of_a_write_that_failed_midway_are_growth(monkeypatch: pytest.MonkeyPatch) -> None:
    store = CarelessStore()
    async for db, docs in _filled(store):
        await docs.optimize()

        async def partly(info: CollectionInfo, request: Any) -> int:
            raise errors.PartialWriteError("half of it", written=["a"], failed={"b": "away"})

        monkeypatch.setattr(store, "upsert", partly)
        with pytest.raises(errors.PartialWriteError):
            await docs.upsert([Record(name, vector=np.ones(8)) for name in ("a", "b")])
        assert (await db.get_statistics())["collections"]["docs"]["promise"]["written_since"] == 2
