"""Embedders over synchronous models: the model runs in worker threads, never on the event loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from vpa.base.arrays import FloatMatrix
from vpa.base.records import EmbeddingIdentity
from vpa.embeddings.contract import Embedder, Kind, prefix_of
from vpa.kit.threads import Workers


class Model(Protocol):
    """A synchronous model; called from two threads at once."""

    @property
    def identity(self) -> EmbeddingIdentity:
        """As of an Embedder."""
        ...

    def encode(self, texts: Sequence[str]) -> FloatMatrix:
        """`(n, d) float32`; prefixes are in the texts already."""
        ...


class BlockingEmbedder(Embedder):
    """Documents in one thread, queries in another: a question does not wait behind a batch of documents."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._workers: dict[Kind, Workers] = {
            "document": Workers(size=1, name="vpa-embedder"),
            "query": Workers(size=1, name="vpa-query"),
        }

    @property
    def identity(self) -> EmbeddingIdentity:
        """That of the wrapped model."""
        return self._model.identity

    async def embed(self, texts: Sequence[str], *, kind: Kind) -> FloatMatrix:
        """As the model makes them."""
        prefix = prefix_of(self.identity, kind)
        return await self._workers[kind].run(self._model.encode, [prefix + text for text in texts])

    async def close(self) -> None:
        """End the threads; used again, it starts new ones."""
        for workers in self._workers.values():
            await workers.close()
