"""Models of other libraries as embedders: known by the methods that they have, never by importing their library.

LangChain's Embeddings (`embed_documents`, `embed_query`), LlamaIndex's (`get_text_embedding_batch`,
`get_query_embedding`), sentence-transformers' models (`encode`), and anything callable on a list of texts.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from vpa.base.arrays import FloatMatrix
from vpa.base.errors import EmbedderError
from vpa.base.records import EmbeddingIdentity
from vpa.base.showing import shown
from vpa.embeddings.contract import Embedder, Kind, prefix_of
from vpa.embeddings.failures import embedder_error
from vpa.embeddings.shape import as_vectors
from vpa.kit.threads import Workers
from vpa.observe.log import get_logger

_log = get_logger("vpa.embeddings")
Call = Callable[[list[str]], Any]
ACCEPTED: Final = (
    "an Embedder, a name, a callable that takes a list of texts and returns a vector for each (also async), a "
    "LangChain or LlamaIndex embedding, or a sentence-transformers model"
)
_PROBE: Final = "dimension"


class ForeignEmbedder(Embedder):
    """Calls another library's model: a coroutine on the loop, anything else in one thread of its own."""

    def __init__(
        self,
        *,
        document: Call,
        query: Call,
        identity: EmbeddingIdentity,
        origin: Any,
        tokens: TokenCounter | None = None,
    ) -> None:
        """`identity` without a dimension: it is measured with one text when the embedder is opened. `origin`: the model
        that the calls are of, so that two embedders of one model are known to be one.
        """
        self.origin = origin
        self._calls: dict[Kind, Call] = {"document": document, "query": query}
        self._identity = identity
        self._tokens = tokens
        # One thread: a model of others need not be safe for several.
        self._workers = Workers(size=1, name="vpa-embedder")

    @property
    def identity(self) -> EmbeddingIdentity:
        """Model and dimension; known after `open`, which embeds one text to learn the dimension."""
        return self._identity

    async def open(self) -> EmbeddingIdentity:
        """Embed one text, where the dimension is not known, and see what comes."""
        if not self._identity.dimension:
            vectors = await self.embed([_PROBE], kind="document")
            self._identity = replace(self._identity, dimension=vectors.shape[1])
        return self._identity

    async def embed(self, texts: Sequence[str], *, kind: Kind) -> FloatMatrix:
        """As the model makes them; raises EmbedderError for a wrong shape."""
        prefix = prefix_of(self._identity, kind)
        prefixed = [prefix + text for text in texts]
        call, model = self._calls[kind], str(self._identity)
        try:
            if _is_async(call):
                returned = await call(prefixed)
            else:
                returned = await self._workers.run(call, prefixed)
                if inspect.isawaitable(returned):
                    returned = await returned
        except Exception as error:
            raise embedder_error(error, model=model, count=len(prefixed)) from error
        return as_vectors(returned, count=len(prefixed), model=model, dimension=self._identity.dimension or None)

    async def close(self) -> None:
        """End the thread; the model belongs to who made it."""
        await self._workers.close()

    @property
    def max_tokens(self) -> int | None:
        """Where the model says it."""
        return None if self._tokens is None else self._tokens.limit

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """By the model's own tokenizer."""
        if self._tokens is None:
            return super().count_tokens(texts)
        return self._tokens.count([self._identity.document_prefix + text for text in texts])


class TokenCounter:
    """The window of a model with a Hugging Face tokenizer, as sentence-transformers' are."""

    def __init__(self, tokenizer: Any, *, limit: int) -> None:
        self._tokenizer = tokenizer
        self.limit = limit

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens with the model's marks, however many there are."""
        ids = self._tokenizer(list(texts), add_special_tokens=True, truncation=False, padding=False)["input_ids"]
        return [len(row) for row in ids]


def from_langchain(model: Any, *, name: str | None = None, revision: str = "") -> ForeignEmbedder:
    """Its async methods where its class wrote some; LangChain's own only call the others in a thread."""
    query = _own_async(model, "aembed_query") or getattr(model, "embed_query", None) or model.aembed_query
    document = (
        _own_async(model, "aembed_documents") or getattr(model, "embed_documents", None) or model.aembed_documents
    )
    return ForeignEmbedder(
        document=document, query=_each(query), identity=_identity(model, name, revision), origin=model
    )


def from_llama_index(model: Any, *, name: str | None = None, revision: str = "") -> ForeignEmbedder:
    """An embedder over LlamaIndex's `BaseEmbedding`: its batch method for documents, its query method for queries."""
    return ForeignEmbedder(
        document=model.get_text_embedding_batch,
        query=_each(model.get_query_embedding),
        identity=_identity(model, name, revision),
        origin=model,
    )


def from_sentence_transformers(model: Any, *, name: str | None = None, revision: str = "") -> ForeignEmbedder:
    """`encode`, with the model's own prompts, dimension and window of tokens where it has them."""
    prompts = getattr(model, "prompts", None) or {}
    read = getattr(model, "get_embedding_dimension", None) or getattr(model, "get_sentence_embedding_dimension", None)
    identity = replace(
        _identity(model, name, revision),
        dimension=int((read() if read is not None else None) or 0),
        query_prefix=prompts.get("query") or "",
        document_prefix=prompts.get("document") or prompts.get("passage") or "",
    )
    known = _parameters(model.encode)
    # A prompt that the model would add by itself is in the prefix already.
    options = {"convert_to_numpy": True, "show_progress_bar": False, "prompt": "", "normalize_embeddings": True}
    chosen = {key: value for key, value in options.items() if known is None or key in known}

    def encode(texts: list[str]) -> Any:
        return model.encode(texts, **chosen)

    return ForeignEmbedder(document=encode, query=encode, identity=identity, origin=model, tokens=_window(model))


def from_callable(model: Any, *, name: str | None = None, revision: str = "") -> ForeignEmbedder:
    """A function, or an object with `__call__`, on a list of texts."""
    return ForeignEmbedder(document=model, query=model, identity=_identity(model, name, revision), origin=model)


def from_lookalike(model: Any) -> ForeignEmbedder:
    """An object with `identity` and `embed` that does not inherit from Embedder."""
    if "kind" in (_parameters(model.embed) or ()):
        return ForeignEmbedder(
            document=_of_kind(model.embed, "document"),
            query=_of_kind(model.embed, "query"),
            identity=model.identity,
            origin=model,
        )
    return ForeignEmbedder(document=model.embed, query=model.embed, identity=model.identity, origin=model)


def _of_kind(embed: Any, kind: Kind) -> Call:
    if _is_async(embed):

        async def awaited(texts: list[str]) -> Any:
            return await embed(texts, kind=kind)

        return awaited
    return lambda texts: embed(texts, kind=kind)


def _each(embed_one: Any) -> Call:
    if _is_async(embed_one):

        async def awaited(texts: list[str]) -> list[Any]:
            return [await embed_one(text) for text in texts]

        return awaited
    return lambda texts: [embed_one(text) for text in texts]


def _own_async(model: Any, method: str) -> Any:
    found = getattr(model, method, None)
    module = getattr(found, "__module__", "") or ""
    return None if found is None or module.startswith("langchain_core.embeddings") else found


def _is_async(call: Any) -> bool:
    method = getattr(call, "__call__", None)  # noqa: B004
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(method)


def _window(model: Any) -> TokenCounter | None:
    limit, tokenizer = getattr(model, "max_seq_length", None), getattr(model, "tokenizer", None)
    return TokenCounter(tokenizer, limit=limit) if isinstance(limit, int) and callable(tokenizer) else None


def _parameters(call: Any) -> set[str] | None:
    """Names that `call` takes; None if it takes any, or cannot be asked."""
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        return set()
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters):
        return None
    return {one.name for one in parameters}


def _identity(model: Any, name: str | None, revision: str) -> EmbeddingIdentity:
    return EmbeddingIdentity(name=name or _name_of(model), revision=revision)


def _name_of(model: Any) -> str:
    """What the model calls itself, else its class or function. Stored with the collection and compared at opening."""
    for attribute in ("model_name", "model", "model_id", "model_name_or_path"):
        value = getattr(model, attribute, None)
        if isinstance(value, str) and value:
            return value
    named = model if hasattr(model, "__qualname__") else type(model)
    if not hasattr(named, "__qualname__"):
        raise EmbedderError(f"{shown(model)} has no name to store with its vectors; pass name=")
    if "<" in named.__qualname__ or named.__module__ == "__main__":
        _log.warning(
            "embedder_without_a_name_of_its_own",
            stored_as=f"{named.__module__}.{named.__qualname__}",
            advice="another function of the same place would be taken for this one: use as_embedder(model, name=…)",
        )
    return f"{named.__module__}.{named.__qualname__}"
