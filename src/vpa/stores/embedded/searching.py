"""The queue of searches: concurrent ones are batched into one pass, and a lone search is never delayed."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Final, NamedTuple, ParamSpec, TypeVar

from vpa.base.errors import ClosedError
from vpa.base.query import SearchRequest
from vpa.engine.rows import RowStore
from vpa.engine.table import Answer, Table
from vpa.engine.together import search_many
from vpa.filters import Filter
from vpa.filters.ast import ALWAYS
from vpa.kit.threads import Workers
from vpa.stores.embedded.facts import are_few

# Queries in one pass: more gain nothing, and the first of them waits for the last.
_MOST: Final = 64
_LANES: Final = 2
# A search that takes less runs on the event loop, where the way to a thread and back would cost 45 µs and a switch.
_SHORT_S: Final = 0.004
# Every so many searches of a lone caller wait one turn of the loop, to see whether others ask too.
_PROBE: Final = 16
# The weight of the newest time in the mean.
_WEIGHT: Final = 0.1
# Answers that are built on the loop: each is a few microseconds of Python.
_FEW_MATCHES: Final = 200
P = ParamSpec("P")
T = TypeVar("T")


class Traffic(Enum):
    """What a line of searches has seen lately."""

    UNKNOWN = "searches go through a task, which sees who else asks"
    LONE = "one caller at a time: short searches run at once, on the event loop"
    SHARED = "several callers: those that arrive while a pass runs share the next one"
    CLOSED = "no search is taken"


class _Waiting(NamedTuple):
    request: SearchRequest
    node: Filter
    answer: asyncio.Future[list[Answer]]


class _Line:
    """Searches of one table, the exact ones or the others, in order of arrival."""

    def __init__(self, workers: Workers, table: Table, *, exact: bool) -> None:
        self.traffic = Traffic.UNKNOWN
        self._workers = workers
        self.table = table
        self._exact = exact
        self._waiting: deque[_Waiting] = deque()
        self._running = 0
        self._since_probe = 0
        self._tasks: set[asyncio.Task[None]] = set()
        # Mean seconds of an unfiltered query, and what it was measured on.
        self._seconds = math.inf
        self._measured: tuple[RowStore, bool] | None = None

    async def run(self, request: SearchRequest, node: Filter) -> list[Answer]:
        """The answers to one request."""
        if self.traffic is Traffic.CLOSED:
            raise _closed()
        if self._may_run_at_once(request, node):
            return self._timed(len(request.vectors), self.table.search, request, node)
        answer: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(request, node, answer))
        if self._running < self._lanes():
            # The task begins after the callers that are ready now have asked.
            self._running += 1
            task = asyncio.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await answer

    def close(self) -> None:
        """Searches that have not begun end in ClosedError."""
        self.traffic = Traffic.CLOSED
        while self._waiting:
            one = self._waiting.popleft()
            if not one.answer.done():
                one.answer.set_exception(_closed())

    def _may_run_at_once(self, request: SearchRequest, node: Filter) -> bool:
        if self.traffic is not Traffic.LONE or self._running or not self._is_short(request, node):
            return False
        self._since_probe = (self._since_probe + 1) % _PROBE
        return self._since_probe > 0

    def _is_short(self, request: SearchRequest, node: Filter) -> bool:
        """Whether it surely takes little: as measured on these rows in this way, with a filter whose columns are
        ready.
        """
        if self._measured != self._way() or self._seconds * len(request.vectors) >= _SHORT_S:
            return False
        if not are_few(self.table, request.top_k * len(request.vectors), _FEW_MATCHES):
            return False
        return node is ALWAYS or self.table.view.is_ready(node)

    def _way(self) -> tuple[RowStore, bool]:
        return self.table.view.rows, self.table.index.seconds is None

    def _lanes(self) -> int:
        # A matrix product uses every core by itself; a pass over codes in NumPy uses one.
        return 1 if self._exact or self.table.index.seconds is None else _LANES

    def _timed(self, queries: int, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        way = self._way()
        started = time.perf_counter()
        result = call(*args, **kwargs)
        taken = (time.perf_counter() - started) / queries
        known = self._measured == way and not math.isinf(self._seconds)
        self._seconds = self._seconds + _WEIGHT * (taken - self._seconds) if known else taken
        self._measured = way
        return result

    async def _work(self) -> None:
        try:
            while part := self._take():
                if self.traffic is not Traffic.CLOSED:
                    alone = len(part) == 1 and not self._waiting
                    self.traffic, self._since_probe = (Traffic.LONE if alone else Traffic.SHARED), 0
                await self._answer(part)
        finally:
            self._running -= 1
            if not self._running and self._waiting:
                self.close()  # Only a task that was cancelled leaves searches behind.

    def _take(self) -> list[_Waiting]:
        """What one lane does next: its share of those who wait."""
        most = min(_MOST, -(-len(self._waiting) // self._lanes()))
        part: list[_Waiting] = []
        queries = 0
        while self._waiting and (not part or queries + len(self._waiting[0].request.vectors) <= most):
            one = self._waiting.popleft()
            if not one.answer.done():  # A call that was cancelled.
                part.append(one)
                queries += len(one.request.vectors)
        return part

    async def _answer(self, part: list[_Waiting]) -> None:
        asked = [(one.request, one.node) for one in part]
        timed = self.traffic is Traffic.LONE and len(part[0].request.vectors) == 1
        try:
            if timed and self._is_short(*asked[0]):
                found = self._timed(1, search_many, self.table, asked)
            elif timed:
                found = await self._workers.run(self._timed, 1, search_many, self.table, asked)
            else:
                found = await self._workers.run(search_many, self.table, asked)
        except Exception as error:  # noqa: BLE001 - it belongs to those who wait: no thread could be started
            for one in part:
                if not one.answer.done():
                    one.answer.set_exception(error)
            return
        except BaseException:
            # This task was cancelled: the loop, or the store, is going down.
            for one in part:
                one.answer.cancel()
            raise
        for one, answers in zip(part, found, strict=True):
            if one.answer.done():
                continue
            if isinstance(answers, Exception):
                one.answer.set_exception(answers)
            else:
                one.answer.set_result(answers)


class SearchQueue:
    """The searches of one store. Owns its tasks and two threads."""

    def __init__(self) -> None:
        self._workers = Workers(size=_LANES, name="vpa-search")
        # By name: a reader's tables are replaced as the writer goes on, and a line keeps its table alive.
        self._lines: dict[tuple[str, bool], _Line] = {}

    async def run(self, table: Table, request: SearchRequest, node: Filter) -> list[Answer]:
        """The answers to one request; raises ClosedError where the table is ended before it began."""
        key = (table.info.name, request.exact)
        line = self._lines.get(key)
        if line is None or line.table is not table:
            if table.writer.state.closed:
                raise _closed()
            # Searches that the line before has taken are answered from its table.
            line = self._lines[key] = _Line(self._workers, table, exact=request.exact)
        return await line.run(request, node)

    def traffic(self, table: Table, *, exact: bool = False) -> Traffic:
        """What the line of a table has seen."""
        line = self._lines.get((table.info.name, exact))
        return Traffic.UNKNOWN if line is None or line.table is not table else line.traffic

    def forget(self, table: Table) -> None:
        """Another has taken its place: the searches that wait are answered from it, and nobody keeps it for longer."""
        for exact in (False, True):
            line = self._lines.get((table.info.name, exact))
            if line is not None and line.table is table:
                del self._lines[table.info.name, exact]

    def end(self, table: Table) -> None:
        """Searches of a table that have not begun end in ClosedError; those that run end as they would."""
        for exact in (False, True):
            line = self._lines.get((table.info.name, exact))
            if line is not None and line.table is table:
                del self._lines[table.info.name, exact]
                line.close()

    async def close(self) -> None:
        """End every table, and wait for the threads. May be called twice."""
        for line in list(self._lines.values()):
            self.end(line.table)
        await self._workers.close()


def _closed() -> ClosedError:
    return ClosedError("the collection was dropped, or the embedded store closed, before this search began")
