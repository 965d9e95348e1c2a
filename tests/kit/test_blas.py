"""BLAS on one thread: while anyone needs it, and not longer."""

from __future__ import annotations

import threading

import numpy as np
from threadpoolctl import ThreadpoolController

from vpa.kit.blas import single_threaded


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
