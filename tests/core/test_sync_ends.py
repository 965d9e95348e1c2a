"""`vpa.sync` ends: no call waits for ever, none goes on after the end, and every error is one of vpa's."""

from __future__ import annotations

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
        with vpa.sync.connect("mock://") as db:
            docs = db.create_collection("docs", dimension=2)

            class Records:
                def __iter__(self) -> Any:
                    db.close()
                    return iter([Record("a", vector=[1, 0])])

            try:
                docs.upsert(Records())
            except errors.VectorDatabaseError as error:
                raised.append(error)

    _within(10, work)
    assert [type(error) for error in raised] == [errors.ConfigurationError]


def test_a_source_that_is_read_while_another_thread_closes_ends_by_name(tmp_path: Path) -> None:
    raised: list[BaseException] = []
    db = vpa.sync.connect(f"mock://{tmp_path}")
    db.__enter__()
    docs = db.create_collection("docs", dimension=2)

    def source() -> Any:
        for number in range(1000):
            time.sleep(0.01)
            yield f"r{number}", "text"

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
