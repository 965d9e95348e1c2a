"""The manager: lifecycle of one store, its collections, and the verbs on the configured one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from vpa.base.answers import Health, Statistics
from vpa.base.capabilities import Capabilities
from vpa.base.clock import Clock, SystemClock
from vpa.base.errors import (
    ClosedError,
    CollectionExistsError,
    CollectionNotFoundError,
    ConfigurationError,
    VectorDatabaseError,
)
from vpa.base.index_options import IndexOptions
from vpa.base.records import CollectionInfo, EmbeddingIdentity, Metric, check_collection_name
from vpa.client.binding import Binding
from vpa.client.collection import Collection, check_same, check_searched
from vpa.client.describe import as_json
from vpa.client.policy.assembly import Pipelines
from vpa.client.policy.pipeline import Call, Interceptor
from vpa.client.verbs import CollectionVerbs
from vpa.kit.crossing import ways_to_open
from vpa.observe.meter import Meter
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.contract import VectorStore
from vpa.stores.options import StoreOptions
from vpa.stores.registry import create_store
from vpa.stores.requests import (
    Connect,
    CreateCollection,
    DescribeCollection,
    DropCollection,
    ListCollections,
    Ping,
)
from vpa.stores.requests import (
    Statistics as StatisticsRequest,
)


class VectorDatabaseManager(CollectionVerbs):
    """One store behind one API: `async with vpa.connect(url) as db`, or `connect()` and `close()` by hand.

    The verbs of a collection, called on the manager itself, work on the collection `config.index_name`.
    """

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
        self._connected = False
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
        store, self._connected = self._store, False
        promises = [bound.promise for bound in self._bindings.values() if bound.promise is not None]
        self._bindings.clear()
        for promise in promises:
            await promise.close()
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
            raise ClosedError(f"the manager is not connected: {ways_to_open('connect')}")
        return self._store

    # Collections

    async def create_collection(
        self,
        name: str,
        *,
        dimension: int,
        metric: str = Metric.COSINE,
        embedding: EmbeddingIdentity | None = None,
        native_fields: Sequence[str] = (),
        recall: float | None = None,
        index: IndexOptions | Mapping[str, Any] | None = None,
        store_options: StoreOptions | Mapping[str, Any] | None = None,
        exist_ok: bool = False,
    ) -> Collection:
        """Make a collection, or with `exist_ok` open the one that has the same dimension and metric.

        `dimension`: how many numbers each vector has. `metric`: "cosine", "dot" or "euclidean"; a score is higher for
        better matches with each. `embedding`: the model that the vectors come from; another one is then refused.
        `recall`: the share of the exact top 10 that ordinary searches find on average, above 0 and at most 1; it is
        measured on the collection's own records, and the store's search is set so that it is kept (docs/recall.md).
        `index`: how the embedded engine searches (`IndexOptions`, or a mapping with its fields). `store_options`: what
        another store is told (`QdrantOptions`, `PgvectorOptions`, …, or a mapping). `native_fields`: metadata paths
        that the store also keeps under their own names, for its own tools. Raises CollectionExistsError,
        DimensionMismatchError, ConfigurationError, EmbeddingMismatchError.
        """
        store = self._open_store()
        searched = check_searched(store, index=index, recall=recall, store_options=store_options)
        info = CollectionInfo(
            name=name,
            dimension=dimension,
            metric=Metric.parse(metric),
            embedding=embedding,
            native_fields=native_fields,  # type: ignore[arg-type]  # It becomes a tuple once it is checked.
            index=searched.index,
            recall=searched.recall,
            store_options=searched.store_options,
        )
        stored = await self._describe(name) or await self._make(store, info)
        if stored is None:
            return self._handle(info, is_new=True)
        check_same(stored, dimension=dimension, metric=info.metric, searched=searched)
        if not exist_ok:
            raise CollectionExistsError(
                f"collection {name!r} exists with dimension {dimension} and metric {info.metric}; pass exist_ok=True "
                "to use it",
                provider=store.provider,
                collection=name,
            )
        handle = self._handle(stored)
        if embedding is not None:
            await handle.adopt_embedding(embedding)
        return handle

    async def _make(self, store: VectorStore, info: CollectionInfo) -> CollectionInfo | None:
        """None, or the description of the collection that another process made in the meantime: the same rules hold
        for it as if it had been there before.
        """
        try:
            call = Call(CreateCollection(info), store.provider, info.name)
            await self._pipeline.run(call, lambda: store.create_collection(info))
        except CollectionExistsError:
            return await self._describe(info.name) or info
        return None

    async def collection(self, name: str, *, dimension: int | None = None, metric: str | None = None) -> Collection:
        """Open a collection that exists; `dimension` (of its vectors) and `metric`, where given, must be its own.

        Raises CollectionNotFoundError, DimensionMismatchError, ConfigurationError.
        """
        store = self._open_store()
        stored = await self._describe(name)
        if stored is None:
            known = ", ".join(await self.list_collections()) or "none"
            raise CollectionNotFoundError(
                f"no collection {name!r}; there are: {known}; make it with create_collection",
                provider=store.provider,
                collection=name,
            )
        check_same(stored, dimension=dimension, metric=None if metric is None else Metric.parse(metric))
        return self._handle(stored)

    async def list_collections(self) -> list[str]:
        """The names of all collections of the store, sorted, those that others made among them."""
        store = self._open_store()
        return await self._pipeline.run(Call(ListCollections(), store.provider), store.list_collections)

    async def drop_collection(self, name: str) -> None:
        """Remove a collection with the records of every scope; raises CollectionNotFoundError."""
        store = self._open_store()
        check_collection_name(name)
        call = Call(DropCollection(name), store.provider, name)
        await self._pipeline.run(call, lambda: store.drop_collection(name))
        if name in self._bindings:
            promise, self._bindings[name].promise = self._bindings[name].promise, None
            if promise is not None:
                await promise.close()
            # Kept: a collection made again under this name goes on counting, so that no cache serves what was dropped.
            self._bindings[name].generation += 1

    async def _describe(self, name: str) -> CollectionInfo | None:
        store = self._open_store()
        check_collection_name(name)
        call = Call(DescribeCollection(name), store.provider, name)
        return await self._pipeline.run(call, lambda: store.describe_collection(name))

    def _handle(self, info: CollectionInfo, *, is_new: bool = False) -> Collection:
        binding = self._bindings.get(info.name)
        if binding is None:
            binding = self._bindings[info.name] = Binding(info, self._open_store(), self._pipeline, self._clock)
        binding.info = info
        binding.note_promise(is_new=is_new)
        return Collection(binding, self._open_store)

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
                        facts["promise"] = bound.promise.facts()
                    described = bound.info.to_json()
                    if not bound.store.capabilities.index_options:
                        del described["index"]
                    collections[bound.info.name] = as_json({**described, **facts, "gauges": dict(bound.gauges)})
        return {
            "provider": str(self.config.provider),
            "connected": self._connected,
            "verbs": self._meter.summary(),
            "collections": collections,
        }
