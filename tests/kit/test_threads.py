"""Blocking work in a bounded pool that ends with its owner."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable

import pytest

from vpa.kit.threads import Workers

LABEL: contextvars.ContextVar[str] = contextvars.ContextVar("label", default="none")


async def test_results_errors_and_context_come_through() -> None:
    workers = Workers(size=2, name="vpa-test")
    LABEL.set("mine")
    assert await workers.run(LABEL.get) == "mine"
    with pytest.raises(ZeroDivisionError):
        await workers.run(divmod, 1, 0)
    await workers.close()


async def test_no_more_run_at_once_than_there_are_threads() -> None:
    workers, gate, lock = Workers(size=3, name="vpa-test"), threading.Event(), threading.Lock()
    running, most = 0, 0

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        gate.wait(0.05)
        with lock:
            running -= 1

    await asyncio.gather(*(workers.run(work) for _ in range(9)))
    assert most <= 3
    await workers.close()


async def test_close_waits_for_what_runs_and_leaves_no_thread(new_threads: Callable[[], list[str]]) -> None:
    workers, gate, ended = Workers(size=1, name="vpa-test"), threading.Event(), threading.Event()

    def work() -> None:
        gate.wait(5)
        ended.set()

    task = asyncio.create_task(workers.run(work))
    while not new_threads():
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    closing = asyncio.create_task(workers.close())
    await asyncio.sleep(0)
    assert not ended.is_set()
    gate.set()
    await closing
    assert ended.is_set()
    assert new_threads() == []
    await workers.close()
