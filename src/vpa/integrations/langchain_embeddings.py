"""Any embedder of vpa as LangChain's Embeddings: MiniLM without PyTorch, a callable, or a model of another library."""

from __future__ import annotations

import weakref
from typing import Any

from langchain_core.embeddings import Embeddings

from vpa.base.records import EmbeddingIdentity
from vpa.embeddings.adapt import as_embedder
from vpa.embeddings.catalog import load_embedder
from vpa.embeddings.contract import Embedder, Kind
from vpa.integrations.shared import HeldLoop, end_apart


class VPAEmbeddings(Embeddings):
    """`VPAEmbeddings("minilm")`, or with anything that `vpa.as_embedder` accepts.

    Calls with and without await share one loop of its own; `close()` ends it. Raises EmbedderError.
    """

    def __init__(self, model: Any = None) -> None:
        """`model` None takes the best that is installed, as VPA_EMBEDDING_MODEL unset does."""
        self._embedder = load_embedder(model) if model is None or isinstance(model, str) else as_embedder(model)
        self._has_name = model is None or isinstance(model, str | Embedder)
        self._owner = HeldLoop()
        self._is_open = False
        # The model has no connection: what is left to the garbage collector is the hold on the loop.
        self._finalizer = weakref.finalize(self, end_apart, self._owner.close)
        self._finalizer.atexit = False

    @property
    def identity(self) -> EmbeddingIdentity | None:
        """Which model it is, once it embedded; None for a function or a model of others, whose name says too little."""
        return self._embedder.identity if self._has_name and self._is_open else None

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """A vector for each text."""
        found: list[list[float]] = self._owner.run(self._embed(texts, "document"))
        return found

    def embed_query(self, text: str) -> list[float]:
        """The vector of a question."""
        found: list[list[float]] = self._owner.run(self._embed([text], "query"))
        return found[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return await self._owner.arun(self._embed(texts, "document"))

    async def aembed_query(self, text: str) -> list[float]:
        return (await self._owner.arun(self._embed([text], "query")))[0]

    async def _embed(self, texts: list[str], kind: Kind) -> list[list[float]]:
        await self._embedder.open()
        self._is_open = True
        rows: list[list[float]] = (await self._embedder.embed(texts, kind=kind)).tolist()
        return rows

    def close(self) -> None:
        """Close the model and the loop. May be called twice."""
        self._finalizer.detach()
        self._owner.close(self._embedder.close)
