"""Background work on the tables of one store: dead rows left out, codes made, snapshots written."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import Enum

from vpa.engine.table import Table
from vpa.kit.threads import Workers
from vpa.observe.log import get_logger

_log = get_logger("vpa.stores.embedded")
# Codes are made when so long nothing was written, or at the latest after the other time: a load is not slowed down by
# measuring again and again what it goes on to change.
_QUIET_S, _AT_LATEST_S = 0.5, 10.0


class Work(Enum):
    """What is done in the background. Each kind has one thread, so that rows are left out while recall is measured."""

    SPACE = "dead rows are left out, and originals go to the disk"
    CODES = "rows get codes, and recall is measured"
    ALL = "everything, as `optimize` asks"


class Stage(Enum):
    """Where one piece of work stands."""

    QUEUED = "its thread is busy with another table"
    RUNNING = "its thread is at work"
    STOPPING = "it was told to stop, and ends within a step"
    DONE = "its thread has left the table"


class _Job:
    """One piece of work on one table. `stage` is changed by the thread and by the loop, under a lock."""

    def __init__(self, table: Table, work: Work) -> None:
        self.table, self.work = table, work
        self.stage = Stage.QUEUED
        self.ended = asyncio.Event()
        self.dropped = asyncio.Event()
        self.error: Exception | None = None
        self._lock = threading.Lock()
        self._loop = asyncio.get_running_loop()

    def begin(self) -> bool:
        """Whether the thread may start."""
        with self._lock:
            if self.stage is Stage.QUEUED:
                self.stage = Stage.RUNNING
            return self.stage is Stage.RUNNING

    def stop(self) -> bool:
        """Ask for the end; whether the thread is at work, so that the end must be waited for."""
        with self._lock:
            was_running = self.stage in (Stage.RUNNING, Stage.STOPPING)
            if self.stage is not Stage.DONE:
                self.stage = Stage.STOPPING if was_running else Stage.DONE
        self.dropped.set()
        return was_running

    def finish(self) -> None:
        """The thread has left. It says so itself: a task that was cancelled would not know."""
        with self._lock:
            self.stage = Stage.DONE
        with contextlib.suppress(RuntimeError):  # The loop is closed, so that nothing waits.
            self._loop.call_soon_threadsafe(self.ended.set)

    def is_stopped(self) -> bool:
        """Asked by the work between its steps."""
        return self.stage is not Stage.RUNNING


class Maintenance:
    """Owns its jobs and threads. Inside `paused(table)`, and after `close`, no thread of it touches the table or its
    directory.
    """

    def __init__(self) -> None:
        self._threads = {
            Work.SPACE: Workers(size=1, name="vpa-space"),
            Work.CODES: Workers(size=1, name="vpa-codes"),
            Work.ALL: Workers(size=1, name="vpa-optimize"),
        }
        self._jobs: dict[tuple[Table, Work], tuple[_Job, asyncio.Task[None]]] = {}
        self._paused: Counter[Table] = Counter()
        self._closed = False

    def stage(self, table: Table, work: Work) -> Stage:
        """Where some work on a table stands."""
        job = self._jobs.get((table, work))
        return Stage.DONE if job is None else job[0].stage

    def notice(self, table: Table, *, was_large: bool = False) -> None:
        """Begin what there is to do, after a write. `was_large`: it left memory behind, which goes back to the
        system.
        """
        if was_large or table.upkeep.wants_space:
            self._begin(table, Work.SPACE)
        if table.upkeep.wants_codes:
            self._begin(table, Work.CODES)

    def _begin(self, table: Table, work: Work) -> _Job | None:
        if self._closed or table in self._paused or table.writer.state.closed:
            return None
        if (table, work) in self._jobs:
            return self._jobs[table, work][0]
        job = _Job(table, work)
        task = asyncio.create_task(self._run(job))
        self._jobs[table, work] = (job, task)
        return job

    async def _run(self, job: _Job) -> None:
        revision = job.table.revision
        try:
            if job.work is Work.CODES:
                await _quiet(job)
                revision = job.table.revision
            if job.stage is not Stage.DONE:
                await self._threads[job.work].run(_in_thread, job)
        except Exception as error:  # noqa: BLE001 - no thread could be started; said below
            job.error = error
            job.finish()
        finally:
            if job.stage is Stage.DONE:
                self._jobs.pop((job.table, job.work), None)
        if job.error is not None:
            # Searches go on without codes; statistics say so.
            job.table.index.error = f"{type(job.error).__name__}: {job.error}"
            _log.warning("background_work_failed", collection=job.table.info.name, error=job.table.index.error)
        elif job.table.revision != revision:
            self.notice(job.table)

    async def finish(self, table: Table) -> None:
        """Do everything there is to do, and return when it is done. Raises what it met.

        A piece of work that runs already may be past what was written since: another one follows it.
        """
        while (job := self._jobs.get((table, Work.ALL), (None,))[0]) is not None and job.stage is not Stage.QUEUED:
            await job.ended.wait()
            await asyncio.sleep(0)
        job = self._begin(table, Work.ALL)
        if job is not None:
            await job.ended.wait()
            if job.error is not None:
                raise job.error

    @asynccontextmanager
    async def paused(self, table: Table) -> AsyncIterator[None]:
        """End the work on a table and begin none inside. Where the table is open afterwards, work goes on."""
        self._paused[table] += 1
        try:
            await self._end([job for job, _ in self._jobs.values() if job.table is table])
            yield
        finally:
            self._paused[table] -= 1
            if not self._paused[table]:
                del self._paused[table]
                self.notice(table)

    async def _end(self, jobs: list[_Job]) -> None:
        running = [job for job in jobs if job.stop()]
        for job in running:
            await job.ended.wait()

    async def close(self) -> None:
        """End all work, and wait for the threads. May be called twice."""
        self._closed = True
        await self._end([job for job, _ in self._jobs.values()])
        for workers in self._threads.values():
            await workers.close()
        await asyncio.gather(*(task for _, task in self._jobs.values()), return_exceptions=True)


_STEPS: dict[Work, Callable[[Table], Callable[..., None]]] = {
    Work.SPACE: lambda table: table.upkeep.make_space,
    Work.CODES: lambda table: table.upkeep.make_codes,
    Work.ALL: lambda table: table.upkeep.finish,
}


async def _quiet(job: _Job) -> None:
    """Wait until the table has not changed for a moment, or the job is dropped."""
    loop = asyncio.get_running_loop()
    ends, revision = loop.time() + _AT_LATEST_S, None
    while loop.time() < ends and revision != job.table.revision:
        revision = job.table.revision
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(job.dropped.wait(), _QUIET_S)
            return


def _in_thread(job: _Job) -> None:
    try:
        if job.begin():
            _STEPS[job.work](job.table)(stop=job.is_stopped)
    except Exception as error:  # noqa: BLE001 - the edge of a background loop; `_run` reports it
        job.error = error
    finally:
        job.finish()
