"""`vpa doctor` on a collection that promises a recall."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from vpa import Record
from vpa.base.calibration import Calibration
from vpa.base.records import CollectionInfo, Matches
from vpa.client.manager import VectorDatabaseManager
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
    assert found["fail"]["finding"] == f"{NAME} promises 0.99 and reaches 0.860 (tenth)"
    assert "finer index" in found["fail"]["fix"]
    assert "promised: 0.99" in found["ok"]["finding"]


def test_a_promise_that_is_missed_now_is_a_failure(doctor: Doctor) -> None:
    status, found = doctor(Calibration(measured={"all": 0.995}, rows=50, total=50), 8)
    assert status == 1
    assert "0.800 without a filter; promised: 0.99" in found["fail"]["finding"]


def test_a_promise_that_is_kept_is_named(doctor: Doctor) -> None:
    status, found = doctor(Calibration(measured={"all": 0.995}, rows=50, total=50), 10)
    assert (status, list(found)) == (0, ["ok"])
    status, found = doctor(None, 10)
    assert (status, sorted(found)) == (0, ["ok", "warn"])
    assert found["warn"]["fix"] == "run optimize()"
