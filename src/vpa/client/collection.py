"""A handle on one collection of a manager."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from vpa.base.calibration import check_recall_promise
from vpa.base.errors import ConfigurationError, DimensionMismatchError, EmbeddingMismatchError
from vpa.base.index_options import DEFAULT_RECALL, IndexOptions
from vpa.base.records import CollectionInfo, EmbeddingIdentity, Metric
from vpa.base.showing import shown
from vpa.client.binding import Binding
from vpa.client.verbs import CollectionVerbs
from vpa.stores.contract import VectorStore
from vpa.stores.options import StoreOptions
from vpa.stores.requests import SetEmbedding


class Collection(CollectionVerbs):
    """The records of one collection; made by `manager.create_collection` and `manager.collection`."""

    def __init__(self, binding: Binding, check_open: Callable[[], object]) -> None:
        self._binding = binding
        self._check_open = check_open

    def _bound(self) -> Binding:
        self._check_open()
        return self._binding

    @property
    def info(self) -> CollectionInfo:
        """Name, dimension, metric and embedding, as stored."""
        return self._binding.info

    @property
    def name(self) -> str:
        """The name it was made with, whatever the store calls it."""
        return self._binding.info.name

    @property
    def generation(self) -> tuple[int, int]:
        """Changes with every write through this manager, also one that was cancelled and took effect later."""
        return self._binding.generation, self._binding.store.revision(self._binding.info)

    def note(self, name: str, value: float) -> None:
        """Keep a measured number about this collection; `manager.get_statistics()` shows it under `gauges`."""
        self._binding.gauges[name] = value

    async def adopt_embedding(self, embedding: EmbeddingIdentity, *, vouched: bool = False) -> None:
        """Bind an empty collection to a model, or check that it is the one it has; raises EmbeddingMismatchError.

        `vouched`: the caller knows that the vectors of a collection without a model are from this one, for instance
        because another program wrote them with it. Raises DimensionMismatchError where that cannot be.
        """
        bound = self._bound()
        if bound.info.embedding == embedding:
            return
        check_same(bound.info, dimension=embedding.dimension, metric=None)
        if bound.info.embedding is not None or (not vouched and await self.count() > 0):
            raise EmbeddingMismatchError(
                f"collection {bound.info.name!r} holds vectors of {bound.info.embedding or 'an unknown model'}, the "
                "model in "
                f"use is {embedding}: their vectors are not comparable; set VPA_EMBEDDING_MODEL back, use another "
                "index name, "
                "or drop the collection and add the documents again",
                provider=bound.store.provider,
                collection=bound.info.name,
            )
        request = SetEmbedding(bound.info.name, embedding)
        bound.info = await bound.run(request, lambda: bound.store.set_embedding(request.name, embedding))

    def __repr__(self) -> str:
        info = self.info
        return f"Collection({info.name!r}, dimension={info.dimension}, metric={str(info.metric)!r})"


@dataclass(frozen=True, slots=True)
class Searched:
    """How a new collection is to be searched: by the embedded engine, or by a store with an index of its own.

    `named`: which of these the caller gave; one that exists must have them.
    """

    index: IndexOptions
    recall: float | None
    store_options: Mapping[str, Any]
    named: tuple[str, ...]


def check_searched(
    store: VectorStore,
    *,
    index: IndexOptions | Mapping[str, Any] | None,
    recall: float | None,
    store_options: StoreOptions | Mapping[str, Any] | None,
) -> Searched:
    """The options as values; raises ConfigurationError where they are unknown, or not of this store."""
    promised = _promised(index, recall)
    native = _store_options(store, store_options)
    named = () if store_options is None else ("store_options",)
    if store.capabilities.index_options:
        options = store.default_index if index is None else IndexOptions.parse(index)
        promised = _promised(options, None) if promised is None else promised
        if index is not None or promised is not None:
            named = (*named, "index")
        return Searched(options if promised is None else replace(options, recall=promised), promised, native, named)
    if index is not None and replace(IndexOptions.parse(index), recall=DEFAULT_RECALL) != IndexOptions():
        raise ConfigurationError(
            f"{store.provider} has an index of its own: of the index options it takes recall only, not {index!r}; "
            "give store_options, or use the embedded engine",
            provider=store.provider,
        )
    return Searched(IndexOptions(), promised, native, named if promised is None else (*named, "recall"))


def _promised(index: IndexOptions | Mapping[str, Any] | None, recall: float | None) -> float | None:
    """The recall that was asked for, in either way; None for neither."""
    promised = None if recall is None else check_recall_promise(recall)
    if isinstance(index, IndexOptions):
        inside = None if index.recall == DEFAULT_RECALL else index.recall
    else:
        inside = IndexOptions.parse(index).recall if isinstance(index, Mapping) and "recall" in index else None
    if None not in (promised, inside) and promised != inside:
        raise ConfigurationError(f"recall={promised} and index with recall={inside} contradict each other; give one")
    return inside if promised is None else promised


def _store_options(store: VectorStore, options: StoreOptions | Mapping[str, Any] | None) -> Mapping[str, Any]:
    if options is None:
        return {}
    if store.options_type is None:
        if isinstance(options, Mapping) and not options:
            return {}
        raise ConfigurationError(
            f"{store.provider} takes no store_options ({shown(options)}); its searches are set by index=",
            provider=store.provider,
        )
    return store.options_type.parse(options).to_json()


def check_same(
    present: CollectionInfo,
    *,
    dimension: int | None,
    metric: Metric | None,
    searched: Searched | None = None,
) -> None:
    """Raise DimensionMismatchError or ConfigurationError, with both values, where a collection is not what was
    asked.
    """
    if dimension is not None and present.dimension != dimension:
        raise DimensionMismatchError(
            f"collection {present.name!r} has dimension {present.dimension}, {dimension} was asked for; use the "
            "embedding model it was "
            "made with, or another collection name",
            collection=present.name,
        )
    if metric is not None and present.metric is not metric:
        raise ConfigurationError(
            f"collection {present.name!r} has metric {present.metric}, {metric} was asked for; a metric cannot be "
            "changed later",
            collection=present.name,
        )
    for name in () if searched is None else searched.named:
        has, asked = getattr(present, name), getattr(searched, name)
        if has != asked:
            raise ConfigurationError(
                f"collection {present.name!r} has {name} {has}, {asked} was asked for; leave {name} out to use it as "
                "it is",
                collection=present.name,
            )
