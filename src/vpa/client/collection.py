"""A handle on one collection of a manager."""

from __future__ import annotations

from collections.abc import Callable

from vpa.base.errors import EmbeddingMismatchError
from vpa.base.records import CollectionInfo, EmbeddingIdentity
from vpa.base.scope import ALL_SCOPES, Scope
from vpa.client.binding import Binding
from vpa.client.options import check_same
from vpa.client.verbs import CollectionVerbs
from vpa.embeddings.batched import OpenedModel
from vpa.stores.requests import SetEmbedding


class Collection(CollectionVerbs):
    """The records of one collection; made by `manager.create_collection` and `manager.collection`."""

    def __init__(
        self,
        binding: Binding,
        check_open: Callable[[], object],
        *,
        within: Scope | None = None,
        model: OpenedModel | None = None,
    ) -> None:
        self._binding = binding
        self._check_open = check_open
        self._given_model = model
        if within is not None:
            self._scope, self._is_confined = within, True

    def _bound(self) -> Binding:
        self._check_open()
        return self._binding

    def _model(self) -> OpenedModel | None:
        if self._given_model is None:
            return super()._model()
        known = self._binding.info.embedding
        if known is not None and known != self._given_model[1]:
            # Noted since this handle was made.
            raise _another_model(self._binding, self._given_model[1])
        return self._given_model

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

    @property
    def is_over(self) -> bool:
        """Whether this manager dropped the collection, or knows of another one under its name; open it again."""
        return self._binding.is_over

    def note(self, name: str, value: float) -> None:
        """Keep a measured number about this collection; `manager.get_statistics()` shows it under `gauges`."""
        self._binding.gauges[name] = value

    @property
    def scope(self) -> Scope:
        """The scope that the verbs work in where none is named."""
        return self._scope

    def within(self, scope: Scope) -> Collection:
        """The same collection, confined to a scope: the verbs work in it, and refuse any other with InvalidQueryError.

        `optimize` and `adopt_embedding` know no scopes and work on the whole collection.
        """
        return Collection(self._binding, self._check_open, within=self._single_scope(scope), model=self._given_model)

    async def adopt_embedding(self, embedding: EmbeddingIdentity, *, vouched: bool = False) -> None:
        """Bind an empty collection to a model, or check that it is the one it has; raises EmbeddingMismatchError.

        `vouched`: the caller knows that the vectors of a collection without a model are from this one, for instance
        because another program wrote them with it. Raises DimensionMismatchError where that cannot be.
        """
        bound = self._bound()
        async with bound.adopting:
            if not vouched or bound.info.embedding is not None:
                await self.check_embedding(embedding)
            if bound.info.embedding is not None:
                return
            check_same(bound.info, dimension=embedding.dimension, metric=None)
            request = SetEmbedding(bound.info.name, embedding)
            bound.info = await bound.run(request, lambda: bound.store.set_embedding(request.name, embedding))

    async def check_embedding(self, embedding: EmbeddingIdentity) -> None:
        """Raise EmbeddingMismatchError unless the vectors are known to be from this model, or there are none.

        Raises DimensionMismatchError where they cannot be. Changes nothing.
        """
        bound = self._bound()
        if bound.info.embedding == embedding:
            return
        check_same(bound.info, dimension=embedding.dimension, metric=None)
        if bound.info.embedding is not None or not await self.is_empty():
            raise _another_model(bound, embedding)

    async def is_empty(self) -> bool:
        """Whether no scope has a record."""
        everywhere = Collection(self._binding, self._check_open)
        records = everywhere.scan(limit=1, include_vectors=False, scope=ALL_SCOPES)
        return not [record async for record in records]

    def __repr__(self) -> str:
        info = self.info
        within = f", within={self._scope}" if self._is_confined else ""
        return f"Collection({info.name!r}, dimension={info.dimension}, metric={str(info.metric)!r}{within})"


def _another_model(bound: Binding, embedding: EmbeddingIdentity) -> EmbeddingMismatchError:
    name, known = bound.info.name, bound.info.embedding
    if known is None:
        return EmbeddingMismatchError(
            f"collection {name!r} holds vectors of an unknown model, the model in use is {embedding}; if they are from "
            f"this one, say so once: vpa adopt --collection {name} --embedding {embedding.name}, or "
            f"adopt_embedding(identity, vouched=True); else use another collection",
            provider=bound.store.provider,
            collection=name,
        )
    return EmbeddingMismatchError(
        f"collection {name!r} holds vectors of {known}, the model in use is {embedding}: their vectors are not "
        f"comparable; use that model (embedder={known.name!r}, VPA_EMBEDDING_MODEL={known.name}) or another collection",
        provider=bound.store.provider,
        collection=name,
    )
