"""The contract of an embedder. Models are synchronous and CPU-bound; `batched.py` runs them off the event loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from vpa.base.arrays import FloatMatrix
from vpa.base.records import EmbeddingIdentity


class Embedder(Protocol):
    """One model. `embed` may be called from several threads at once."""

    @property
    def identity(self) -> EmbeddingIdentity:
        """Name, revision, dimension and prefixes: what makes vectors comparable."""
        ...

    @property
    def is_lexical(self) -> bool:
        """Whether it compares words only, not meaning."""
        ...

    def embed(self, texts: Sequence[str]) -> FloatMatrix:
        """`(n, d) float32`, rows of length 1, in the order of `texts`. Raises EmbedderError."""
        ...
