"""Indexes of vectors that are left out while records are loaded, and built once loading pauses.

That a collection is to have an index stands in the table of collections, so a process that dies leaves it to the next
one that opens the collection. One session at a time is responsible: it holds a lock of PostgreSQL's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import asyncpg

from vpa.base.errors import ClosedError
from vpa.base.records import CollectionInfo
from vpa.observe.log import get_logger
from vpa.stores.pgvector import tables
from vpa.stores.pgvector.database import Database
from vpa.stores.pgvector.indexing import VectorIndex, options_of

# The first of two numbers under which one session is responsible for the index of a table, and under which one builds
# it.
_RESPONSIBLE: Final = 0x76706102
_BUILDING: Final = 0x76706103
# A load that stops for so long has ended, or waits for whoever makes its vectors.
_PAUSE_S: Final = 2.0
# Until then searches read every row, so one that never stops gets its index beside it, at the latest after so long.
_LONGEST_S: Final = 600.0
_LOOKS_S: Final = 0.5
# IVFFlat takes its lists from the rows: of fewer it is not built by itself.
_LEAST_FOR_LISTS: Final = 1_000
_BUILD_MEMORY_MB: Final = 1024
# Seconds after which a build that failed is tried again, the first time and at most.
_RETRY_S: Final = 5.0
_LONGEST_RETRY_S: Final = 600.0
# SQLSTATE classes that a later attempt does not meet: no right, no such object, a feature or type that is not there.
_LASTING: Final = ("0A", "22", "42")
_log: Final = get_logger("vpa.stores.pgvector")


class _Load:
    """One collection whose index is left out: being loaded, waiting, or being built."""

    def __init__(self, info: CollectionInfo, index: VectorIndex, *, hurry: bool) -> None:
        self.info = info
        self.index = index
        self.under_way = 0
        self.last = asyncio.get_running_loop().time()
        self.hurry = asyncio.Event()
        if hurry:
            self.hurry.set()
        self.task: asyncio.Task[None] | None = None
        self.lent: Any = None
        self.let_go = False

    async def pause(self) -> None:
        """Wait until nothing was written for a while, or somebody wants the index now."""
        loop = asyncio.get_running_loop()
        longest = loop.time() + _LONGEST_S
        while not self.hurry.is_set() and (now := loop.time()) < longest:
            rest = _PAUSE_S if self.under_way else self.last + _PAUSE_S - now
            if rest <= 0:
                return
            await self.wait(rest)

    async def wait(self, seconds: float) -> None:
        """So long, or until somebody wants the index now."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.hurry.wait(), seconds)


class IndexBuilds:
    """Of one manager, by collection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._loads: dict[str, _Load] = {}
        self._closed = False
        # Those whose index could not be built, for instance without the right to it: not tried again by itself.
        self._given_up: set[str] = set()
        self._errors: dict[str, str] = {}
        self.indexed: set[str] = set()

    def open(self) -> None:
        """Builds may begin."""
        self._closed = False

    @contextmanager
    def loading(self, name: str) -> Iterator[None]:
        """While a batch is written, its collection's index is not begun."""
        load = self._loads.get(name)
        if load is not None:
            load.under_way += 1
        try:
            yield
        finally:
            if load is not None:
                load.under_way -= 1
                load.last = asyncio.get_running_loop().time()

    def error(self, name: str) -> str | None:
        """Why the last attempt to build the index of the collection failed; None where it did not."""
        return self._errors.get(name)

    def is_under_way(self, name: str) -> bool:
        """Whether the index of the collection waits here, or is being built."""
        return name in self._loads

    def later(self, info: CollectionInfo, index: VectorIndex) -> None:
        """The index is not there: build it once loading pauses. Readers go on meanwhile, exactly."""
        self.indexed.discard(info.name)
        if not (self._closed or info.name in self._loads or info.name in self._given_up):
            self._begin(info, index, hurry=False)

    async def now(self, info: CollectionInfo, index: VectorIndex) -> None:
        """Build the index if it is not there, and raise what goes wrong. It is built also where the caller gives up."""
        if self._closed:
            raise ClosedError("the pgvector store is closed")
        self._given_up.discard(info.name)
        load = self._loads.get(info.name)
        if load is not None:
            load.hurry.set()
            await self.settle(info.name)
        task = self._begin(info, index, hurry=True)
        await asyncio.wait({task})
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error

    def _begin(self, info: CollectionInfo, index: VectorIndex, *, hurry: bool) -> asyncio.Task[None]:
        load = self._loads[info.name] = _Load(info, index, hurry=hurry)
        load.task = asyncio.create_task(self._build(load))
        load.task.add_done_callback(lambda task: self._end(load, task))
        return load.task

    def _end(self, load: _Load, task: asyncio.Task[None]) -> None:
        name = load.info.name
        if self._loads.get(name) is load:
            del self._loads[name]
        if task.cancelled() or (error := task.exception()) is None or load.let_go:
            return
        if not isinstance(error, asyncpg.UndefinedTableError):
            self._given_up.add(name)
            self._errors[name] = str(error)
            _log.warning("the index was not built; optimize() does it", collection=name, error=str(error))

    async def settle(self, name: str) -> None:
        """Wait for the index of a collection that was loaded."""
        load = self._loads.get(name)
        if load is not None and load.task is not None:
            await asyncio.wait({load.task})

    async def _build(self, load: _Load) -> None:
        """Attempt after attempt, while what fails may pass; a caller that waits for the index gets the first error."""
        retry_s = _RETRY_S
        while True:
            try:
                await self._attempt(load)
            except Exception as error:
                name = load.info.name
                self._errors[name] = str(error)
                if load.hurry.is_set() or not _may_pass(error):
                    raise
                _log.warning("the index was not built yet", collection=name, error=str(error), again_in_s=retry_s)
            else:
                self._errors.pop(load.info.name, None)
                return
            load.lent = None
            await load.wait(retry_s)
            retry_s = min(2 * retry_s, _LONGEST_RETRY_S)

    async def _attempt(self, load: _Load) -> None:
        async with self._database.apart() as lent:
            load.lent = lent
            await lent.execute("SET statement_timeout = 0")
            table = self._database.table(load.info.name)
            identity = await lent.fetchval(tables.IDENTITY, table)
            if not load.hurry.is_set() and not await self._responsible(load, lent, table):
                return
            await load.pause()
            # Asked for again and again: PostgreSQL's own waiting would hold up the very index that is waited for.
            while not await lent.fetchval(_TRY, _BUILDING, table):  # noqa: ASYNC110 - no event of ours
                await asyncio.sleep(_LOOKS_S)
            if identity is None or await lent.fetchval(tables.IDENTITY, table) != identity:
                # Dropped meanwhile, or made anew.
                return
            await self._create(load, lent, table)

    async def _responsible(self, load: _Load, lent: Any, table: str) -> bool:
        """Whether the index is left to this session; False where it is there already."""
        while not await lent.fetchval(_TRY, _RESPONSIBLE, table):
            await load.wait(_LOOKS_S)
            if load.hurry.is_set():
                return True
        if any(load.index.is_built_as(one) for one in await lent.fetch(tables.VECTOR_INDEXES, table) if one["valid"]):
            self.indexed.add(load.info.name)
            return False
        return True

    async def _create(self, load: _Load, lent: Any, table: str) -> None:
        info, index = load.info, load.index
        own = [one for one in await lent.fetch(tables.VECTOR_INDEXES, table) if index.is_built_as(one)]
        rows = await self._rows(lent, info, index)
        ready = [one for one in own if one["valid"]]
        if not ready or index.is_outgrown(ready[0], rows=rows):
            # Lists of few rows are of no use, and fewer are soon read.
            if index.method == "ivfflat" and rows < (1 if load.hurry.is_set() else _LEAST_FOR_LISTS):
                return
            # Whoever began these was stopped.
            for begun in (one for one in own if not one["valid"]):
                await lent.execute(f"DROP INDEX {begun['name']}")
            await _settings(lent, info)
            # What is in partitions knows no way beside writers: they wait.
            await lent.execute(index.build(table, info, rows=rows, beside_writers=not options_of(info).partitions))
            for outgrown in ready:
                await lent.execute(f"DROP INDEX {outgrown['name']}")
        self.indexed.add(info.name)

    async def _rows(self, lent: Any, info: CollectionInfo, index: VectorIndex) -> int:
        if index.method != "ivfflat":
            return 0
        return int(await lent.fetchval(f"SELECT count(*) FROM {self._database.table(info.name)}"))

    async def stop(self, name: str) -> None:
        """Not to be built: the collection is dropped."""
        self._given_up.discard(name)
        self._errors.pop(name, None)
        load = self._loads.pop(name, None)
        if load is not None and load.task is not None:
            load.let_go = True
            load.task.cancel()
            await asyncio.wait({load.task})

    async def close(self) -> None:
        """Build what waits. Waited for is half as long as for a request; PostgreSQL goes on with what takes longer."""
        self._closed = True
        loads = list(self._loads.values())
        for load in loads:
            load.hurry.set()
        tasks = {load.task for load in loads if load.task is not None}
        if tasks:
            await asyncio.wait(tasks, timeout=self._database.patience_s)
        for load in loads:
            if load.task is not None and not load.task.done():
                load.let_go = True
                # Not cancelled, which would be told to PostgreSQL.
                if load.lent is None:
                    load.task.cancel()
                else:
                    load.lent.terminate()
        if tasks:
            await asyncio.wait(tasks)
        self.indexed.clear()
        self._given_up.clear()
        self._errors.clear()


def _may_pass(error: Exception) -> bool:
    """Whether the same build may succeed later: memory, disk, locks and connections come back."""
    state = getattr(error, "sqlstate", None)
    return not (isinstance(state, str) and state.startswith(_LASTING))


_TRY: Final = "SELECT pg_try_advisory_lock($1, hashtext($2))"


async def _settings(lent: Any, info: CollectionInfo) -> None:
    # The graph is built in memory where it fits, many times faster than row by row.
    options = options_of(info)
    await lent.execute(f"SET maintenance_work_mem = '{options.build_memory_mb or _BUILD_MEMORY_MB}MB'")
    workers = options.build_workers
    if workers is not None:
        await lent.execute(f"SET max_parallel_maintenance_workers = {workers}")


async def stop_builder(database: Database, name: str) -> None:
    """End what another session builds for a collection that is to be dropped: everybody would wait for it."""
    with suppress(Exception):
        await database.fetch("drop_collection", tables.CANCEL_BUILDER, [_BUILDING, database.table(name)])
