"""Indexes of vectors that are left out while records are loaded, and built once loading pauses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import asyncpg

from vpa.base.records import CollectionInfo
from vpa.observe.log import get_logger
from vpa.stores.pgvector import tables
from vpa.stores.pgvector.database import Database
from vpa.stores.pgvector.indexing import VectorIndex, options_of

# The first of two numbers under which one session at a time builds the index of a table.
_BUILDING: Final = 0x76706102
# A load that stops for so long has ended, or waits for whoever makes its vectors.
_PAUSE_S: Final = 2.0
# Until then searches read every row, so one that never stops gets its index beside it, at the latest after so long.
_LONGEST_S: Final = 600.0
_LOOKS_S: Final = 0.2
_log: Final = get_logger("vpa.stores.pgvector")


class _Load:
    """One collection whose index is left out: being loaded, waiting, or being built."""

    def __init__(self) -> None:
        self.under_way = 0
        self.last = asyncio.get_running_loop().time()
        self.hurry = asyncio.Event()
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
            with suppress(TimeoutError):
                await asyncio.wait_for(self.hurry.wait(), rest)


class IndexBuilds:
    """Of one manager, by collection. `planned`: the index that a collection is to have."""

    def __init__(self, database: Database, planned: Callable[[CollectionInfo], VectorIndex | None]) -> None:
        self._database = database
        self._planned = planned
        self._loads: dict[str, _Load] = {}
        self.indexed: set[str] = set()

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

    def later(self, info: CollectionInfo) -> None:
        """The index is not there: build it once loading pauses. Readers go on meanwhile, exactly."""
        self.indexed.discard(info.name)
        load = self._loads.get(info.name)
        if load is None:
            load = self._loads[info.name] = _Load()
            load.task = asyncio.create_task(self._later(info, load))

    async def _later(self, info: CollectionInfo, load: _Load) -> None:
        try:
            await load.pause()
            await self._build(info, load)
        except asyncpg.UndefinedTableError:
            return
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            if load.let_go:
                return
            _log.warning("the index was not built; optimize() does it", collection=info.name, error=str(error))
        finally:
            if self._loads.get(info.name) is load:
                del self._loads[info.name]

    async def settle(self, name: str) -> None:
        """Wait for the index of a collection that was loaded."""
        load = self._loads.get(name)
        if load is not None and load.task is not None:
            await asyncio.wait({load.task})

    async def now(self, info: CollectionInfo) -> None:
        """Build the index if it is not there, and raise what goes wrong."""
        load = self._loads.get(info.name)
        if load is not None:
            load.hurry.set()
            await self.settle(info.name)
        await self._database.ask("optimize", lambda: self._build(info, _Load()))

    async def _build(self, info: CollectionInfo, load: _Load) -> None:
        index = self._planned(info)
        if index is None:
            return
        async with self._database.apart() as lent:
            load.lent = lent
            await lent.execute("SET statement_timeout = 0")
            await self._create(lent, info, index)
        self.indexed.add(info.name)

    async def _create(self, lent: Any, info: CollectionInfo, index: VectorIndex) -> None:
        table, options = self._database.table(info.name), options_of(info)
        # Asked for again and again: PostgreSQL's own waiting would hold up the very index that is waited for.
        while True:
            if await lent.fetchval("SELECT pg_try_advisory_lock($1, hashtext($2))", _BUILDING, table):
                break
            await asyncio.sleep(_LOOKS_S)
        there = await lent.fetch(tables.VECTOR_INDEXES, table)
        if any(one["valid"] for one in there):
            return
        # Whoever began these was stopped.
        for begun in there:
            await lent.execute(f"DROP INDEX {begun['name']}")
        # The graph is built in memory where it fits, many times faster than row by row.
        await lent.execute("SET maintenance_work_mem = '1GB'")
        if options.build_workers is not None:
            await lent.execute(f"SET max_parallel_maintenance_workers = {options.build_workers}")
        rows = await lent.fetchval(f"SELECT count(*) FROM {table}") if index.method == "ivfflat" else 0
        # What is in partitions knows no way beside writers: they wait.
        await lent.execute(index.build(table, info, rows=rows, beside_writers=not options.partitions))

    async def stop(self, name: str) -> None:
        """Not to be built: the collection is dropped."""
        load = self._loads.pop(name, None)
        if load is not None and load.task is not None:
            load.task.cancel()
            await asyncio.wait({load.task})

    async def close(self) -> None:
        """Build what waits. Waited for is half as long as for a request; PostgreSQL goes on with what takes longer."""
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
