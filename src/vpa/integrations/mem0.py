"""mem0's memories in a vpa collection, through the provider of mem0 that takes a vector store of LangChain.

Memory.from_config({"vector_store": {"provider": "langchain", "config": {"client": VPAMemories(place="./data")}}})
"""

# mypy: disable-error-code="override"

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from langchain_core.embeddings import Embeddings
from pydantic import SecretStr

from vpa.base.arguments import explains
from vpa.base.errors import ConfigurationError, InvalidRecordError, UnsupportedFilterError
from vpa.base.scope import Scope
from vpa.base.showing import shown
from vpa.filters import FilterLike
from vpa.filters.foreign.mappings import translated
from vpa.filters.foreign.ours import UntranslatableError
from vpa.integrations.langchain import VPAVectorStore
from vpa.integrations.langchain_documents import drafts
from vpa.integrations.owned import Place


class _EmbeddedElsewhere(Embeddings):
    """mem0 embeds with its own model and hands over vectors."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise ConfigurationError("mem0 embeds the memories itself; write them with add_embeddings")

    def embed_query(self, text: str) -> list[float]:
        raise ConfigurationError("mem0 embeds the questions itself; search by vector")


@explains
class VPAMemories(VPAVectorStore):
    """`VPAMemories(place="qdrant://localhost:6333", collection_name="mem0")`.

    Everything else is as in `VPAVectorStore`. Filters are mem0's (`{"user_id": "ann"}`, `{"AND": […]}`, `"*"`), with
    one meaning on every store; what vpa does not have raises UnsupportedFilterError. Scores are higher for better.
    mem0 compares vectors through this provider; with `keywords="en"`, `similarity_search(text, mode="keyword")` looks
    for words in the same memories.
    """

    def __init__(
        self,
        *,
        place: Place = "embedded://",
        collection_name: str = "mem0",
        api_key: str | SecretStr | None = None,
        metric: str | None = None,
        scope: Scope = Scope(),
        keywords: str | None = None,
    ) -> None:
        super().__init__(
            _EmbeddedElsewhere(),
            place=place,
            collection_name=collection_name,
            api_key=api_key,
            metric=metric,
            scope=scope,
            keywords=keywords,
        )

    def add_embeddings(
        self,
        embeddings: Sequence[Sequence[float]],
        metadatas: list[dict[str, Any]] | None = None,
        ids: list[str] | None = None,
    ) -> list[str]:
        """Write vectors with their payloads, whose `data` is the text; one that exists is replaced. Returns the ids."""
        payloads = metadatas if metadatas is not None else [{} for _ in embeddings]
        if len(payloads) != len(embeddings):
            raise InvalidRecordError(f"{len(embeddings)} embeddings and {len(payloads)} payloads: give one for each")
        texts = [str(payload.get("data", "")) for payload in payloads]
        draft = drafts(texts, payloads, ids, batch_size=None)
        if draft.ids:
            self._owned.run(self._writing(draft, embeddings), dimension=len(embeddings[0]))
        return draft.ids

    def _filter_of(self, condition: FilterLike) -> FilterLike:
        """mem0's filter in vpa's notation; an F expression stays as it is."""
        if not isinstance(condition, Mapping):
            return condition
        try:
            return translated(condition)
        except UntranslatableError as error:
            raise UnsupportedFilterError(
                f"mem0's filter {shown(dict(condition))} has no equal here: {error}"
            ) from error

    @property
    def _collection(self) -> Self:
        """What mem0 lists memories with, by its `get`."""
        return self
