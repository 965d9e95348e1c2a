"""`vpa.sync` ends: no call waits for ever, none goes on after the end, and every error is one of vpa's."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import vpa
from vpa.base import errors
from vpa.base.records import Record


def _within(seconds: float, call: Any) -> None:
    """Run in a thread of its own; it must end."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive()


def _get_until(ends: float, docs: Any, seen: list[Any]) -> None:
    while time.monotonic() < ends:
        try:
            docs.get(["a"])
        except errors.VectorDatabaseError as error:
            seen.append(error)


def test_threads_that_go_on_calling_while_it_is_closed_get_an_end() -> None:
    for _ in range(20):
        db = vpa.sync.connect("mock://")
        db.__enter__()
        docs = db.create_collection("docs", dimension=2)
        docs.upsert([Record("a", vector=[1, 0])])
        seen: list[Any] = []
        asked = (time.monotonic() + 0.1, docs, seen)
        threads = [threading.Thread(target=_get_until, args=asked, daemon=True) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(0.02)
        db.close()
        for thread in threads:
            thread.join(5)
        assert not any(thread.is_alive() for thread in threads)
        assert all(isinstance(error, errors.ClosedError) for error in seen)


def test_a_connection_that_was_closed_is_not_entered_again() -> None:
    db = vpa.sync.connect("mock://")
    with db:
        pass
    db.close()
    for again in (db.__enter__, db.connect):
        with pytest.raises(errors.ClosedError, match="make a new one"):
            again()


def test_closing_from_the_connections_own_loop_is_refused() -> None:
    raised: list[BaseException] = []

    def work() -> None:
        async def embed(texts: list[str]) -> list[list[float]]:
            try:
                rag.shutdown()
            except errors.VectorDatabaseError as error:
                raised.append(error)
            return [[1.0, 0.0] for _ in texts]

        rag = vpa.sync.create_enhanced_rag_system(embedder=embed)
        with rag:
            rag.add_document(document_id="a", content="b")

    _within(10, work)
    assert {type(error) for error in raised} == {errors.ConfigurationError}


def test_a_source_that_is_read_while_another_thread_closes_ends_by_name(tmp_path: Path) -> None:
    raised: list[BaseException] = []
    db = vpa.sync.connect(f"mock://{tmp_path}")
    db.__enter__()
    docs = db.create_collection("docs", dimension=2)

    def source() -> Any:
        for number in range(1000):
            time.sleep(0.01)
            yield vpa.Record(f"r{number}", vector=[1, 2])

    def work() -> None:
        try:
            vpa.sync.audit(docs, source())
        except errors.VectorDatabaseError as error:
            raised.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    time.sleep(0.1)
    db.close()
    thread.join(20)
    assert not thread.is_alive()
    assert [type(error) for error in raised] == [errors.ClosedError]


def test_a_closed_store_of_a_framework_does_not_open_itself_again() -> None:
    from vpa.integrations.owned import OwnedCollection

    owned = OwnedCollection("mock://", "docs", api_key=None, metric="cosine")

    async def count(collection: vpa.Collection) -> int:
        return await collection.count()

    assert owned.run(count, dimension=2) == 0
    owned.close()
    owned.close()
    with pytest.raises(errors.ClosedError):
        owned.run(count, dimension=2)


async def test_it_says_so_to_those_who_await_too() -> None:
    from vpa.integrations.owned import OwnedCollection

    owned = OwnedCollection("mock://", "docs", api_key=None, metric="cosine")

    async def count(collection: vpa.Collection) -> int:
        return await collection.count()

    assert await owned.arun(count, dimension=2) == 0
    owned.close()
    with pytest.raises(errors.ClosedError):
        await owned.arun(count, dimension=2)


def _filled() -> Any:
    db = vpa.sync.connect("mock://")
    db.__enter__()
    docs = db.create_collection("docs", dimension=2)
    docs.upsert([Record(f"r{n}", vector=[1, n]) for n in range(3000)])
    return db, docs


def test_a_scan_whose_connection_is_closed_does_not_end_as_if_it_had_read_everything() -> None:
    db, docs = _filled()
    rows = docs.scan()
    next(rows)
    db.close()
    with pytest.raises(errors.ClosedError):
        list(rows)


_PROGRAM = """
import vpa.sync
from vpa import Record
db = vpa.sync.connect("mock://")
db.connect()
docs = db.create_collection("docs", dimension=2)
docs.upsert([Record(f"r{n}", vector=[1.0, float(n)]) for n in range(3000)])
"""


@pytest.mark.parametrize(
    ("rest", "status", "said"),
    [
        ("rows = docs.scan(); next(rows)", 0, ""),
        ("def read():\n    for row in docs.scan():\n        raise ValueError('mine')\nread()", 1, "ValueError: mine"),
        ("cell = {}; cell['rows'] = docs.scan(); next(cell['rows']); cell['self'] = cell; del cell", 0, ""),
        ("class Owner:\n    def __del__(self):\n        db.close()\nowner = Owner()", 0, ""),
    ],
    ids=["a scan left open", "an exception in a loop", "a cycle", "closed by __del__"],
)
def test_a_program_that_leaves_something_open_ends(rest: str, status: int, said: str) -> None:
    program = _PROGRAM + "print('filled')\n" + rest
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.stdout.strip(), ended.returncode) == ("filled", status)
    assert ended.stderr.strip().endswith(said)


def test_the_garbage_collector_may_close_a_scan_while_a_call_is_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> None:
        db, docs = _filled()
        cell: dict[str, Any] = {"rows": docs.scan()}
        next(cell["rows"])
        cell["self"] = cell
        del cell
        given = asyncio.run_coroutine_threadsafe

        def collecting(*args: Any) -> Any:
            gc.collect()
            return given(*args)

        monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", collecting)
        assert docs.count() == 3000
        db.close()

    _within(20, work)


def test_a_close_that_was_interrupted_is_done_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    from vpa.kit.owner import OwnerLoop

    def work() -> None:
        owner = OwnerLoop()
        owner._begin(_slow_to_end())
        join = owner._thread.join
        monkeypatch.setattr(owner._thread, "join", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            owner.stop()
        monkeypatch.setattr(owner._thread, "join", join)
        ended = []

        async def end() -> None:
            ended.append(asyncio.get_running_loop())

        # Nothing is done on another loop beside the one that is ending.
        owner.close(end)
        assert ended == []
        assert not owner._thread.is_alive()

    _within(20, work)


def test_where_no_thread_can_be_started_connecting_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refused)
        with pytest.raises(errors.ServiceUnavailableError, match="no thread"):
            vpa.sync.connect("mock://")
    with vpa.sync.connect("mock://") as db:
        assert db.list_collections() == []


async def _slow_to_end() -> None:
    try:
        await asyncio.sleep(30)
    finally:
        await asyncio.sleep(0.5)


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_connection_is_not_entered_in_a_forked_process() -> None:
    program = (
        "import os, sys, vpa.sync\nfrom vpa.base.errors import ClosedError\n"
        "db = vpa.sync.connect('mock://')\nchild = os.fork()\n"
        "if child == 0:\n    try:\n        db.connect()\n    except ClosedError as error:\n"
        "        os._exit(7 if 'forked' in str(error) else 8)\n    os._exit(9)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 7


async def test_whoever_awaits_a_store_that_another_thread_closes_is_not_cancelled() -> None:
    from vpa.integrations.owned import OwnedCollection

    owned = OwnedCollection("mock://", "docs", api_key=None, metric="cosine")

    async def wait(_: vpa.Collection) -> int:
        await asyncio.sleep(30)
        return 1

    waiting = asyncio.create_task(owned.arun(wait, dimension=2))
    await asyncio.sleep(0.2)
    await asyncio.to_thread(owned.close)
    with pytest.raises(errors.ClosedError):
        await waiting


def test_nothing_is_opened_while_it_is_closed(tmp_path: Path) -> None:
    db = vpa.sync.connect(f"mock://{tmp_path}")
    db.connect()
    refused: list[type[BaseException]] = []
    closing = db._inner.close

    async def slowly() -> None:
        await closing()
        thread = threading.Thread(target=enter)
        thread.start()
        await asyncio.to_thread(thread.join)

    def enter() -> None:
        try:
            db.connect()
        except errors.VectorDatabaseError as error:
            refused.append(type(error))

    db._inner.close = slowly
    db.close()
    assert set(refused) == {errors.ClosedError}
    with vpa.sync.connect(f"mock://{tmp_path}") as again:
        assert again.list_collections() == []
