"""Counts and latencies per verb."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpa.observe.meter import Meter


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), min_size=1, max_size=1024))
def test_the_summary_is_what_was_recorded(calls: list[tuple[float, bool]]) -> None:
    meter = Meter()
    for seconds, failed in calls:
        meter.record("get", seconds, failed=failed)
    summary = meter.summary()["get"]
    times = [seconds for seconds, _ in calls]
    assert (summary["calls"], summary["errors"]) == (len(calls), sum(failed for _, failed in calls))
    assert summary["avg_s"] == pytest.approx(sum(times) / len(times))
    assert min(times) <= summary["p50_s"] <= summary["p95_s"] <= max(times)
    assert {summary["p50_s"], summary["p95_s"]} <= set(times)


def test_percentiles_are_of_the_recent_calls_and_counts_of_all() -> None:
    meter = Meter()
    for seconds in [9.0] * 10 + [1.0] * 1024:
        meter.record("get", seconds)
    summary = meter.summary()["get"]
    assert (summary["calls"], summary["p95_s"]) == (1034, 1.0)


def test_verbs_come_sorted_and_nothing_is_invented() -> None:
    meter = Meter()
    assert meter.summary() == {}
    for verb in ("upsert", "get"):
        meter.record(verb, 0.0)
    assert list(meter.summary()) == ["get", "upsert"]


def test_threads_lose_no_count() -> None:
    meter = Meter()
    threads = [
        threading.Thread(target=lambda: [meter.record("get", 0.1) for _ in range(2000)] and None) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert meter.summary()["get"]["calls"] == 8000
