"""`vpa doctor` on a collection that promises a recall."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vpa import Record, Scope, connect
from vpa.base.calibration import EXACT, Calibration
from vpa.base.records import CollectionInfo, Matches
from vpa.client.manager import VectorDatabaseManager
from vpa.commands.recall import promise_of, promise_rows
from vpa.main import main
from vpa.stores.embedded.store import EmbeddedStore
from vpa.stores.requests import Search

NAME = "vpa-index"
Doctor = Callable[[Calibration | None, int], tuple[int, dict[str, dict[str, str]]]]


class Promising(EmbeddedStore):
    """Kept open beyond one manager; its collection promises 0.99, and searches return the best `finds` of ten."""

    def __init__(self, calibration: Calibration | None, finds: int) -> None:
        super().__init__()
        self.capabilities = replace(self.capabilities, index_options=False, approximate=True)
        self.calibration, self.finds = calibration, finds

    async def describe_collection(self, name: str) -> CollectionInfo | None:
        info = await super().describe_collection(name)
        return None if info is None else replace(info, recall=0.99, calibration=self.calibration)

    async def search(self, info: CollectionInfo, request: Search) -> list[Matches]:
        found = await super().search(info, request)
        return found if request.exact else [Matches(one.items[: self.finds], False) for one in found]

    async def close(self) -> None:
        """Not yet."""


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Doctor:
    monkeypatch.setenv("VPA_EMBEDDING_MODEL", "hashing")
    monkeypatch.setenv("VPA_VECTOR_DB_PROVIDER", "qdrant")
    monkeypatch.setenv("VPA_VECTOR_DB_URL", "http://127.0.0.1:6333")

    def run(calibration: Calibration | None, finds: int) -> tuple[int, dict[str, dict[str, str]]]:
        store = Promising(calibration, finds)

        async def fill() -> None:
            async with VectorDatabaseManager(store=store) as db:
                docs = await db.create_collection(NAME, dimension=4)
                vectors = np.random.default_rng(0).standard_normal((50, 4))
                await docs.upsert([Record(f"r{n}", vector=vectors[n]) for n in range(50)])

        monkeypatch.setattr("vpa.client.manager.create_store", lambda config: store)
        with ThreadPoolExecutor(1) as thread:
            thread.submit(lambda: asyncio.run(fill())).result()
            status = thread.submit(main, ["doctor", "--json"]).result()
        checks = json.loads(capsys.readouterr().out)
        return status, {check["status"]: check for check in checks if check["area"] == "recall"}

    return run


def test_a_promise_that_was_missed_when_it_was_measured_is_a_failure(doctor: Doctor) -> None:
    measured = Calibration(measured={"all": 0.995, "tenth": 0.86}, missed=("tenth",), rows=50, total=50)
    status, found = doctor(measured, 10)
    assert status == 1
    assert found["fail"]["finding"].startswith(
        f"{NAME} promises 0.99 and reaches 0.860 (tenth); measured 0.9950 (all), 0.8600"
    )
    assert "finer index" in found["fail"]["fix"]
    assert "promised: 0.99" in found["ok"]["finding"]


def test_a_promise_that_is_missed_now_is_a_failure(doctor: Doctor) -> None:
    status, found = doctor(Calibration(measured={"all": 0.995}, rows=50, total=50), 8)
    assert status == 1
    assert f"{NAME}: the default scope (50 records): 20 queries" in found["fail"]["finding"]
    assert "0.800 without a filter; promised: 0.99" in found["fail"]["finding"]


def test_a_promise_that_is_kept_is_named(doctor: Doctor) -> None:
    known = Calibration(effort=64, filtered=EXACT, measured={"all": 0.995}, rows=50, total=50)
    status, found = doctor(known, 10)
    assert (status, list(found)) == (0, ["ok"])
    assert found["ok"]["finding"] == (
        f"{NAME} promises 0.99; measured 0.9950 (all); effort 64, with a filter exact search; "
        "at 50 records in all scopes"
    )
    status, found = doctor(None, 10)
    assert (status, sorted(found)) == (0, ["ok", "warn"])
    assert found["warn"]["finding"] == f"{NAME} promises 0.99; not measured yet: `optimize()` measures it"
    assert found["warn"]["fix"] == "run optimize()"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    with ThreadPoolExecutor(1) as thread:
        status = thread.submit(main, [*arguments, "--json"]).result()
    return status, json.loads(capsys.readouterr().out)


def recall_of(checks: Any) -> list[tuple[str, str]]:
    return [(check["status"], check["finding"]) for check in checks if check["area"] == "recall"]


async def fill(path: Path, counts: dict[Scope, int], **options: Any) -> None:
    async with connect(f"mock://{path}") as db:
        docs = await db.create_collection(NAME, dimension=4, **options)
        for scope, count in counts.items():
            vectors = np.random.default_rng(0).standard_normal((count, 4))
            await docs.upsert([Record(f"r{n}", vector=vectors[n]) for n in range(count)], scope=scope)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("VPA_EMBEDDING_MODEL", "hashing")
    monkeypatch.setenv("VPA_VECTOR_DB_PATH", str(tmp_path / "store"))
    return tmp_path / "store"


async def test_an_empty_collection_has_nothing_to_measure(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await fill(store, {}, recall=0.99)
    status, checks = run(capsys, "doctor")
    assert status == 0
    assert recall_of(checks) == [
        ("ok", f"{NAME}: the default scope: nothing to measure, it holds no records"),
        ("ok", f"{NAME} promises 0.99; nothing to measure: the collection held fewer than two records"),
    ]


async def test_doctor_measures_the_scope_that_is_named(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await fill(store, {Scope(): 10, Scope("acme", "eu"): 30})
    [(status, finding)] = recall_of(run(capsys, "doctor", "--tenant", "acme", "--namespace", "eu")[1])
    assert status == "ok"
    assert finding.startswith(f"{NAME}: tenant acme, namespace eu (30 records): 20 queries, top 10: 1.000 without")
    [(status, finding)] = recall_of(run(capsys, "doctor", "--tenant", "absent")[1])
    assert (status, finding) == ("ok", f"{NAME}: tenant absent: nothing to measure, it holds no records")


async def test_doctor_measures_the_largest_scope_where_the_default_one_is_empty(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await fill(store, {Scope("acme"): 5, Scope("beta"): 30, Scope("gamma"): 6})
    [(status, finding)] = recall_of(run(capsys, "doctor")[1])
    assert status == "ok"
    assert "the default scope holds no records; measured in the largest scope" in finding
    assert "tenant beta (30 records): 20 queries" in finding


async def test_stats_says_whose_records_it_counts(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await fill(store, {Scope("acme"): 5, Scope("beta"): 30})
    facts = run(capsys, "stats")[1]
    assert (facts["scope"], facts["chunks"], facts["records_in_all_scopes"]) == ("the default scope", 0, 35)
    assert facts["largest_scope"] == "tenant beta"
    facts = run(capsys, "stats", "--tenant", "acme")[1]
    assert (facts["scope"], facts["chunks"], facts["largest_scope"]) == ("tenant acme", 5, None)


async def test_stats_shows_a_promise_share_by_share(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await fill(store, {Scope(): 30}, recall=0.9)
    promise = run(capsys, "stats")[1]["recall"]
    assert promise["promised"] == 0.9
    assert promise["measured"] == {"all": 1.0}
    assert (promise["state"], promise["effort"], promise["records"]) == ("measured", EXACT, 30)
    with ThreadPoolExecutor(1) as thread:
        thread.submit(main, ["stats"]).result()
    shown = capsys.readouterr().out
    for line in ("promised recall", "measured, all", "exact search", "30 records in all scopes"):
        assert line in shown


def test_a_promise_that_waits_for_its_measurement_says_what_searches_do_meanwhile() -> None:
    waiting = {"promised": 0.99, "kept": None, "measured": {}, "written_since": 5, "exact_until_measured": True}
    promise = promise_of({"promise": waiting})
    assert promise is not None
    assert promise_rows(promise)[1] == ("measured", "not measured yet: searches are exact until `optimize()`")
    measured = {**waiting, "kept": True, "measured": {"all": 0.993, "half": 0.991}, "missed": [], "rows": 40}
    promise = promise_of({"promise": {**measured, "total": 90, "effort": 64, "filtered": None}})
    assert promise is not None
    assert promise_rows(promise) == [
        ("promised", "0.99"),
        ("measured, all", "0.9930"),
        ("measured, half", "0.9910"),
        ("effort", "64"),
        ("effort with a filter", "the store's default"),
        ("measured at", "90 records in all scopes"),
        ("written since", "5 records"),
    ]
