"""Trying again: what may pass, after a growing and random time, within a budget, and not while the store is down."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import tenacity

from vpa.base.clock import Clock
from vpa.base.errors import (
    CircuitOpenError,
    ConnectionFailedError,
    OperationTimeoutError,
    RateLimitedError,
    ServiceUnavailableError,
    VectorDatabaseError,
)
from vpa.client.policy.pipeline import Call
from vpa.observe.log import get_logger

T = TypeVar("T")
_log = get_logger("vpa.client")
_DOWN: Final = (ConnectionFailedError, OperationTimeoutError, ServiceUnavailableError)


class RetryBudget:
    """Keeps retries a share of all calls, so that many callers do not bury a store that is coming back.

    Each call adds `share` to the budget, each retry takes 1; it never holds more than `reserve`, which it starts with.
    """

    def __init__(self, *, share: float = 0.2, reserve: float = 20.0) -> None:
        self._share = share
        self._reserve = reserve
        self._left = reserve

    def earn(self) -> None:
        """A call was made."""
        self._left = min(self._reserve, self._left + self._share)

    def spend(self) -> bool:
        """Take one retry; False if there is none left."""
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class CircuitBreaker:
    """Opens after `failures` calls in a row that found the store down; then refuses calls, but for one probe at a time.

    The first probe may go after `cooldown_s`; each that fails doubles the wait, up to a minute. One success closes it.
    """

    LONGEST_S: Final = 60.0

    def __init__(self, clock: Clock, *, failures: int = 10, cooldown_s: float = 2.0) -> None:
        self._clock = clock
        self._threshold = failures
        self._cooldown_s = cooldown_s
        self._wait_s = cooldown_s
        self._failed = 0
        self._probe_at: float | None = None
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether calls are refused."""
        return self._probe_at is not None

    async def __call__(self, call: Call, proceed: Callable[[], Awaitable[T]]) -> T:
        probe = self._admit(call)
        try:
            result = await proceed()
        except VectorDatabaseError as error:
            if isinstance(error, _DOWN):
                self.failed()
            else:
                self._succeeded()
            raise
        else:
            self._succeeded()
            return result
        finally:
            if probe:
                self._probing = False

    def _admit(self, call: Call) -> bool:
        if self._probe_at is None:
            return False
        left = self._probe_at - self._clock.monotonic()
        if left > 0 or self._probing:
            raise CircuitOpenError(
                f"{call.provider} was down for the last {self._failed} calls, so this one was not sent; the next probe "
                f"goes in {max(0.0, left):.1f} s"
            )
        self._probing = True
        return True

    def failed(self) -> None:
        """The store was found down."""
        self._failed += 1
        if self._probe_at is not None:
            self._wait_s = min(self.LONGEST_S, self._wait_s * 2)
        if self._failed >= self._threshold:
            if self._probe_at is None:
                _log.warning("circuit_open", failures=self._failed)
            self._probe_at = self._clock.monotonic() + self._wait_s

    def _succeeded(self) -> None:
        if self._probe_at is not None:
            _log.info("circuit_closed", failures=self._failed)
        self._failed, self._probe_at, self._wait_s = 0, None, self._cooldown_s


class Retry:
    """Tries again, with exponential backoff and jitter, what failed in a way that may pass."""

    def __init__(
        self,
        max_retries: int,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        budget: RetryBudget | None = None,
    ) -> None:
        self._attempts = max_retries + 1
        self._sleep = sleep
        self._budget = budget or RetryBudget()

    async def __call__(self, call: Call, proceed: Callable[[], Awaitable[T]]) -> T:
        self._budget.earn()
        try:
            return await proceed()
        except VectorDatabaseError as error:
            # Nearly every call ends above; the machinery of retrying is set up only when there is something to retry.
            if not (call.idempotent and self._may_retry(error) and self._attempts > 1):
                raise
            return await self._again(call, proceed, error)

    def _may_retry(self, error: BaseException) -> bool:
        return isinstance(error, VectorDatabaseError) and error.retryable and self._budget.spend()

    async def _again(self, call: Call, proceed: Callable[[], Awaitable[T]], first: VectorDatabaseError) -> T:
        failures = [first]

        async def attempt() -> T:
            if failures:
                raise failures.pop()
            return await proceed()

        def again(state: tenacity.RetryCallState) -> bool:
            error = state.outcome.exception() if state.outcome else None
            if error is None or state.attempt_number >= self._attempts:
                return False
            # The first failure was paid for before we came here.
            return state.attempt_number == 1 or self._may_retry(error)

        def note(state: tenacity.RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            _log.warning(
                "retry", verb=call.verb, attempt=state.attempt_number, error=str(error), collection=call.collection
            )

        retrying = tenacity.AsyncRetrying(
            sleep=self._sleep,
            stop=tenacity.stop_after_attempt(self._attempts),
            wait=_wait,
            retry=again,
            before_sleep=note,
            reraise=True,
        )
        result: T = await retrying(attempt)
        return result


_backoff = tenacity.wait_exponential(multiplier=0.05, max=5.0) + tenacity.wait_random(0, 0.05)


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, RateLimitedError) and error.retry_after is not None else 0.0
    return max(asked, _backoff(state))
