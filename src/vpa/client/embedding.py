"""The embedders of a manager's collections: made or taken when a collection is opened, closed with the manager."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from vpa.base.errors import ConfigurationError, DimensionMismatchError
from vpa.base.records import CollectionInfo, EmbeddingIdentity
from vpa.embeddings.batched import BatchedEmbedder, OpenedModel
from vpa.embeddings.catalog import load_embedder
from vpa.embeddings.contract import Embedder
from vpa.embeddings.foreign import ForeignEmbedder
from vpa.kit.crossing import original_of

# Texts in one call of a model; the model cuts it as it likes.
_BATCH: Final = 64


class Embedders:
    """By what was given for them: a model given twice is loaded once."""

    def __init__(self) -> None:
        self._by_model: dict[object, BatchedEmbedder] = {}

    async def open(self, model: Any) -> OpenedModel:
        """Load a model by name, or take what `as_embedder` accepts; raises EmbedderError."""
        key = _key(model)
        embedder = self._by_model.get(key)
        if embedder is None:
            load = partial(load_embedder, model) if isinstance(model, str) else lambda: model
            # An Embedder is closed by whoever made it; what is made here for a name or another object is closed here.
            embedder = BatchedEmbedder(load, batch_size=_BATCH, owns_embedder=not isinstance(model, Embedder))
            self._by_model[key] = embedder
        return embedder, await embedder.open()

    async def close(self) -> None:
        """Close what was opened. May be called twice."""
        embedders, self._by_model = list(self._by_model.values()), {}
        for embedder in embedders:
            await embedder.close()


def _key(model: Any) -> object:
    """What two mentions of one model have in common. A method of an object is made anew by each look at it."""
    if isinstance(model, str):
        return model
    if isinstance(model, ForeignEmbedder):
        return _place_of(model.origin), model.identity.name, model.identity.revision
    return _place_of(model)


def _place_of(model: Any) -> object:
    original = original_of(model)
    function, owner = getattr(original, "__func__", None), getattr(original, "__self__", None)
    return id(original) if function is None else (id(function), id(owner))


def embedder_of(model: OpenedModel | None, info: CollectionInfo, *, verb: str) -> BatchedEmbedder:
    """The embedder that a handle was opened with; raises ConfigurationError that says how to give one."""
    if model is None:
        name = info.name
        known = "minilm" if info.embedding is None else info.embedding.name
        raise ConfigurationError(
            f"{verb} of a text needs an embedder, and collection {name!r} was opened without one; open it with "
            f"db.collection({name!r}, embedder={known!r}), or with your own model: embedder=model"
        )
    return model[0]


def check_dimension(dimension: int | None, identity: EmbeddingIdentity) -> int:
    """The dimension of the embedder; raises DimensionMismatchError where another one was asked for."""
    if dimension not in (None, identity.dimension):
        raise DimensionMismatchError(
            f"dimension {dimension} was asked for, and the embedder {identity} makes {identity.dimension} dimensions; "
            "leave dimension out"
        )
    return identity.dimension
