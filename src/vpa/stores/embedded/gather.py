"""Searches that come at the same time are answered together: one waits for nobody, many share one pass."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, ParamSpec, TypeVar

from vpa.base.errors import ClosedError
from vpa.base.query import SearchRequest
from vpa.engine.collection import Answer, Collection
from vpa.filters import Filter
from vpa.kit.threads import Workers

# Queries in one go: more gain nothing, and the first of them waits for the last.
_MOST: Final = 64
_LANES: Final = 2
_SHORT_S: Final = 0.005
_PROBE: Final = 16
# The weight of the newest time in the mean.
_SLOWLY: Final = 0.1
P = ParamSpec("P")
T = TypeVar("T")


class _Waiting(NamedTuple):
    request: SearchRequest
    node: Filter
    answer: asyncio.Future[list[Answer]]


class Gatherer:
    """The searches of one collection, exact ones or the others, in order of arrival. While some run, those that arrive wait, and then run together.

    A short one that is alone runs at once, on the event loop: the way to a thread and back would take longer. Whether others come
    at the same time is seen only by waiting for one turn of the loop, so every sixteenth search of a lone caller does.
    """

    def __init__(self, workers: Workers, collection: Collection, *, exact: bool) -> None:
        self._workers = workers
        self._collection = collection
        self._exact = exact
        self._waiting: deque[_Waiting] = deque()
        self._running = 0
        # Searches since one that had waited a turn and found nobody else; 0 where others had come.
        self._alone = 0
        # About how long one query takes by itself.
        self._seconds = math.inf
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, request: SearchRequest, node: Filter) -> list[Answer]:
        """The answers to one request."""
        if self._alone and not self._running and len(request.vectors) and self._is_short(request):
            self._alone = (self._alone + 1) % _PROBE
            return self._timed(len(request.vectors), self._collection.search, request, node)
        answer: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(request, node, answer))
        if self._running < self._lanes():
            # A task begins when those who are about to ask too have asked.
            self._running += 1
            task = asyncio.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await answer

    def _lanes(self) -> int:
        # A matrix product uses every core by itself; a pass over codes in NumPy uses one.
        return 1 if self._exact or self._collection.index.seconds is None else _LANES

    async def _work(self) -> None:
        try:
            while part := self._take():
                self._alone = int(len(part) == 1 and not self._waiting)
                await self._answer(part)
        finally:
            self._running -= 1
            if not self._running:
                self.close()  # Nobody waits unless the task was cut off.

    def _is_short(self, request: SearchRequest) -> bool:
        return self._seconds * len(request.vectors) < _SHORT_S

    def _timed(self, queries: int, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        started = time.perf_counter()
        result = call(*args, **kwargs)
        taken = (time.perf_counter() - started) / queries
        self._seconds = taken if math.isinf(self._seconds) else self._seconds + _SLOWLY * (taken - self._seconds)
        return result

    def _take(self) -> list[_Waiting]:
        """What one lane does next: its share of those who wait."""
        most = min(_MOST, -(-len(self._waiting) // self._lanes()))
        part: list[_Waiting] = []
        queries = 0
        while self._waiting and (not part or queries + len(self._waiting[0].request.vectors) <= most):
            one = self._waiting.popleft()
            if not one.answer.done():  # Nobody waits for a call that was cancelled.
                part.append(one)
                queries += len(one.request.vectors)
        return part

    async def _answer(self, part: list[_Waiting]) -> None:
        asked = [(one.request, one.node) for one in part]
        alone = bool(self._alone) and len(part[0].request.vectors) == 1
        try:
            if alone and self._is_short(part[0].request):
                found = self._timed(1, self._collection.search_many, asked)
            elif alone:
                found = await self._workers.run(self._timed, 1, self._collection.search_many, asked)
            else:
                found = await self._workers.run(self._collection.search_many, asked)
        except BaseException:
            # The thread was refused or this task was cancelled: the loop, or the store, is going down.
            for one in part:
                one.answer.cancel()
            raise
        _deliver(part, found)

    def close(self) -> None:
        """Those who still wait are told that the store was closed."""
        while self._waiting:
            one = self._waiting.popleft()
            if not one.answer.done():
                one.answer.set_exception(ClosedError("the embedded store was closed before this search began"))


def _deliver(part: list[_Waiting], found: list[list[Answer] | Exception]) -> None:
    for one, answers in zip(part, found, strict=True):
        if one.answer.done():
            continue
        if isinstance(answers, Exception):
            one.answer.set_exception(answers)
        else:
            one.answer.set_result(answers)
