"""Ctrl-C in the thread that calls `vpa.sync` ends the work soon, and the traceback says what was written."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vpa.kit.owner import OwnerLoop
from vpa.kit.tally import note_began, note_written, one_write

_START = """
import _thread, os, signal, sys, threading, time
import vpa
from vpa import Record, sync

signal.signal(signal.SIGINT, signal.default_int_handler)

def interrupted(call, after=0.0):
    def interrupt():
        time.sleep(after)
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=interrupt, daemon=True).start()
    started = time.monotonic()
    try:
        call()
    except KeyboardInterrupt as error:
        print("seconds", time.monotonic() - started - after)
        print("notes", *getattr(error, "__notes__", []))
        return
    print("was not interrupted")
"""


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    """That of Python: whoever starts the tests in the background may have SIGINT ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


_PROGRAMS = {
    "documents": """
class Slow(vpa.Embedder):
    identity = vpa.EmbeddingIdentity(name="slow", dimension=2)
    async def embed(self, texts, *, kind):
        import asyncio
        await asyncio.sleep(0.05)
        return [[1.0, 0.0] for _ in texts]
with sync.create_enhanced_rag_system(embedder=Slow()) as rag:
    documents = [{"document_id": str(n), "content": f"text {n}"} for n in range(20_000)]
    interrupted(lambda: rag.add_documents(documents), after=1.0)
    time.sleep(0.5)  # A write that a thread was at ends by itself.
    now = rag.manager.count()
    time.sleep(0.5)
    print("stored", now, rag.manager.count())
""",
    "a migration": """
with sync.connect("mock://") as db:
    docs = db.create_collection("docs", dimension=2)
    docs.upsert([Record(f"r{n}", vector=[1, n]) for n in range(20_000)])
    def slowly(stage, count):
        time.sleep(0.02)
    interrupted(lambda: sync.migrate(
        db, db, collection="docs", to_collection="copy", batch_size=1, state_directory=sys.argv[1], progress=slowly
    ), after=1.0)
    print("stored", db.collection("copy").count(), db.collection("copy").count())
""",
}


def _run(program: str, directory: Path) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", _START + program, str(directory)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.partition(" ") for line in done.stdout.splitlines() if not line.startswith("20")]
    return {name: rest for name, _, rest in lines}


@pytest.mark.parametrize("name", _PROGRAMS)
def test_an_interrupt_ends_a_write_in_parts_and_says_how_far_it_came(name: str, tmp_path: Path) -> None:
    said = _run(_PROGRAMS[name], tmp_path)
    assert float(said["seconds"]) < 3
    [counted] = re.findall(r"([\d,]+) records were written before the interrupt", said["notes"])
    first, later = said["stored"].split()
    assert first == later
    # What was on its way when it was interrupted may be there, and is not counted.
    assert 0 < int(counted.replace(",", "")) <= int(first) < 20_000


def test_an_interrupted_read_says_nothing_of_writes(tmp_path: Path) -> None:
    said = _run(
        """
with sync.connect("mock://") as db:
    docs = db.create_collection("docs", dimension=2)
    docs.upsert([Record(f"r{n}", vector=[1, n]) for n in range(3000)])
    def read():
        while True:
            docs.count()
    interrupted(read, after=0.3)
    print("still", docs.count())
""",
        tmp_path,
    )
    assert (float(said["seconds"]) < 2, said["notes"], said["still"]) == (True, "", "3000")


def _interrupt_soon(seen: list[bool]) -> None:
    import _thread

    def interrupt() -> None:
        while not seen:
            time.sleep(0.01)
        _thread.interrupt_main()

    threading.Thread(target=interrupt, daemon=True).start()


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="interrupts the main thread")
def test_parts_are_counted_until_the_write_that_they_belong_to_ends() -> None:
    import asyncio

    owner, seen = OwnerLoop(), []

    async def write() -> None:
        with one_write() as tally:
            note_began()
            note_written(7)
            tally.settle(10)
        with one_write():
            note_written(2_000)
            seen.append(True)
            await asyncio.sleep(30)

    _interrupt_soon(seen)
    try:
        with pytest.raises(KeyboardInterrupt) as raised:
            owner.run(write())
    finally:
        owner.stop()
    assert "2,010 records were written before the interrupt" in raised.value.__notes__[0]


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="interrupts the main thread")
def test_a_call_that_ended_as_it_was_interrupted_says_that_it_did_all() -> None:
    import asyncio

    owner, seen = OwnerLoop(), []

    async def write() -> None:
        note_began()
        note_written(5)
        seen.append(True)
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            return

    _interrupt_soon(seen)
    try:
        with pytest.raises(KeyboardInterrupt) as raised:
            owner.run(write())
    finally:
        owner.stop()
    assert "had ended before it could be interrupted; 5 records" in raised.value.__notes__[0]
