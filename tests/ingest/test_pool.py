"""Processes that read files: what one of them does costs its own file only."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

import vpa
from vpa.ingest.contract import Limits
from vpa.ingest.pool import Job, ReaderPool

LIMITS = Limits(seconds=1.5, memory_bytes=1 << 30)
# No other process of the machine sleeps so long, also of these tests beside this one.
SECONDS = str(100_000 + os.getpid())
SLEEP = f"sleep\0{SECONDS}"
# Answers as the worker does, and misbehaves as the file's name says.
SCRIPT = textwrap.dedent(
    """
    import os, signal, sys, time
    from vpa.ingest.frames import LENGTH, packed, unpacked
    answers = os.fdopen(os.dup(1), "wb")
    answers.write(packed({"kind": "ready"}))
    answers.flush()
    while header := sys.stdin.buffer.read(LENGTH.size):
        for job in unpacked(sys.stdin.buffer.read(LENGTH.unpack(header)[0]))["jobs"]:
            match job["name"]:
                case "sleep": time.sleep(60)
                case "crash": os.kill(os.getpid(), signal.SIGSEGV)
                case "leave": os._exit(3)
                case "killed": os.kill(os.getpid(), signal.SIGKILL)
                case "killed late":
                    answers.write(packed({"kind": "begin", "hash": ""}))
                    answers.flush()
                    os.kill(os.getpid(), signal.SIGKILL)
                case name if name.startswith("once "):
                    if not os.path.exists(job["path"]):
                        open(job["path"], "w").close()
                        os.kill(os.getpid(), getattr(signal, name.removeprefix("once ")))
                case "nonsense": answers.write(LENGTH.pack(3) + b"{[}")
                case "no object": answers.write(LENGTH.pack(2) + b"[]")
                case "endless":
                    while True:
                        answers.write(packed({"kind": "note", "origin": "x", "message": "y" * 100000}))
                case "child":
                    import subprocess
                    subprocess.Popen(["sleep", "SECONDS"])
                    time.sleep(60)
            answers.write(packed({"kind": "end", "hash": job["name"], "parser": "", "is_known": False}))
            answers.flush()
    """
).replace("SECONDS", SECONDS)


def pool(size: int = 1, limits: Limits = LIMITS, script: str = SCRIPT) -> ReaderPool:
    return ReaderPool(limits, size=size, command=(sys.executable, "-c", script))


def jobs(*names: str) -> list[Job]:
    return [Job(f"/nowhere/{name}", name, 10) for name in names]


def processes(readers: ReaderPool) -> list[int]:
    return [reader._process.pid for reader in readers._all]


async def outcomes(readers: ReaderPool, asked: Sequence[Job]) -> dict[str, str]:
    """By file, what was said of it: its hash, or the problem."""
    said: dict[str, str] = {}
    async for number, frame in readers.read(asked):
        name = asked[number].name
        if frame["kind"] == "problem":
            said[name] = frame["message"]
        elif frame["kind"] == "end":
            said.setdefault(name, frame["hash"])
    return said


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("sleep", "took more than 1.5 s to be read (VPA_INGEST_SECONDS)"),
        ("crash", "its parser crashed (SIGSEGV)"),
        ("leave", "its parser ended with status 3"),
        ("nonsense", "its parser answered nonsense"),
        ("no object", "its parser answered nonsense"),
    ],
)
async def test_a_file_that_breaks_its_reader_is_named_and_the_others_are_read(name: str, reason: str) -> None:
    async with pool() as readers:
        said = await outcomes(readers, jobs("a", name, "b", "c"))
        assert reason in said.pop(name)
        assert said == {"a": "a", "b": "b", "c": "c"}
        assert await outcomes(readers, jobs("d")) == {"d": "d"}


async def test_a_reader_that_is_killed_while_it_waits_costs_no_file() -> None:
    async with pool() as readers:
        assert await outcomes(readers, jobs("a")) == {"a": "a"}
        [pid] = processes(readers)
        os.kill(pid, signal.SIGKILL)
        assert await outcomes(readers, jobs("b", "c")) == {"b": "b", "c": "c"}
        [pid] = processes(readers)
        os.kill(pid, signal.SIGTERM)
        while pid in processes(readers) and not readers._idle[0].has_ended:
            await asyncio.sleep(0.01)
        assert await outcomes(readers, jobs("d")) == {"d": "d"}


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGHUP"])
async def test_a_file_whose_reader_is_killed_before_it_began_is_tried_once_more(tmp_path: Path, name: str) -> None:
    async with pool() as readers:
        asked = [Job(str(tmp_path / str(number)), f"once {name}", 10) for number in range(2)]
        assert await outcomes(readers, [*jobs("a"), *asked, *jobs("b")]) == {
            "a": "a",
            f"once {name}": f"once {name}",
            "b": "b",
        }
        said = await outcomes(readers, jobs("killed", "killed late", "c"))
    assert said.pop("c") == "c"
    assert all("its parser crashed (SIGKILL)" in message for message in said.values())
    assert len(said) == 2


async def test_a_crash_of_the_parser_is_not_tried_again(tmp_path: Path) -> None:
    async with pool() as readers:
        said = await outcomes(readers, [Job(str(tmp_path / "mark"), "once SIGSEGV", 10)])
    assert "its parser crashed (SIGSEGV)" in said["once SIGSEGV"]


async def test_a_start_that_fails_is_tried_again(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    script = f"""
import os, signal
count = os.path.getsize({str(mark)!r}) if os.path.exists({str(mark)!r}) else 0
open({str(mark)!r}, "a").write("x")
if count < 2: os.kill(os.getpid(), signal.SIGKILL)
"""
    async with pool(script=script + SCRIPT) as readers:
        assert await outcomes(readers, jobs("a")) == {"a": "a"}


async def test_what_a_killed_reader_unpacked_is_removed_when_the_next_begins() -> None:
    script = SCRIPT.replace("import os,", "import os\nopen('unpacked', 'w').close()\nimport os,")
    async with pool(script=script) as readers:
        await outcomes(readers, jobs("crash", "crash", "a"))
        assert len(list(Path(readers._scratch.path).rglob("unpacked"))) == 1
    assert not Path(readers._scratch.path).exists()


async def test_more_output_than_a_file_may_give_is_an_end() -> None:
    async with pool(limits=Limits(seconds=30, text_bytes=1 << 20)) as readers:
        said = await outcomes(readers, jobs("endless", "b"))
    assert "holds more text than 1 MB and 4 times its size (VPA_INGEST_TEXT_MB)" in said["endless"]
    assert said["b"] == "b"


async def test_time_in_which_nobody_asks_does_not_count() -> None:
    async with pool() as readers:
        names = []
        async for number, _ in readers.read(jobs("a", "b")):
            await asyncio.sleep(1.6 if not names else 0)
            names.append(number)
    assert names == [0, 1]


async def test_what_a_reader_starts_ends_with_it() -> None:
    async with pool() as readers:
        await outcomes(readers, jobs("child"))
    assert SLEEP not in running()


async def test_a_cancelled_reading_leaves_no_process(new_threads: Callable[[], list[str]]) -> None:
    readers = pool(limits=Limits(seconds=60))
    task = asyncio.create_task(outcomes(readers, jobs("a", "child")))
    while SLEEP not in running():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await readers.close()
    await readers.close()
    assert SLEEP not in running()
    assert new_threads() == []


async def test_the_real_reader_limits_its_memory(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("tides " * 3)
    (tmp_path / "big.txt").write_text("tides rise and fall\n" * 8_000_000)
    files = [Job(str(tmp_path / name), name, (tmp_path / name).stat().st_size) for name in ("big.txt", "a.txt")]
    async with ReaderPool(Limits(memory_bytes=1 << 28, text_bytes=1 << 29, seconds=60), size=1) as readers:
        said = await outcomes(readers, files)
    assert "needs more than 256 MB" in said["big.txt"] or "crashed" in said["big.txt"]
    assert len(said["a.txt"]) == 32


async def test_a_reader_that_cannot_start_is_no_fault_of_the_file() -> None:
    async with pool(script="raise SystemExit(1)") as readers:
        with pytest.raises(vpa.ServiceUnavailableError, match="could not be started"):
            await outcomes(readers, jobs("a"))


async def test_a_reader_dies_with_its_parent(tmp_path: Path) -> None:
    script = "import sys, time\nfrom vpa.ingest.frames import packed\n"
    script += "sys.stdout.buffer.write(packed({'kind': 'ready'}))\nsys.stdout.flush()\n"
    script += f"open({str(tmp_path / 'pid')!r}, 'w').write(str(__import__('os').getpid()))\n"
    script += "from vpa.ingest.worker import _die_with_parent\n_die_with_parent()\ntime.sleep(120)"
    parent = f"""
import asyncio, sys
from vpa.ingest.contract import Limits
from vpa.ingest.pool import Job, ReaderPool
async def main():
    pool = ReaderPool(Limits(seconds=100), size=1, command=(sys.executable, "-c", {script!r}))
    async for _ in pool.read([Job("a", "a", 1)]): pass
asyncio.run(main())
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", parent, env=environment)
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        await asyncio.sleep(0.02)
    pid = (tmp_path / "pid").read_text()
    await asyncio.sleep(0.5)
    process.kill()
    await process.wait()
    for _ in range(500):
        if not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the reading process outlived its parent")


def running() -> str:
    """The command lines of all processes, with NUL between words."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_text())
        except OSError:
            continue
    return "\n".join(lines)


async def test_a_read_that_is_cancelled_while_a_process_starts_leaves_none(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("The harbour.")
    for wait_s in (0, 0.001, 0.02, 0.2):
        async with ReaderPool(Limits(), size=1) as pool:
            reading = asyncio.ensure_future(anext(pool.read([Job(str(path), "a.txt", 12)])))
            await asyncio.sleep(wait_s)
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
        own = psutil.Process()
        assert not [child for child in own.children() if "vpa.ingest.worker" in " ".join(child.cmdline())]
