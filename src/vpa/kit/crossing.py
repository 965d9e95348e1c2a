"""The way of a call back to the thread that made it: what the caller gave is read and called there.

A call waits in its caller's thread for an event loop in another one. Meanwhile that thread serves what the loop asks:
the next items of an iterator, a callback, an embedding function. So each may use the connection that the call uses.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from copy import deepcopy
from dataclasses import is_dataclass, replace
from typing import Any, Final, TypeAlias, TypeVar

from vpa.base.records import Record
from vpa.kit.tally import Tally, start_tally

T = TypeVar("T")
# Items that are handed over at once, and how long they are gathered: the way to another thread and back takes as long
# as some items.
_TOGETHER: Final = 64
_GATHERED_S: Final = 0.02
# Whoever waits looks so often whether the loop is still there: at the end of the program it is gone without a word.
LOOK_S: Final = 0.5
# Parameters that take functions: those that are told something, and those whose answer is waited for.
TOLD: Final = frozenset({"progress", "converted"})
ASKED: Final = frozenset({"embedder"})
# Those that take any callable object, too; an embedder that can be called may be a model that has more to it.
JUDGING: Final = frozenset({"expand", "rerank"})
# Read as they are: none of them runs code of its caller.
_PLAIN: Final = (str, bytes, bytearray, dict, list, tuple, set, frozenset, range, int, float, bool, type(None))

_current: ContextVar[Crossing | None] = ContextVar("vpa_crossing", default=None)
_blocking: ContextVar[bool] = ContextVar("vpa_blocking", default=False)


# What the call of a thread that is outermost there is asked, and by which call.
_thread: Final = threading.local()
_Ask: TypeAlias = "tuple[Crossing, Callable[[], None] | None]"


class Crossing:
    """One call, from the thread that made it to `loop` and back."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # A callback may make a call of its own, and what serves that one has to serve this one too: the loop may be
        # holding what that one waits for until it is answered.
        self._asked: queue.SimpleQueue[_Ask] = getattr(_thread, "asked", None) or queue.SimpleQueue()
        self._is_finished = self._is_over = False
        self._raised: BaseException | None = None
        self.tally = Tally()

    def enter(self) -> None:
        """Make this the crossing of the present context, and of the tasks that are begun in it."""
        _current.set(self)
        _blocking.set(True)
        self.tally = start_tally()

    def finish(self) -> None:
        """The call has ended: `serve` returns once it has served what was asked before."""
        self._asked.put((self, None))

    def serve(self, is_alive: Callable[[], bool]) -> None:
        """In the caller's thread: do what the loop asks, until the call ends or the loop is gone.

        Raises what a callback raises. What calls around this one are asked meanwhile is done too.
        """
        is_outermost = not hasattr(_thread, "asked")
        if is_outermost:
            _thread.asked = self._asked
        try:
            while not self._is_finished and (asked := self._next(is_alive)) is not None:
                asked[0]._do(asked[1], within=self)
                if self._raised is not None:
                    raise self._raised
        finally:
            self._is_over = True
            if is_outermost:
                del _thread.asked

    def _do(self, ask: Callable[[], None] | None, *, within: Crossing) -> None:
        if ask is None:
            self._is_finished = True
            return
        try:
            ask()
        except BaseException as error:
            if within is self:
                raise
            # A callback of a call around this one: it is raised there, once this one has ended.
            self._raised = error

    def _next(self, is_alive: Callable[[], bool]) -> _Ask | None:
        while True:
            with contextlib.suppress(queue.Empty):
                return self._asked.get(timeout=LOOK_S)
            if not is_alive() or sys.is_finalizing():
                return None

    def argument(self, value: Any, *, name: str = "", streams: bool) -> Any:
        """The argument `name` of the call as the loop may have it: iterators, lazy mappings and functions stay with the
        caller.

        `streams`: the call takes asynchronous iterators too, so that a source is read no faster than it is used.
        """
        if streams and is_source(value):
            return _Bridge(iter(value), self)
        if name in TOLD and callable(value):
            return functools.partial(self._tell, value)
        if name in JUDGING and callable(value):
            return _call_here(value)
        if name in ASKED:
            return called_here(value)
        return read_here(value)

    def _tell(self, callback: Callable[..., Any], *args: Any) -> None:
        # The loop does not wait for it, and goes on changing what it reports.
        told = [deepcopy(value) if is_dataclass(value) else value for value in args]
        if self._is_over:
            callback(*told)
        else:
            self._asked.put((self, lambda: callback(*told)))

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """The result of `function`, called in the caller's thread; in another one where that call is over."""
        if self._is_over:
            return await asyncio.to_thread(function, *args)
        answer: asyncio.Future[Any] = self._loop.create_future()

        def serve() -> None:
            try:
                result = function(*args)
            except Exception as error:  # noqa: BLE001 - it belongs to the call that asked
                self._settle(answer, functools.partial(answer.set_exception, _settable(error)))
            else:
                self._settle(answer, functools.partial(answer.set_result, result))

        self._asked.put((self, serve))
        return await answer

    def _settle(self, answer: asyncio.Future[Any], give: Callable[[], None]) -> None:
        # Where the loop has ended, the call that asked has too.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(lambda: None if answer.done() else give())


def _settable(error: Exception) -> Exception:
    # A future refuses this one.
    return RuntimeError("a callback raised StopIteration") if isinstance(error, StopIteration) else error


class _Bridge:
    """An asynchronous iterator over one that the caller's thread reads."""

    def __init__(self, source: Iterator[Any], crossing: Crossing) -> None:
        self._source, self._crossing = source, crossing
        self._items: deque[Any] = deque()
        self._raised: Exception | None = None

    def __aiter__(self) -> _Bridge:
        return self

    async def __anext__(self) -> Any:
        if not self._items:
            self._items.extend(await self._crossing.call(self._gather))
        if not self._items:
            raise StopAsyncIteration
        return self._items.popleft()

    def _gather(self) -> list[Any]:
        """The next items; what the source raised comes after those before it."""
        if self._raised is not None:
            raise self._raised
        items: list[Any] = []
        ends = time.monotonic() + _GATHERED_S
        try:
            for item in self._source:
                items.append(_read_item(item))
                if len(items) == _TOGETHER or time.monotonic() > ends:
                    break
        except Exception as error:
            if not items:
                raise
            self._raised = error
        return items


def is_source(value: Any) -> bool:
    """Whether it is an iterable of items; not a string, a mapping, an array, or one of vpa's own values."""
    if isinstance(value, list | tuple):
        return True
    return not isinstance(value, (*_PLAIN, Mapping)) and _is_lazy(value)


def _is_lazy(value: Any) -> bool:
    if not isinstance(value, Iterable) or isinstance(value, AsyncIterable | type):
        return False
    # A model of pydantic yields its fields, and is meant as a whole.
    return not _is_own(value) and not hasattr(value, "__array__") and not hasattr(value, "__pydantic_fields__")


def _is_own(value: Any) -> bool:
    return any(kind.__module__.partition(".")[0] == "vpa" for kind in type(value).__mro__)


def read_here(value: Any) -> Any:
    """What is read lazily is read in this thread: an iterator as a list, a mapping as a dict; the rest is as it is."""
    if isinstance(value, list | tuple):
        if not value or not isinstance(value[0], Record | Mapping) or all(map(_is_plain_item, value)):
            return value
        return [_read_item(item) for item in value]
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Mapping):
        return value if _is_own(value) else dict(value)
    return [_read_item(item) for item in value] if _is_lazy(value) else value


def _is_plain_item(item: Any) -> bool:
    if isinstance(item, Record):
        return isinstance(item.metadata, dict)
    return isinstance(item, dict) or not isinstance(item, Mapping)


def _read_item(item: Any) -> Any:
    if _is_plain_item(item):
        return item
    if isinstance(item, Record):
        return replace(item, metadata=dict(item.metadata)) if isinstance(item.metadata, Mapping) else item
    return item if _is_own(item) else dict(item)


def called_here(function: Any) -> Any:
    """A function as one that is awaited on a loop and runs in the thread of the caller; anything else as it is."""
    return _call_here(function) if inspect.isroutine(function) else function


def _call_here(function: Any) -> Any:
    if inspect.iscoroutinefunction(function):
        return function

    @functools.wraps(function)
    async def call(*args: Any) -> Any:
        crossing = _current.get()
        if crossing is None:
            return await asyncio.to_thread(function, *args)
        result = await crossing.call(_called, function, *args)
        return await result if inspect.isawaitable(result) else result

    call._vpa_original = function  # type: ignore[attr-defined]  # Not `__wrapped__`: that may be another function's.
    return call


def _called(function: Callable[..., Any], *args: Any) -> Any:
    """What a function gives, read: a generator's body is the caller's too."""
    result = function(*args)
    return result if inspect.isawaitable(result) else read_here(result)


def original_of(function: Any) -> Any:
    """What `called_here` was given; anything else as it is."""
    return getattr(function, "_vpa_original", function)


def ways_to_open(verb: str) -> str:
    """How whoever calls now opens what has the method `verb`, for a message."""
    return (
        f"use it in `with`, or call {verb}() first"
        if _blocking.get()
        else (f"use it in `async with`, or `await` its {verb}() first; without await there is vpa.sync")
    )


def as_blocking_call(call: Callable[[], T]) -> T:
    """The result of `call`, which waits for nothing; its messages are those for callers without await."""
    token = _blocking.set(True)
    try:
        return call()
    finally:
        _blocking.reset(token)
