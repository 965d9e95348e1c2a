"""Whatever a user has that makes vectors of texts, as an Embedder."""

from __future__ import annotations

from typing import Any

from vpa.base.arguments import explained
from vpa.base.errors import EmbedderError
from vpa.base.records import EmbeddingIdentity
from vpa.embeddings import foreign
from vpa.embeddings.contract import Embedder


@explained
def as_embedder(model: Any, *, name: str | None = None, revision: str = "") -> Embedder:
    """Accepts an Embedder, a callable on a list of texts, a LangChain or LlamaIndex embedding, or a
    sentence-transformers model.

    `name` is what the collection remembers the model by; give one where the object does not name itself, as a lambda.
    `revision` says which state of that model it is, as a commit or a date: whatever changes its vectors gets another
    one. Only vectors of a model with a revision are cached on disk. An Embedder says both itself.
    What the model returns is checked when it is used. Raises EmbedderError for anything else.
    """
    if isinstance(model, Embedder):
        return model
    if isinstance(model, type):
        raise EmbedderError(f"{model.__name__} is a class; pass an instance: {model.__name__}(…)")
    if isinstance(getattr(model, "identity", None), EmbeddingIdentity) and callable(getattr(model, "embed", None)):
        return foreign.from_lookalike(model)
    if _has(model, "embed_documents", "embed_query") or _has(model, "aembed_documents", "aembed_query"):
        return foreign.from_langchain(model, name=name, revision=revision)
    if _has(model, "get_text_embedding_batch", "get_query_embedding"):
        return foreign.from_llama_index(model, name=name, revision=revision)
    if _has(model, "encode"):
        return foreign.from_sentence_transformers(model, name=name, revision=revision)
    if callable(model):
        return foreign.from_callable(model, name=name, revision=revision)
    raise EmbedderError(f"{type(model).__name__} is no embedder; accepted is {foreign.ACCEPTED}")


def _has(model: Any, *methods: str) -> bool:
    return all(callable(getattr(model, method, None)) for method in methods)
