"""Runs an embedder off the event loop, in batches, with progress; what the layers above use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from vpa.base.arrays import FloatMatrix
from vpa.base.errors import EmbedderError, VectorDatabaseError
from vpa.base.records import EmbeddingIdentity
from vpa.embeddings.contract import Embedder
from vpa.kit.threads import Workers

Progress: TypeAlias = Callable[[int, int], None]


class BatchedEmbedder:
    """One embedder with a thread of its own; loads the model at the first use, once."""

    def __init__(self, load: Callable[[], Embedder], *, batch_size: int) -> None:
        self._load = load
        self._batch_size = batch_size
        self._workers = Workers(size=1, name="vpa-embedder")
        # A question does not wait behind a batch of documents.
        self._queries = Workers(size=1, name="vpa-query")
        self._embedder: Embedder | None = None
        self._loading = asyncio.Lock()

    async def open(self) -> EmbeddingIdentity:
        """Load the model, unless it is loaded; raises EmbedderError."""
        async with self._loading:
            if self._embedder is None:
                self._embedder = await self._workers.run(self._load)
        return self._embedder.identity

    @property
    def is_lexical(self) -> bool:
        """Whether the loaded model compares words only."""
        return self._embedder is not None and self._embedder.is_lexical

    async def documents(self, texts: Sequence[str], *, progress: Progress | None = None) -> FloatMatrix:
        """`(n, d) float32` unit rows; `progress(done, total)` is called after each batch."""
        identity = await self.open()
        prefixed = [identity.document_prefix + text for text in texts]
        parts = []
        for start in range(0, len(prefixed), self._batch_size):
            parts.append(await self._embed(self._workers, prefixed[start : start + self._batch_size]))
            if progress is not None:
                progress(min(start + self._batch_size, len(prefixed)), len(prefixed))
        return np.concatenate(parts) if parts else np.empty((0, identity.dimension), dtype=np.float32)

    async def query(self, text: str) -> FloatMatrix:
        """`(1, d) float32`."""
        identity = await self.open()
        return await self._embed(self._queries, [identity.query_prefix + text])

    async def _embed(self, workers: Workers, texts: Sequence[str]) -> FloatMatrix:
        embedder = self._embedder
        if embedder is None:
            raise EmbedderError("the embedder is not loaded; await open() first")
        try:
            vectors = await workers.run(embedder.embed, texts)
        except VectorDatabaseError:
            raise
        except Exception as error:
            raise EmbedderError(f"{embedder.identity} failed on {len(texts)} texts: {error}") from error
        if vectors.shape != (len(texts), embedder.identity.dimension):
            raise EmbedderError(f"{embedder.identity} returned shape {vectors.shape} for {len(texts)} texts")
        return vectors

    async def close(self) -> None:
        """Let the model and its thread go. May be called twice."""
        self._embedder = None
        await self._queries.close()
        await self._workers.close()
