"""A connection of `vpa.sync` that nobody holds any more leaves nothing; and the messages fit whoever calls."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

import vpa
from vpa import Record, sync
from vpa.base import errors


def _left(before: set[threading.Thread], seconds: float = 10) -> list[str]:
    """Threads that are still there after the collector came, at the latest after `seconds`."""
    ends = time.monotonic() + seconds
    while True:
        gc.collect()
        left = [thread.name for thread in threading.enumerate() if thread not in before]
        if not left or time.monotonic() > ends:
            return left
        time.sleep(0.02)


def _dropped_manager(directory: Path) -> None:
    sync.connect(f"mock://{directory}")


def _dropped_connection(directory: Path) -> None:
    db = sync.connect(f"mock://{directory}").connect()
    docs = db.create_collection("docs", dimension=2, exist_ok=True)
    docs.upsert([Record(f"r{n}", vector=[1, n]) for n in range(500)])


def _dropped_scan(directory: Path) -> None:
    db = sync.connect(f"mock://{directory}").connect()
    docs = db.create_collection("docs", dimension=2, exist_ok=True)
    docs.upsert([Record(f"r{n}", vector=[1, n]) for n in range(500)])
    next(docs.scan())


def _dropped_cycle(directory: Path) -> None:
    found: list[Any] = []

    def embed(texts: list[str]) -> list[list[float]]:
        assert found
        return [[1.0, 0.0] for _ in texts]

    found.append(sync.create_enhanced_rag_system(embedder=embed))
    found[0].initialize()
    found[0].add_document(document_id="a", content="b")


def _dropped_framework(directory: Path) -> None:
    from vpa.integrations.owned import OwnedCollection

    owned = OwnedCollection(f"mock://{directory}", "docs", api_key=None, metric="cosine")

    async def count(collection: vpa.Collection) -> int:
        return await collection.count()

    assert owned.run(count, dimension=2) == 0


@pytest.mark.parametrize(
    "leave", [_dropped_manager, _dropped_connection, _dropped_scan, _dropped_cycle, _dropped_framework]
)
def test_what_was_never_closed_leaves_no_thread_no_file_and_no_lock(
    leave: Callable[[Path], None], tmp_path: Path
) -> None:
    before = set(threading.enumerate())
    leave(tmp_path)
    assert _left(before) == []
    files = psutil.Process().num_fds()
    for _ in range(3):
        leave(tmp_path)
        assert _left(before) == []
    assert psutil.Process().num_fds() <= files
    with sync.connect(f"mock://{tmp_path}") as db:
        assert len(db.list_collections()) <= 1


def test_a_collection_and_an_iterator_keep_the_connection_that_they_use() -> None:
    docs = sync.connect("mock://").connect().create_collection("docs", dimension=2)
    docs.upsert([Record(f"r{n}", vector=[1, n]) for n in range(3000)])
    gc.collect()
    assert docs.count() == 3000
    rows = docs.scan()
    del docs
    gc.collect()
    assert len(list(rows)) == 3000


async def test_it_works_where_a_loop_runs_as_in_a_notebook(tmp_path: Path) -> None:
    with sync.connect(f"mock://{tmp_path}/store") as db:
        docs = db.create_collection("docs", dimension=2)
        assert docs.upsert([Record("a", vector=[1, 0])]) == 1
        assert [record.id for record in docs.scan()] == ["a"]
    assert sync.backup(tmp_path / "store", tmp_path / "copy").records == 1
    with pytest.raises(errors.ClosedError):
        docs.count()


async def test_messages_say_with_to_those_without_await_and_await_to_the_others() -> None:
    manager, other = vpa.connect("mock://"), sync.connect("mock://")
    with pytest.raises(errors.ClosedError, match="`async with`, or `await` its connect"):
        await manager.list_collections()
    with pytest.raises(errors.ClosedError, match=r"use it in `with`, or call connect\(\)") as raised:
        other.list_collections()
    assert "async" not in str(raised.value)
    with pytest.raises(errors.ClosedError, match="use it in `with`"):
        _ = other.capabilities
    with pytest.raises(errors.ClosedError, match=r"in `with`, or call initialize\(\)"):
        sync.create_enhanced_rag_system().list_documents()
    with pytest.raises(errors.ClosedError, match="`await` its initialize"):
        await vpa.create_enhanced_rag_system().list_documents()


async def test_the_wrong_kind_of_with_says_which_is_right() -> None:
    manager: Any = vpa.connect("mock://")
    with pytest.raises(TypeError, match=r"`async with vpa.connect.*notebook.*await.*`with vpa.sync.connect"), manager:
        pass
    system: Any = vpa.create_enhanced_rag_system()
    with pytest.raises(TypeError, match=r"`async with`.*notebook"), system:
        pass
    other: Any = sync.connect("mock://")
    with pytest.raises(TypeError, match="write `with`, not `async with`"):
        async with other:
            pass
