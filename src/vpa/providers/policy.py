"""What happens around every verb: metering, a limit on concurrency, a total deadline, retries of what is retryable."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import tenacity

from vpa.base.clock import Clock
from vpa.base.errors import OperationTimeoutError, RateLimitedError, VectorDatabaseError
from vpa.observe.log import get_logger
from vpa.observe.meter import Meter

T = TypeVar("T")
_log = get_logger("vpa.providers")


@dataclass(frozen=True, slots=True)
class Call:
    """One verb on its way: its name, where it goes, and whether it may be sent twice."""

    verb: str
    provider: str
    collection: str | None = None
    idempotent: bool = True


class Interceptor(Protocol):
    """Runs around a call; must await `proceed` once for each try."""

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
    """One total time for a call with all its retries."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def __call__(self, call: Call, proceed: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(self._seconds) as scope:
                return await proceed()
        except TimeoutError as error:
            if not scope.expired():
                raise
            unknown = (
                "" if call.verb in ("search", "get", "count", "scan", "ping") else "; whether it was done is unknown"
            )
            raise OperationTimeoutError(
                f"{call.verb} did not finish within {self._seconds:g} s{unknown}; raise VPA_VECTOR_DB_TIMEOUT_SECONDS"
            ) from error


class Limit:
    """At most so many calls at once; the others wait their turn."""

    def __init__(self, size: int) -> None:
        self._semaphore = asyncio.Semaphore(size)

    async def __call__(self, call: Call, proceed: Callable[[], Awaitable[T]]) -> T:
        del call
        async with self._semaphore:
            return await proceed()


class Retry:
    """Tries again, with exponential backoff and jitter, what failed in a way that may pass."""

    def __init__(self, max_retries: int, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._attempts = max_retries + 1
        self._sleep = sleep

    async def __call__(self, call: Call, proceed: Callable[[], Awaitable[T]]) -> T:
        try:
            return await proceed()
        except VectorDatabaseError as error:
            # Nearly every call ends above; the machinery of retrying is set up only when there is something to retry.
            if not (call.idempotent and error.retryable and self._attempts > 1):
                raise
            return await self._again(call, proceed, error)

    async def _again(self, call: Call, proceed: Callable[[], Awaitable[T]], first: VectorDatabaseError) -> T:
        failures = [first]

        async def attempt() -> T:
            if failures:
                raise failures.pop()
            return await proceed()

        def note(state: tenacity.RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            _log.warning(
                "retry", verb=call.verb, attempt=state.attempt_number, error=str(error), collection=call.collection
            )

        retrying = tenacity.AsyncRetrying(
            sleep=self._sleep,
            stop=tenacity.stop_after_attempt(self._attempts),
            wait=_wait,
            retry=tenacity.retry_if_exception(_is_retryable),
            before_sleep=note,
            reraise=True,
        )
        result: T = await retrying(attempt)
        return result


def _is_retryable(error: BaseException) -> bool:
    return isinstance(error, VectorDatabaseError) and error.retryable


_backoff = tenacity.wait_exponential(multiplier=0.05, max=5.0) + tenacity.wait_random(0, 0.05)


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, RateLimitedError) and error.retry_after is not None else 0.0
    return max(asked, _backoff(state))


class Pipeline:
    """The interceptors in order, the first one outermost. Errors leave with provider and collection filled in."""

    def __init__(self, interceptors: Sequence[Interceptor]) -> None:
        self._interceptors = tuple(interceptors)

    async def run(self, call: Call, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work` inside all interceptors."""
        proceed: Callable[[], Awaitable[Any]] = work
        for interceptor in reversed(self._interceptors):
            proceed = _around(interceptor, call, proceed)
        try:
            result: T = await proceed()
        except VectorDatabaseError as error:
            raise error.located(provider=call.provider, collection=call.collection)  # noqa: B904 (the same exception)
        return result


def _around(
    interceptor: Interceptor, call: Call, proceed: Callable[[], Awaitable[Any]]
) -> Callable[[], Awaitable[Any]]:
    async def step() -> Any:
        return await interceptor(call, proceed)

    return step
