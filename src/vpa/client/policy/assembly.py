"""Which interceptors stand around a verb, and which around each request that a store sends for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from vpa.base.clock import Clock
from vpa.client.policy.pipeline import Call, Deadline, Interceptor, Limit, Metering, Pipeline
from vpa.client.policy.retry import CircuitBreaker, Retry
from vpa.observe.meter import Meter
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.contract import VectorStore
from vpa.stores.requests import NativeRequest

T = TypeVar("T")


class Pipelines:
    """Verbs are metered and have one deadline; requests wait their turn, are retried, and stop at an open circuit.

    Requests of a store that sends them one by one are treated one by one; around another store both stand together.
    Calls of one in this process are limited only: nothing is lost on the way.
    """

    def __init__(
        self, config: VectorDatabaseConfig, *, meter: Meter, clock: Clock, interceptors: Sequence[Interceptor] = ()
    ) -> None:
        self.breaker = CircuitBreaker(clock)
        self._expired_in_store: Callable[[], None] = lambda: None
        self._around: tuple[Interceptor, ...] = (
            *interceptors,
            *((Metering(meter, clock),) if config.enable_metrics else ()),
            Deadline(config.timeout_seconds, expired=self._expired),
        )
        self._limit = Limit(config.max_concurrent_requests)
        self._requests: tuple[Interceptor, ...] = (Retry(config.max_retries), self.breaker, self._limit)
        self.verbs = Pipeline([*self._around, *self._requests])

    def _expired(self) -> None:
        self.breaker.failed()
        self._expired_in_store()

    def attach(self, store: VectorStore) -> Pipeline:
        """The pipeline of this store's verbs; its native requests, where it sends some, go through the other one."""
        if store.is_local:
            return Pipeline([*self._around, self._limit])
        requests = Pipeline(self._requests)

        async def send(request: NativeRequest, work: Callable[[], Awaitable[T]]) -> T:
            return await requests.run(Call(request, store.provider), work)

        expired = store.send_through(send)
        if expired is None:
            return self.verbs
        self._expired_in_store = expired
        return Pipeline(self._around)
