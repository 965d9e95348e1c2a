"""Any other model of sentence-transformers, by name or folder; the extra brings PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vpa.base.arrays import FloatMatrix, unit_rows
from vpa.base.errors import EmbedderError
from vpa.base.records import EmbeddingIdentity


class SentenceTransformersEmbedder:
    """A model that sentence-transformers can load without running code from its folder."""

    is_lexical = False

    def __init__(self, *, name: str, path: str | None = None, revision: str | None = None) -> None:
        """Load `path`, else `name` from the hub (or its cache). Raises EmbedderError."""
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise EmbedderError(
                f'model {name!r} needs {error.name}; run: pip install "vpa[sentence-transformers]" (it brings PyTorch)'
            ) from error
        try:
            self._model: Any = SentenceTransformer(
                path or name, revision=revision, device="cpu", trust_remote_code=False
            )
        except Exception as error:
            raise EmbedderError(f"sentence-transformers could not load {path or name!r}: {error}") from error
        dimension = _dimension(self._model)
        prompts = getattr(self._model, "prompts", None) or {}
        self.identity = EmbeddingIdentity(
            name=name,
            revision=revision or "",
            dimension=dimension,
            query_prefix=prompts.get("query") or "",
            document_prefix=prompts.get("document") or prompts.get("passage") or "",
        )

    def embed(self, texts: Sequence[str]) -> FloatMatrix:
        """`(n, d) float32` unit rows."""
        raw = self._model.encode(list(texts), convert_to_numpy=True, show_progress_bar=False, prompt="")
        return unit_rows(np.ascontiguousarray(raw, dtype=np.float32))


def _dimension(model: Any) -> int:
    # The method was renamed in sentence-transformers 5.
    read = getattr(model, "get_embedding_dimension", None) or model.get_sentence_embedding_dimension
    return int(read())
