"""A LangChain VectorStore over a vpa collection, on any of its stores."""

# mypy: disable-error-code="override"
# LangChain's signatures take any keyword and ignore what they do not know; these refuse it.

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance

from vpa.base.records import Match, Record
from vpa.base.scope import Scope
from vpa.client.collection import Collection
from vpa.filters import FilterLike
from vpa.integrations.langchain_embeddings import VPAEmbeddings
from vpa.integrations.owned import OwnedCollection
from vpa.stores.config import VectorDatabaseConfig


class VPAVectorStore(VectorStore):
    """`VPAVectorStore(embedding, place="qdrant://localhost:6333", collection="docs")`.

    `embedding` is LangChain's, the name of a model ("minilm"), or anything else that `vpa.as_embedder` accepts.

    `filter` is vpa's filter language on every store; scores are vpa's: higher is better. The collection is made at the
    first write. Synchronous and asynchronous calls share one connection on a loop of its own; `close()` lets it go.
    """

    def __init__(
        self,
        embedding: Embeddings | Any,
        *,
        place: str | VectorDatabaseConfig = "mock://",
        collection: str = "langchain",
        api_key: str | None = None,
        metric: str = "cosine",
        scope: Scope = Scope(),
    ) -> None:
        self._made = None if isinstance(embedding, Embeddings) else VPAEmbeddings(embedding)
        self._embedding: Embeddings = self._made or embedding
        self._owned = OwnedCollection(place, collection, api_key=api_key, metric=metric)
        self._scope = scope

    @property
    def embeddings(self) -> Embeddings:
        """The model that texts and queries are embedded with."""
        return self._embedding

    def close(self) -> None:
        """Let the connection go."""
        self._owned.close()
        if self._made is not None:
            self._made.close()

    def delete_collection(self) -> None:
        """Remove the collection with every scope."""
        self._owned.drop()

    # Writing

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
    ) -> list[str]:
        """Embed and upsert; returns the ids, new ones where none were given."""
        rows = list(texts)
        return self._owned.run(
            *self._write(rows, metadatas, ids, self._embedding.embed_documents(rows)), **_size(rows, self)
        )

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
    ) -> list[str]:
        rows = list(texts)
        vectors = await self._embedding.aembed_documents(rows)
        return await self._owned.arun(*self._write(rows, metadatas, ids, vectors), **_size(rows, self))

    def _write(
        self,
        texts: Sequence[str],
        metadatas: Sequence[dict[str, Any]] | None,
        ids: Sequence[str | None] | None,
        vectors: Sequence[Sequence[float]],
    ) -> tuple[Callable[[Collection], Any]]:
        self._dimension = len(vectors[0]) if vectors else None
        names = [name or str(uuid.uuid4()) for name in ids or [None] * len(texts)]
        given = metadatas or [{}] * len(texts)
        # The last of several with one id wins, as in a dictionary.
        records = {
            name: Record(name, vector=vector, text=text, metadata=metadata)
            for name, vector, text, metadata in zip(names, vectors, texts, given, strict=True)
        }

        async def upsert(collection: Collection) -> list[str]:
            await collection.upsert(list(records.values()), scope=self._scope)
            return names

        return (upsert,)

    def delete(self, ids: list[str] | None = None, *, filter: FilterLike = None) -> bool | None:
        """Remove by ids or by filter; without either, everything of the scope."""
        self._owned.run(self._deleting(ids, filter))
        return True

    async def adelete(self, ids: list[str] | None = None, *, filter: FilterLike = None) -> bool | None:
        await self._owned.arun(self._deleting(ids, filter))
        return True

    def _deleting(self, ids: list[str] | None, condition: FilterLike) -> Callable[[Collection], Any]:
        if ids is not None:
            return lambda collection: collection.delete(ids=ids, scope=self._scope)
        chosen: FilterLike = {} if condition is None else condition
        return lambda collection: collection.delete(filter=chosen, allow_all=condition is None, scope=self._scope)

    # Reading

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents among these ids that exist, in the order asked."""
        return [_document(one) for one in self._owned.run(self._getting(ids), default=[])]

    async def aget_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        return [_document(one) for one in await self._owned.arun(self._getting(ids), default=[])]

    def _getting(self, ids: Sequence[str]) -> Callable[[Collection], Any]:
        return lambda collection: collection.get(ids, include_vectors=False, scope=self._scope)

    def similarity_search(self, query: str, k: int = 4, *, filter: FilterLike = None) -> list[Document]:
        """The k nearest, best first."""
        return [found for found, _ in self.similarity_search_with_score(query, k, filter=filter)]

    async def asimilarity_search(self, query: str, k: int = 4, *, filter: FilterLike = None) -> list[Document]:
        return [found for found, _ in await self.asimilarity_search_with_score(query, k, filter=filter)]

    def similarity_search_with_score(
        self, query: str, k: int = 4, *, filter: FilterLike = None, score_threshold: float | None = None
    ) -> list[tuple[Document, float]]:
        """With scores: higher is better, on every store."""
        vector = self._embedding.embed_query(query)
        found = self._owned.run(self._searching(vector, k, filter, threshold=score_threshold), default=[])
        return [(_document(match), match.score) for match in found]

    async def asimilarity_search_with_score(
        self, query: str, k: int = 4, *, filter: FilterLike = None, score_threshold: float | None = None
    ) -> list[tuple[Document, float]]:
        vector = await self._embedding.aembed_query(query)
        found = await self._owned.arun(self._searching(vector, k, filter, threshold=score_threshold), default=[])
        return [(_document(match), match.score) for match in found]

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, *, filter: FilterLike = None
    ) -> list[Document]:
        """As similarity_search, for a vector."""
        return [_document(match) for match in self._owned.run(self._searching(embedding, k, filter), default=[])]

    async def asimilarity_search_by_vector(
        self, embedding: list[float], k: int = 4, *, filter: FilterLike = None
    ) -> list[Document]:
        return [_document(match) for match in await self._owned.arun(self._searching(embedding, k, filter), default=[])]

    def _searching(
        self,
        vector: Sequence[float],
        k: int,
        condition: FilterLike,
        *,
        threshold: float | None = None,
        vectors: bool = False,
    ) -> Callable[[Collection], Any]:
        return lambda collection: collection.search(
            vector=vector,
            top_k=k,
            filter=condition,
            score_threshold=threshold,
            include_vectors=vectors,
            scope=self._scope,
        )

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, *, filter: FilterLike = None
    ) -> list[Document]:
        """k of the fetch_k nearest that satisfy the filter, near to the query and unlike each other."""
        vector = self._embedding.embed_query(query)
        found = self._owned.run(self._searching(vector, fetch_k, filter, vectors=True), default=[])
        return _diverse(vector, found, k=k, share=lambda_mult)

    async def amax_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, *, filter: FilterLike = None
    ) -> list[Document]:
        vector = await self._embedding.aembed_query(query)
        found = await self._owned.arun(self._searching(vector, fetch_k, filter, vectors=True), default=[])
        return _diverse(vector, found, k=k, share=lambda_mult)

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        # Cosine from [-1, 1] to [0, 1]; the others' scores are taken as they are.
        return lambda score: (score + 1.0) / 2.0

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings | Any,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **options: Any,
    ) -> Self:
        """A store with these texts; `options` are those of the constructor."""
        store = cls(embedding, **options)
        store.add_texts(texts, metadatas, ids=ids)
        return store


def _size(texts: Sequence[str], store: VPAVectorStore) -> Mapping[str, Any]:
    return {"dimension": store._dimension if texts else None, "default": []}


def _document(source: Record | Match) -> Document:
    return Document(id=source.id, page_content=source.text or "", metadata=dict(source.metadata))


def _diverse(query: Sequence[float], matches: Sequence[Match], *, k: int, share: float) -> list[Document]:
    vectors = [np.asarray(match.vector).tolist() for match in matches]
    chosen = maximal_marginal_relevance(np.asarray(query, dtype=np.float32), vectors, lambda_mult=share, k=k)
    return [_document(matches[position]) for position in chosen]
