"""BLAS on one thread, or within a quota: while anyone needs it, and not longer."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

import vpa
from vpa.kit import blas
from vpa.kit.blas import single_threaded, within_quota


def threads() -> int:
    found = ThreadpoolController().select(user_api="blas").info()
    return max((one["num_threads"] for one in found if "numpy" in one["filepath"]), default=1)


def test_one_thread_inside_as_before_outside() -> None:
    np.ones((2, 2)) @ np.ones((2, 2))
    before = threads()
    with single_threaded():
        assert threads() == 1
        with single_threaded():
            assert threads() == 1
        assert threads() == 1
    assert threads() == before


def test_the_thread_that_restores_it_need_not_be_the_one_that_began() -> None:
    before = threads()
    entered, leave, gone, end = (threading.Event() for _ in range(4))

    def first() -> None:
        with single_threaded():
            entered.set()
            leave.wait()
        gone.set()
        end.wait()  # It goes on: a limit may belong to a thread that lives.

    beginner = threading.Thread(target=first)
    beginner.start()
    entered.wait()
    with single_threaded():
        leave.set()
        gone.wait()
        assert threads() == 1
    after = threads()
    end.set()
    beginner.join()
    assert after == before


def test_of_many_threads_at_once_the_last_restores_it() -> None:
    before = threads()
    for _ in range(50):
        _two_at_once()
        assert threads() == before


def _two_at_once() -> None:
    inside, leave = threading.Barrier(3), threading.Event()
    seen: list[int] = []

    def work() -> None:
        with single_threaded():
            inside.wait()
            leave.wait()
            seen.append(threads())

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    inside.wait()
    assert threads() == 1
    leave.set()
    for worker in workers:
        worker.join()
    assert seen == [1, 1]


@pytest.fixture
def quota(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    def set_to(cpus: int, cores: int) -> None:
        monkeypatch.setattr(blas, "_QUOTA", blas._Quota())
        monkeypatch.setattr(blas, "available_cpus", lambda: cpus)
        monkeypatch.setattr(blas, "allowed_cpus", lambda: cores)

    return set_to


def test_a_quota_below_the_cores_is_kept_and_one_that_is_not_changes_nothing(
    quota: Callable[[int, int], None],
) -> None:
    before = threads()
    quota(1, 64)
    with within_quota():
        assert threads() == 1
    assert threads() == before
    quota(2 * before, 64 * before)
    with within_quota():
        assert threads() == before
    quota(1, 1)
    with within_quota():
        assert threads() == before


@pytest.mark.skipif(threads() < 2, reason="one thread cannot be lowered")
def test_who_asks_for_fewer_beside_others_lowers_it_for_all_of_them(quota: Callable[[int, int], None]) -> None:
    before = threads()
    quota(before, 64 * before)
    with within_quota():
        assert threads() == before
        with single_threaded():
            assert threads() == 1
        assert threads() == 1  # Until the last one leaves.
    assert threads() == before


async def test_an_exact_search_keeps_the_quota(
    quota: Callable[[int, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    enter = blas._Limit.enter

    def noted(self: blas._Limit, threads: int) -> None:
        seen.append(threads)
        enter(self, threads)

    monkeypatch.setattr(blas._Limit, "enter", noted)
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=4)
        await docs.upsert([vpa.Record(str(n), vector=[1, 2, 3, n]) for n in range(20)])
        await docs.search(vector=[1, 2, 3, 4], exact=True)
        assert seen == []
        quota(1, 64)
        await docs.search(vector=[1, 2, 3, 4], exact=True)
        await docs.search_batch(vectors=[[1, 2, 3, 4]] * 3, exact=True)
    assert seen == [1, 1]
