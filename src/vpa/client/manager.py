"""The manager: lifecycle of one store, its collections, and the verbs on the configured one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from vpa.base.answers import Health, Statistics
from vpa.base.arguments import explains
from vpa.base.capabilities import Capabilities
from vpa.base.clock import Clock, SystemClock
from vpa.base.errors import (
    ClosedError,
    CollectionNotFoundError,
    ConfigurationError,
    VectorDatabaseError,
)
from vpa.base.guessed import RECORD_VERBS, STORE_VERBS
from vpa.client.binding import Binding
from vpa.client.catalog import CollectionCatalog
from vpa.client.describe import as_json
from vpa.client.embedding import Embedders
from vpa.client.policy.assembly import Pipelines
from vpa.client.policy.pipeline import Call, Interceptor
from vpa.client.verbs import CollectionVerbs
from vpa.kit.crossing import ways_to_open
from vpa.observe.meter import Meter
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.contract import VectorStore
from vpa.stores.registry import create_store
from vpa.stores.requests import (
    Connect,
    Ping,
)
from vpa.stores.requests import (
    Statistics as StatisticsRequest,
)


@explains
class VectorDatabaseManager(CollectionCatalog, CollectionVerbs):
    """One store behind one API: `async with vpa.connect(url) as db`, or `connect()` and `close()` by hand.

    The verbs of a collection, called on the manager itself, work on the collection `config.index_name`.
    """

    _GUESSES = MappingProxyType({**RECORD_VERBS, **STORE_VERBS})
    _ITEM = "collection(name) opens a collection, list_collections() names them"

    def __init__(
        self,
        config: VectorDatabaseConfig | None = None,
        *,
        store: VectorStore | None = None,
        clock: Clock | None = None,
        interceptors: Sequence[Interceptor] = (),
    ) -> None:
        """`store` replaces the one that the registry would make; `interceptors` run outside the built-in ones."""
        self.config = config or VectorDatabaseConfig()
        self._store = store
        self._clock = clock or SystemClock()
        self._meter = Meter()
        self._pipelines = Pipelines(self.config, meter=self._meter, clock=self._clock, interceptors=interceptors)
        self._pipeline = self._pipelines.verbs
        self._bindings: dict[str, Binding] = {}
        self._embedders = Embedders()
        self._connected = False
        self._was_closed = False
        self._connecting = asyncio.Lock()

    # Lifecycle

    async def connect(self) -> Self:
        """Open the store, and the configured collection, made if it is missing and a dimension is given.

        Raises ConfigurationError, ProviderNotInstalledError, ConnectionFailedError, DimensionMismatchError,
        StorageLockedError, …; after an error nothing is left open. Connecting twice is no error.
        """
        async with self._connecting:
            if not self._connected:
                await self._connect()
        return self

    async def _connect(self) -> None:
        if self._store is None:
            self._store = create_store(self.config)
        self._refuse_unmet_encryption(self._store)
        self._pipeline = self._pipelines.attach(self._store)
        try:
            await self._open(self._store)
            self._connected = True
            await self._open_configured()
        except BaseException:
            await self.close()
            raise

    async def _open(self, store: VectorStore) -> None:
        try:
            await self._pipeline.run(Call(Connect(), store.provider), store.open)
        except CollectionNotFoundError as error:
            # No collection was asked for: what is unknown there are the paths of this kind of server.
            raise ConfigurationError(
                f"what answers at this address is no {store.provider} ({error.message}); check the URL's host and port",
                provider=store.provider,
            ) from error

    def _refuse_unmet_encryption(self, store: VectorStore) -> None:
        able = store.capabilities
        unmet = {
            "encrypt_at_rest": (
                self.config.encrypt_at_rest and not able.encrypts_at_rest,
                "put its data on an encrypted volume",
            ),
            "encrypt_in_transit": (
                self.config.encrypt_in_transit and not able.encrypts_in_transit,
                "keep the store on this host",
            ),
        }
        for name, (is_unmet, instead) in unmet.items():
            if is_unmet:
                raise ConfigurationError(
                    f"{name} is on (VPA_{name.upper()}), but provider {store.provider!r} cannot do it in this version; "
                    f"{instead} and set VPA_{name.upper()}=false",
                    provider=store.provider,
                )

    async def _open_configured(self) -> None:
        name, dimension = self.config.index_name, self.config.dimension
        if dimension is not None:
            await self.create_collection(name, dimension=dimension, metric=self.config.metric, exist_ok=True)
        elif await self._describe(name) is not None:
            await self.collection(name)

    async def close(self) -> None:
        """Let everything go. May be called twice, and without `connect`."""
        self._was_closed = self._was_closed or self._connected
        store, self._connected = self._store, False
        bindings = list(self._bindings.values())
        self._bindings.clear()
        for bound in bindings:
            await bound.rest()
        await self._embedders.close()
        if store is not None:
            await store.close()

    disconnect = close

    async def __aenter__(self) -> Self:
        return await self.connect()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    if not TYPE_CHECKING:

        def __enter__(self) -> None:
            raise TypeError(
                "this manager is asynchronous: write `async with vpa.connect(…) as db` inside `async def`, or in a "
                "notebook `db = await vpa.connect(…).connect()`; without await: `with vpa.sync.connect(…) as db`"
            )

        def __exit__(self, *_: object) -> None:
            """Nothing was entered."""

    @property
    def is_connected(self) -> bool:
        """Whether `connect` succeeded and `close` was not called since."""
        return self._connected

    def _open_store(self) -> VectorStore:
        if self._store is None or not self._connected:
            if self._was_closed:
                raise ClosedError("the connection was closed, by close() or at the end of `with`; make a new one")
            raise ClosedError(f"the manager is not connected: {ways_to_open('connect')}")
        return self._store

    def _bound(self) -> Binding:
        store = self._open_store()
        binding = self._bindings.get(self.config.index_name)
        if binding is None:
            raise ConfigurationError(
                f"the manager has no open collection {self.config.index_name!r}: give a dimension to connect, or use "
                "create_collection and work on what it returns",
                provider=store.provider,
            )
        return binding

    # Observation

    @property
    def capabilities(self) -> Capabilities:
        """What the store can do."""
        return self._open_store().capabilities

    @property
    def tested_clients(self) -> Mapping[str, tuple[str, str]]:
        """The store's client packages, each with the lowest and newest version that the suite was run on."""
        return self._open_store().tested_clients

    async def health(self) -> Health:
        """Whether the store answers, and how fast: `{"healthy": bool, "latency_s": …, …}`. Never raises for a sick
        store.
        """
        facts: dict[str, Any] = {"provider": str(self.config.provider), "connected": self._connected}
        started = self._clock.monotonic()
        try:
            store = self._open_store()
            facts |= await self._pipeline.run(Call(Ping(), store.provider), store.ping)
            facts |= {"client_version": store.client_version, "concerns": store.concerns(facts)}
        except VectorDatabaseError as error:
            return cast(Health, {**facts, "healthy": False, "error": str(error), "code": error.code})
        return cast(Health, {**facts, "healthy": True, "latency_s": self._clock.monotonic() - started})

    async def get_statistics(self) -> Statistics:
        """Calls, errors and latencies in seconds by verb since this manager was made, and facts on open collections.

        `collections` holds those that this manager has opened or made; `list_collections` names all. The whole is
        JSON.
        """
        collections = {}
        if self._connected and self._store is not None:
            names = await self._store.list_collections()
            for bound in [self._bindings[name] for name in names if name in self._bindings]:
                # One may be dropped by another process meanwhile.
                with contextlib.suppress(CollectionNotFoundError):
                    facts = await bound.run(StatisticsRequest(), partial(bound.store.statistics, bound.info))
                    if bound.promise is not None:
                        facts["promise"] = {**bound.promise.facts(), "exact_until_measured": bound.awaits_measure}
                    described = bound.info.to_json()
                    described["words"] = None if bound.census is None else bound.census.facts()
                    if not bound.store.capabilities.index_options:
                        del described["index"]
                    collections[bound.info.name] = as_json({**described, **facts, "gauges": dict(bound.gauges)})
        return {
            "provider": str(self.config.provider),
            "connected": self._connected,
            "verbs": self._meter.summary(),
            "collections": collections,
        }
