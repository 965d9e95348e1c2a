"""What happens around every verb and every request: metering, a total deadline, a limit on concurrency. See retry.py
too.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar, cast

from vpa.base.clock import Clock
from vpa.base.errors import OperationTimeoutError, VectorDatabaseError
from vpa.base.scope import AllScopes, Scope
from vpa.filters import NormalFilter
from vpa.observe.meter import Meter
from vpa.stores.requests import Request

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One request on its way, and where it goes. `scope`, `ids` and `filter` are None where a request has none."""

    request: Request
    provider: str
    collection: str | None = None

    @property
    def verb(self) -> str:
        """What is asked: the name of a method of the collection or the manager."""
        return self.request.verb

    @property
    def writes(self) -> bool:
        """Whether it may change what the store holds."""
        return self.request.writes

    @property
    def idempotent(self) -> bool:
        """Whether it may be sent twice."""
        return self.request.idempotent

    @property
    def scope(self) -> Scope | AllScopes | None:
        """Whose records are meant."""
        return getattr(self.request, "scope", None)

    @property
    def ids(self) -> Sequence[str] | None:
        """Which records are meant, by id."""
        return getattr(self.request, "ids", None)

    @property
    def filter(self) -> NormalFilter | None:
        """Which records are meant, by condition."""
        return getattr(self.request, "filter", None)


class Interceptor(Protocol):
    """Runs around a call: sees the request, and the answer or the error; must await `proceed` once for each try."""

    async def __call__(self, call: Call, proceed: Callable[[], Awaitable[T]]) -> T: ...


class Metering:
    """Counts calls, errors and seconds by verb."""

    def __init__(self, meter: Meter, clock: Clock) -> None:
        self._meter = meter
        self._clock = clock

    async def __call__(self, call: Call, proceed: Callable[[], Awaitable[T]]) -> T:
        started = self._clock.monotonic()
        failed = True
        try:
            result = await proceed()
            failed = False
            return result
        finally:
            self._meter.record(call.verb, self._clock.monotonic() - started, failed=failed)


class Deadline:
    """One total time for a call with all its retries, counted from where it first waits: one that never does needs no
    timer.

    `expired` is told when it passes.
    """

    def __init__(self, seconds: float, *, expired: Callable[[], None] = lambda: None) -> None:
        self._seconds = seconds
        self._expired = expired

    async def __call__(self, call: Call, proceed: Callable[[], Awaitable[T]]) -> T:
        if not call.request.has_deadline:
            return await proceed()
        running = proceed().__await__()
        try:
            waits_for = next(running)
        except StopIteration as done:
            return cast(T, done.value)
        try:
            async with asyncio.timeout(self._seconds) as scope:
                result: T = await _resumed(running, waits_for)
                return result
        except TimeoutError as error:
            if not scope.expired():
                raise
            self._expired()
            unknown = "; whether it was done is unknown" if call.writes else ""
            # A server of another kind may accept the connection and wait for ever for what it understands.
            first = f"check that {call.provider} listens at this host and port, or " if call.verb == "connect" else ""
            raise OperationTimeoutError(
                f"{call.verb} did not finish within {self._seconds:g} s{unknown}; {first}raise timeout_seconds "
                "(VPA_VECTOR_DB_TIMEOUT_SECONDS, or --timeout where a command has it)"
            ) from error


@types.coroutine
def _resumed(running: Generator[Any, Any, T], waits_for: Any) -> Generator[Any, Any, T]:
    """Await the rest of what was begun by hand and waits for something."""
    try:
        yield waits_for
    except BaseException as error:  # noqa: BLE001 - it belongs to what was begun
        try:
            waits_for = running.throw(error)
        except StopIteration as done:
            return cast(T, done.value)
        return (yield from _resumed(running, waits_for))
    return (yield from running)


class Limit:
    """At most so many calls at once; the others wait their turn."""

    def __init__(self, size: int) -> None:
        self._semaphore = asyncio.Semaphore(size)

    async def __call__(self, call: Call, proceed: Callable[[], Awaitable[T]]) -> T:
        del call
        async with self._semaphore:
            return await proceed()


class Pipeline:
    """The interceptors in order, the first one outermost. Errors leave with provider and collection filled in."""

    def __init__(self, interceptors: Sequence[Interceptor]) -> None:
        self._interceptors = tuple(interceptors)

    async def run(self, call: Call, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work` inside all interceptors."""
        proceed: Callable[[], Awaitable[Any]] = work
        for interceptor in reversed(self._interceptors):
            proceed = partial(interceptor, call, proceed)
        try:
            result: T = await proceed()
        except VectorDatabaseError as error:
            raise error.located(provider=call.provider, collection=call.collection)  # noqa: B904 (the same exception)
        return result
