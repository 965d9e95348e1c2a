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
from vpa.stores.remote.session import RemoteStore

T = TypeVar("T")


class Pipelines:
    """Verbs are metered and have one deadline; requests wait their turn, are retried, and stop at an open circuit.

    A store that sends requests through its `sender` has them one by one; around another one both stand together. Calls of one
    in this process are limited only: nothing is lost on the way.
    """

    def __init__(
        self, config: VectorDatabaseConfig, *, meter: Meter, clock: Clock, interceptors: Sequence[Interceptor] = ()
    ) -> None:
        self.breaker = CircuitBreaker(clock)
        self._stalled: Callable[[], None] = lambda: None
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
        self._stalled()

    def attach(self, store: VectorStore) -> Pipeline:
        """The pipeline of this store's verbs; its requests go through the other one from now on."""
        if store.is_local:
            return Pipeline([*self._around, self._limit])
        if not isinstance(store, RemoteStore):
            return self.verbs
        requests = Pipeline(self._requests)

        async def send(verb: str, work: Callable[[], Awaitable[T]], *, idempotent: bool = True) -> T:
            return await requests.run(Call(verb, store.provider, None, idempotent), work)

        store.sender = send
        self._stalled = store.stalled
        return Pipeline(self._around)
