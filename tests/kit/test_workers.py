"""Worker threads where none can be started any more, and what an error of theirs keeps."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

import vpa
from vpa import Record
from vpa.base import errors
from vpa.kit.threads import Workers


def _refused(*_: Any) -> None:
    raise RuntimeError("can't start new thread")


class _Argument:
    pass


def _fail(argument: _Argument) -> None:
    raise ValueError(argument)


async def test_a_store_closes_where_no_thread_can_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    db = await vpa.connect(f"mock://{tmp_path}").connect()
    docs = await db.create_collection("docs", dimension=2)
    await docs.upsert([Record("a", vector=[1, 0])])
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", _refused)
        await db.close()
    async with vpa.connect(f"mock://{tmp_path}") as again:
        assert await (await again.collection("docs")).count() == 1
        assert (await again.get_statistics())["collections"]["docs"]["recovery"]["closed"]


async def test_a_thread_that_lives_takes_what_none_can_be_started_for(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = Workers(size=2, name="some")
    release = threading.Event()
    busy = asyncio.create_task(workers.run(release.wait, 10))
    await asyncio.sleep(0.05)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", _refused)
        waiting = asyncio.create_task(workers.run(lambda: 7))
        await asyncio.sleep(0.05)
        release.set()
        assert await waiting == 7
    await busy
    await workers.close()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", _refused)
        with pytest.raises(errors.ServiceUnavailableError, match="no thread"):
            await workers.run(lambda: 7)
        await workers.close()


async def test_what_is_asked_while_the_program_ends_is_refused_beside_threads_that_live(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from concurrent.futures import thread as pools

    workers = Workers(size=2, name="some")
    release = threading.Event()
    busy = asyncio.create_task(workers.run(release.wait, 10))
    await asyncio.sleep(0.05)
    with monkeypatch.context() as patched:
        # As the interpreter sets it before it waits for the threads of every pool.
        patched.setattr(pools, "_shutdown", True)
        with pytest.raises(errors.ServiceUnavailableError, match="ending"):
            await asyncio.wait_for(workers.run(lambda: 7), 5)
        done: list[int] = []
        await workers.finish(lambda: done.append(1))
        assert done == [1]
    release.set()
    await busy
    await workers.close()


async def test_an_error_does_not_keep_what_the_call_was_given() -> None:
    workers = Workers(size=1, name="some")
    argument = _Argument()
    kept = weakref.ref(argument)
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(ValueError, match="_Argument"):
            await workers.run(_fail, argument)
        del argument
        for _ in range(100):
            if kept() is None:
                break
            await asyncio.sleep(0.01)
        assert kept() is None
    finally:
        gc.enable()
        await workers.close()
