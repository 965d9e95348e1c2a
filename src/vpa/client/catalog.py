"""The collections of a manager: make, open, list, drop."""

from __future__ import annotations

import difflib
import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from vpa.base.arguments import explains
from vpa.base.clock import Clock
from vpa.base.errors import (
    CollectionExistsError,
    CollectionNotFoundError,
    ConfigurationError,
    EmbeddingMismatchError,
)
from vpa.base.index_options import IndexOptions
from vpa.base.keywords import WordSnapshot
from vpa.base.names import check_collection_name, check_stored_name
from vpa.base.records import CollectionInfo, EmbeddingIdentity, Metric, MetricName
from vpa.client.binding import Binding
from vpa.client.collection import Collection
from vpa.client.embedding import Embedders, check_dimension
from vpa.client.options import check_same, check_same_keywords, check_searched, check_sparse, keyword_index
from vpa.client.policy.pipeline import Call, Pipeline
from vpa.embeddings.batched import OpenedModel
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.contract import VectorStore
from vpa.stores.options import StoreOptions
from vpa.stores.requests import CreateCollection, DescribeCollection, DropCollection, ListCollections


@explains
class CollectionCatalog(ABC):
    """What a manager knows of its collections."""

    _bindings: dict[str, Binding]
    _embedders: Embedders
    _pipeline: Pipeline
    _clock: Clock
    config: VectorDatabaseConfig

    @abstractmethod
    def _open_store(self) -> VectorStore:
        """The store, open; raises ClosedError."""

    @property
    def keeps_keywords(self) -> bool:
        """Whether collections of the store may have a keyword index; raises ClosedError before `connect`."""
        return self._open_store().capabilities.keywords

    @property
    def holds_sparse(self) -> bool:
        """Whether collections of the store may hold sparse vectors; raises ClosedError before `connect`."""
        return self._open_store().capabilities.sparse_vectors

    async def create_collection(
        self,
        name: str,
        *,
        dimension: int | None = None,
        metric: Metric | MetricName | None = None,
        embedder: Any = None,
        embedding: EmbeddingIdentity | None = None,
        native_fields: Sequence[str] = (),
        keywords: str | None = None,
        recall: float | None = None,
        index: IndexOptions | Mapping[str, Any] | None = None,
        store_options: StoreOptions | Mapping[str, Any] | None = None,
        sparse: bool = False,
        exist_ok: bool = False,
    ) -> Collection:
        """Make a collection, or with `exist_ok` open the one that has what is asked for here.

        `metric`: cosine where none is named. `embedder`: the name of a model, or anything that `vpa.as_embedder` takes;
        it embeds the texts of `add_texts` and `search(text=…)`, gives the dimension, and its identity is stored.
        `recall`: the share of the exact top 10 that ordinary searches find on average, above 0 and at most 1; it is
        measured on the collection's own records, and the store's search is set so that it is kept (docs/recall.md).
        `index`: how the embedded engine searches (`IndexOptions`, or a mapping with its fields). `store_options`: what
        another store is told (`QdrantOptions`, `PgvectorOptions`, …, or a mapping). `native_fields`: metadata paths
        that the store also keeps under their own names, for its own tools. `keywords`: the language, "english" or "en",
        in which words are searched for (`search(text=…, mode="keyword")`, docs/retrieval.md). `sparse`: records may
        carry sparse vectors of their own (`Record(sparse=…)`, `search(sparse=…)`), on Qdrant, Milvus and Pinecone.
        Raises CollectionExistsError, DimensionMismatchError, ConfigurationError, EmbeddingMismatchError.
        """
        store = self._open_store()
        check_stored_name(name)
        model = None if embedder is None else await self._embedders.open(embedder)
        identity = embedding
        if model is not None:
            dimension, identity = check_dimension(dimension, model[1]), _same_identity(embedding, model[1])
        searched = check_searched(store, index=index, recall=recall, store_options=store_options)
        asked = None if metric is None else Metric.parse(metric)
        info = CollectionInfo(
            name=name,
            dimension=_needed(dimension),
            metric=Metric.COSINE if asked is None else asked,
            embedding=identity,
            native_fields=native_fields,  # type: ignore[arg-type]  # It becomes a tuple once it is checked.
            index=searched.index,
            recall=searched.recall,
            store_options=searched.store_options,
            keywords=None if keywords is None else keyword_index(keywords, store, name=name),
            words=None if keywords is None or store.words_are_counted else WordSnapshot(version=0),
            sparse=check_sparse(store, sparse, name=name),
            identity=secrets.token_hex(8),
        )
        stored = await self._describe(name) or await self._make(store, info)
        if stored is None:
            return await self._handle(info, is_new=True, model=model)
        check_same(
            stored,
            dimension=dimension,
            metric=asked,
            native_fields=info.native_fields,
            sparse=sparse,
            searched=searched,
        )
        check_same_keywords(stored, info.keywords)
        if not exist_ok:
            raise _exists(stored).located(provider=store.provider, collection=name)
        return await self._present(stored, embedding=embedding, model=model)

    async def _present(
        self, present: CollectionInfo, *, embedding: EmbeddingIdentity | None = None, model: OpenedModel | None
    ) -> Collection:
        """A handle on a collection that exists. `model` must be the one that it was made for; a collection that knows
        of none takes it where it is empty, and its records are the caller's word where it is not.
        """
        handle = await self._handle(present, model=model)
        if model is not None and present.embedding is not None:
            await handle.check_embedding(model[1])
        elif model is not None and not self.config.read_only and await handle.is_empty():
            embedding = model[1]
        if embedding is not None:
            await handle.adopt_embedding(embedding)
        return handle

    async def _make(self, store: VectorStore, info: CollectionInfo) -> CollectionInfo | None:
        """None, or the description of the collection that another process made in the meantime: the same rules hold
        for it as if it had been there before.
        """
        check_collection_name(info.name)
        try:
            call = Call(CreateCollection(info), store.provider, info.name)
            await self._pipeline.run(call, lambda: store.create_collection(info))
        except CollectionExistsError:
            return await self._describe(info.name) or info
        return None

    async def collection(
        self,
        name: str,
        *,
        dimension: int | None = None,
        metric: Metric | MetricName | None = None,
        embedder: Any = None,
    ) -> Collection:
        """A collection that exists; `dimension` and `metric`, where given, must be its own.

        `embedder`, as `create_collection` takes it, must be the model that the collection was made for; one that knows
        of no model takes that one where it is empty. Raises CollectionNotFoundError, DimensionMismatchError,
        EmbeddingMismatchError, ConfigurationError.
        """
        store = self._open_store()
        stored = await self._describe(name)
        if stored is None:
            names = await self.list_collections()
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise CollectionNotFoundError(
                f"no collection {name!r}; {hint}there are: {', '.join(names) or 'none'}; make it with "
                "create_collection",
                provider=store.provider,
                collection=name,
            )
        check_same(stored, dimension=dimension, metric=None if metric is None else Metric.parse(metric))
        model = None if embedder is None else await self._embedders.open(embedder)
        if model is not None:
            check_same(stored, dimension=model[1].dimension, metric=None)
        return await self._present(stored, model=model)

    async def open_collection(
        self,
        name: str,
        *,
        dimension: int | None = None,
        metric: Metric | MetricName | None = None,
        embedder: Any = None,
        native_fields: Sequence[str] = (),
        keywords: str | None = None,
        recall: float | None = None,
        index: IndexOptions | Mapping[str, Any] | None = None,
        store_options: StoreOptions | Mapping[str, Any] | None = None,
        sparse: bool = False,
    ) -> Collection:
        """The collection of that name, made as `create_collection` does if there is none.

        One that exists must have what is given here. Raises DimensionMismatchError, EmbeddingMismatchError,
        ConfigurationError.
        """
        stored = await self._describe(name)
        if stored is not None and embedder is None and dimension is None:
            dimension = stored.dimension
        return await self.create_collection(
            name,
            dimension=dimension,
            metric=metric,
            embedder=embedder,
            native_fields=native_fields,
            keywords=keywords,
            recall=recall,
            index=index,
            store_options=store_options,
            sparse=sparse,
            exist_ok=True,
        )

    async def list_collections(self) -> list[str]:
        """The names of all collections of the store, sorted, those that others made among them."""
        store = self._open_store()
        return await self._pipeline.run(Call(ListCollections(), store.provider), store.list_collections)

    async def drop_collection(self, name: str) -> None:
        """Remove a collection with the records of every scope; raises CollectionNotFoundError."""
        store = self._open_store()
        check_stored_name(name)
        call = Call(DropCollection(name), store.provider, name)
        await self._pipeline.run(call, lambda: store.drop_collection(name))
        if name in self._bindings:
            await self._bindings[name].rest()
            self._bindings[name].is_over = True
            # Kept: a collection made again under this name goes on counting, so that no cache serves what was dropped.
            self._bindings[name].generation += 1

    async def _describe(self, name: str) -> CollectionInfo | None:
        store = self._open_store()
        check_stored_name(name)
        call = Call(DescribeCollection(name), store.provider, name)
        return await self._pipeline.run(call, lambda: store.describe_collection(name))

    async def _handle(
        self,
        info: CollectionInfo,
        *,
        is_new: bool = False,
        model: OpenedModel | None = None,
    ) -> Collection:
        binding = self._bindings.get(info.name)
        if binding is None:
            binding = self._bindings[info.name] = Binding(info, self._open_store(), self._pipeline, self._clock)
        elif binding.is_over or not binding.info.is_same_collection(info):
            binding = self._bindings[info.name] = await binding.succeeded_by(info)
        await binding.open(info, is_new=is_new)
        if model is not None:
            other = None if binding.model is None else binding.model[1]
            if binding.info.embedding is None and other not in (None, model[1]):
                raise EmbeddingMismatchError(
                    f"collection {info.name!r} does not know which model its vectors are from, and is open here with "
                    f"{other}, not with {model[1]}; say which it is: adopt_embedding(identity, vouched=True)",
                    collection=info.name,
                )
            binding.model = model
        return Collection(binding, self._open_store, model=model)


def _needed(dimension: int | None) -> int:
    if dimension is None:
        raise ConfigurationError(
            "a new collection needs a dimension, that of its vectors, or an embedder that knows it: dimension=384, or "
            'embedder="minilm"'
        )
    return dimension


def _same_identity(embedding: EmbeddingIdentity | None, identity: EmbeddingIdentity) -> EmbeddingIdentity:
    if embedding not in (None, identity):
        raise EmbeddingMismatchError(f"embedding={embedding} and the embedder {identity} are two models; give one")
    return identity


def _exists(present: CollectionInfo) -> CollectionExistsError:
    return CollectionExistsError(
        f"collection {present.name!r} exists with dimension {present.dimension} and metric {present.metric}; open it "
        "with open_collection, or pass exist_ok=True",
        collection=present.name,
    )
