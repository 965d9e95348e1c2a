"""The parent's side of reading: a few processes, each asked for some files at once, each file under its own limits.

A process that dies, does not answer in time or answers too much costs the file that it was reading: it is killed and
replaced, and the rest of its files are read by the next one. One that was killed from outside, by an operator or where
the machine ran out of memory, costs no file that it had not begun.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Final, Self

from vpa.base.errors import ServiceUnavailableError
from vpa.ingest.contract import Limits, SourceProblem
from vpa.ingest.frames import LENGTH, Frame, packed, remark_frame, unpacked
from vpa.ingest.scratch import Scratch

# A frame is a document at most; its JSON takes up to six times its text.
_FRAME_FACTOR: Final = 8
# Text that is no bomb may be so many times as long as its file.
_OUTPUT_FACTOR: Final = 4
_STARTED_WITHIN_S: Final = 60.0
_ENDED_WITHIN_S: Final = 5.0
_BUFFER: Final = 1 << 16
_LARGE: Final = 1 << 20
# Files of one process: memory that libraries leak is given back.
_FILES_PER_PROCESS: Final = 20_000
# -P: a folder that the program runs in brings no modules.
_COMMAND: Final = (sys.executable, "-P", "-c", "from vpa.ingest.worker import main; main()")
# What a process needs of the environment; keys of services are not among it.
_ENVIRONMENT: Final = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TESSDATA_PREFIX", "SYSTEMROOT", "VIRTUAL_ENV")
# Signals that come from outside, and say nothing of the file.
_FROM_OUTSIDE: Final = frozenset(getattr(signal, f"SIG{name}", None) for name in ("KILL", "TERM", "HUP", "INT", "QUIT"))
_STARTS: Final = 3


@dataclass(frozen=True, slots=True)
class Job:
    """A file to read: where it is, what to call it, its size, and the hash and parser of its last reading, if any."""

    path: str
    name: str
    size: int
    known_hash: str = ""
    known_parser: str = ""


class ReaderPool:
    """Processes that read files. `size` of them at most; made when needed, ended by `close`."""

    def __init__(
        self, limits: Limits, *, size: int, ocr_languages: str = "eng", command: Sequence[str] = _COMMAND
    ) -> None:
        """`command` starts a process that answers as `vpa.ingest.worker` does."""
        self._limits = limits
        self._command = command
        self._ocr_languages = ocr_languages
        self._idle: list[_Reader] = []
        self._all: set[_Reader] = set()
        self._starting: set[asyncio.Future[_Reader]] = set()
        self._ending: set[asyncio.Future[None]] = set()
        self._gate = asyncio.Semaphore(size)
        # Ours, as a process that is killed leaves what it unpacked.
        self._scratch = Scratch()

    async def read(self, jobs: Sequence[Job]) -> AsyncIterator[tuple[int, Frame]]:
        """`(number of the job, frame)`, job by job; the last frame of each has kind "end".

        Frames are read no faster than they are taken, and time in which nothing is asked for does not count.
        """
        async with self._gate:
            number, second = 0, -1
            while number < len(jobs):
                # One process: until all are read, or it failed.
                try:
                    async with aclosing(self._answers(jobs[number:])) as answers:
                        async for frame in answers:
                            yield number, frame
                            number += frame["kind"] == "end"
                except ReaderFailedError as error:
                    if error.is_from_outside and number != second:
                        second = number
                        continue
                    yield number, remark_frame(SourceProblem(jobs[number].name, str(error)))
                    yield number, {"kind": "end", "hash": "", "parser": "", "is_known": False}
                    number += 1

    async def _answers(self, jobs: Sequence[Job]) -> AsyncGenerator[Frame, None]:
        reader = await self._ready()
        number, is_spent = 0, False
        try:
            await reader.ask(jobs, self._request(reader))
            while number < len(jobs) and not is_spent:
                frame = await reader.next_frame()
                yield frame
                if frame["kind"] == "end":
                    number += 1
                    is_spent = bool(frame.get("is_spent"))
                    if number < len(jobs):
                        reader.expect(jobs[number])
        except BaseException:
            await self._end(reader)
            raise
        else:
            await self._give_back(reader, is_spent=is_spent)

    def _request(self, reader: _Reader) -> dict[str, Any]:
        return {
            "kind": "request",
            "limits": asdict(self._limits),
            "ocr_languages": self._ocr_languages,
            "directory": reader.directory,
        }

    async def _ready(self) -> _Reader:
        """A process that listens; raises ServiceUnavailableError where none can be started."""
        while self._idle:
            reader = self._idle.pop()
            if not reader.has_ended:
                return reader
            await self._end(reader)
        tries = 0
        while True:
            tries += 1
            try:
                return await self._started()
            except (ReaderFailedError, OSError) as error:
                if tries < _STARTS and (isinstance(error, OSError) or error.has_died):
                    continue
                raise ServiceUnavailableError(
                    f"the process that reads files could not be started: {error}; is there memory for it "
                    "(VPA_INGEST_MEMORY_MB is for each file)?"
                ) from error

    async def _started(self) -> _Reader:
        starting = asyncio.ensure_future(_Reader.start(self._command, self._limits, directory=self._scratch.part()))
        try:
            reader = await asyncio.shield(starting)
        except asyncio.CancelledError:
            # The process is on its way, and would be left without anybody who ends it.
            self._starting.add(starting)
            starting.add_done_callback(self._end_late)
            raise
        self._all.add(reader)
        try:
            await reader.ready()
        except BaseException:
            await self._end(reader)
            raise
        return reader

    async def _give_back(self, reader: _Reader, *, is_spent: bool) -> None:
        if is_spent or reader.files >= _FILES_PER_PROCESS:
            await self._end(reader)
        else:
            self._idle.append(reader)

    async def _end(self, reader: _Reader) -> None:
        self._all.discard(reader)
        ending = asyncio.ensure_future(reader.end())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        await asyncio.shield(ending)

    def _end_late(self, started: asyncio.Future[_Reader]) -> None:
        if not started.cancelled() and started.exception() is None:
            ending = asyncio.ensure_future(started.result().end())
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
        self._starting.discard(started)

    async def close(self) -> None:
        """End all processes. Twice is no error."""
        self._idle.clear()
        while self._all:
            await self._end(next(iter(self._all)))
        while self._starting or self._ending:
            await asyncio.gather(*self._starting, *self._ending, return_exceptions=True)
            await asyncio.sleep(0)
        self._scratch.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class ReaderFailedError(Exception):
    """The process that read a file died, or was ended since it took too much; the text says why and what to do.

    `is_from_outside`: something killed it that had nothing to do with the file, as far as can be told.
    """

    def __init__(self, message: str, *, has_died: bool = False, is_from_outside: bool = False) -> None:
        super().__init__(message)
        self.has_died = has_died
        self.is_from_outside = is_from_outside


class _Reader:
    """One process, and what the file that it reads has cost so far."""

    def __init__(
        self, process: Process, *, requests: StreamWriter, answers: StreamReader, limits: Limits, directory: str
    ) -> None:
        self._process = process
        self.directory = directory
        self._requests = requests
        self._answers = answers
        self._limits = limits
        # What came and was not yet looked at: small answers come many at once.
        self._came = bytearray()
        self._seconds_left = 0.0
        self._bytes_left = 0
        # Whether the file that it was asked for is known to have been begun.
        self._has_begun = False
        self.files = 0

    @classmethod
    async def start(cls, command: Sequence[str], limits: Limits, *, directory: str) -> _Reader:
        """A new process, in a group of its own, so that programs that it starts end with it."""
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_THREAD_LIMIT": "1", "PYTHONUTF8": "1"}
        environment["PYTHONPATH"] = os.pathsep.join(_module_paths())
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            start_new_session=True,
            env=environment,
            cwd=directory,
            limit=_BUFFER,
        )
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("a process was started without its pipes")
        return cls(process, requests=process.stdin, answers=process.stdout, limits=limits, directory=directory)

    @property
    def has_ended(self) -> bool:
        """Whether the process is known to have ended."""
        return self._process.returncode is not None or self._answers.at_eof()

    async def ready(self) -> None:
        """Wait until it listens; raises ReaderFailedError."""
        self._seconds_left, self._bytes_left = _STARTED_WITHIN_S, _BUFFER
        await self.next_frame()

    async def ask(self, jobs: Sequence[Job], request: dict[str, Any]) -> None:
        """Send files to read; the answers are of the first one first. Raises ReaderFailedError."""
        asked = [
            {"path": job.path, "name": job.name, "known_hash": job.known_hash, "known_parser": job.known_parser}
            for job in jobs
        ]
        try:
            self._requests.write(packed({**request, "jobs": asked}))
            await self._requests.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            # It ended before it was asked.
            raise ReaderFailedError(self._death(await self._code()), has_died=True, is_from_outside=True) from error
        self.expect(jobs[0])

    def expect(self, job: Job) -> None:
        """The limits of the next file begin."""
        self.files += 1
        self._has_begun = False
        self._seconds_left = self._limits.seconds
        self._bytes_left = _FRAME_FACTOR * (self._limits.text_bytes + _OUTPUT_FACTOR * job.size)

    async def next_frame(self) -> Frame:
        """The next answer; raises ReaderFailedError."""
        try:
            while len(self._came) < LENGTH.size:
                await self._fill(1)
            (length,) = LENGTH.unpack_from(self._came)
            self._bytes_left -= length
            if self._bytes_left < 0:
                raise ReaderFailedError(
                    f"holds more text than {self._limits.text_bytes >> 20} MB and {_OUTPUT_FACTOR} times its size "
                    "(VPA_INGEST_TEXT_MB)"
                )
            end = LENGTH.size + length
            if len(self._came) < end:
                await self._fill(end - len(self._came))
            body = self._came[LENGTH.size : end]
            del self._came[:end]
            self._has_begun = True
            # A large one would keep the event loop for long.
            return await asyncio.to_thread(unpacked, body) if length > _LARGE else unpacked(body)
        except asyncio.IncompleteReadError as error:
            code = await self._code()
            is_from_outside = not self._has_begun and -(code or 0) in _FROM_OUTSIDE
            raise ReaderFailedError(self._death(code), has_died=True, is_from_outside=is_from_outside) from error
        except ValueError as error:
            raise ReaderFailedError(f"cannot be read: its parser answered nonsense ({error})") from error

    async def _fill(self, least: int) -> None:
        """Wait for so many bytes more; raises IncompleteReadError, ReaderFailedError."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(self._seconds_left):
                if least > _BUFFER:
                    self._came += await self._answers.readexactly(least)
                    least = 0
                while least > 0:
                    data = await self._answers.read(_BUFFER)
                    if not data:
                        raise asyncio.IncompleteReadError(b"", least)
                    self._came += data
                    least -= len(data)
        except TimeoutError:
            raise ReaderFailedError(
                f"took more than {self._limits.seconds:g} s to be read (VPA_INGEST_SECONDS)"
            ) from None
        self._seconds_left -= loop.time() - started

    async def _code(self) -> int | None:
        """The status that it ended with, or minus the signal; None where it closed its pipes and lives."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_ENDED_WITHIN_S):
                return await self._process.wait()
        return None

    @staticmethod
    def _death(code: int | None) -> str:
        if code is None or code >= 0:
            return f"cannot be read: its parser ended with status {code}"
        with suppress(ValueError):
            return f"cannot be read: its parser crashed ({signal.Signals(-code).name})"
        return f"cannot be read: its parser crashed (signal {-code})"

    async def end(self) -> None:
        """Kill the process and what it started, and wait for it."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._requests.close()
        # Whoever waits for a process waits for its pipes, and one whose reading is paused, as nobody takes what came,
        # never tells its end.
        transport = getattr(self._process, "_transport", None)
        if transport is not None:
            transport.close()
        await self._process.wait()
        # What it had unpacked when it was killed.
        await asyncio.to_thread(shutil.rmtree, self.directory, ignore_errors=True)


def _module_paths() -> list[str]:
    """Where modules are found, but for the directory that the program happens to run in."""
    here = os.path.realpath(os.getcwd())
    paths = [path for path in sys.path if os.path.isabs(path) and os.path.exists(path)]
    own = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
    return [path for path in paths if os.path.realpath(path) == own or os.path.realpath(path) != here]
