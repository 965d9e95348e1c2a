"""A LangChain VectorStore over a vpa collection, on any of its stores."""

# mypy: disable-error-code="override"
# LangChain's signatures take any keyword and ignore what they do not know; these refuse it.

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from pydantic import SecretStr

from vpa.base.arguments import explains
from vpa.base.errors import CollectionNotFoundError, ConfigurationError
from vpa.base.scope import Scope
from vpa.client.collection import Collection
from vpa.client.words import SearchMode
from vpa.filters import FilterLike
from vpa.integrations.langchain_documents import (
    Drafts,
    check_targets,
    document_of,
    drafts,
    identity_of,
    remove,
    table,
)
from vpa.integrations.langchain_embeddings import VPAEmbeddings
from vpa.integrations.langchain_search import TextSearches
from vpa.integrations.modes import DENSE
from vpa.integrations.owned import Closing, OwnedCollection, Place
from vpa.retrieval.fusion import Fusion, FusionName

_COLLECTION = "langchain"


@explains
class VPAVectorStore(Closing, TextSearches):
    """`VPAVectorStore(embedding, place="qdrant://localhost:6333", collection_name="docs")`.

    `embedding` is LangChain's, the name of a model ("minilm"), or anything else that `vpa.as_embedder` accepts.
    `place`: a URL, a VectorDatabaseConfig, or a manager or collection that is open. `metric` None: cosine where the
    collection is made, and its own where it exists. Another metric and another model than the collection's are refused.

    `filter` is vpa's filter language on every store; scores are vpa's: higher is better, and `score_threshold` is the
    least of them everywhere. The collection is made at the first write. Metadata that vpa cannot keep as such (lists
    of objects, NaN) is kept as JSON: it comes back, and no filter sees it. `close()`, `with`, `async with` or the
    garbage collector let the place go.

    `mode`, "dense" unless given, and `fusion` are those of searches by text that name no other. With `keywords`, a
    language ("en"), the collection has a keyword index; one that is made for another mode than dense has an English
    one. Raises ConfigurationError where an existing collection has none of that language, or the store keeps none.
    """

    def __init__(
        self,
        embedding: Embeddings | Any,
        *,
        place: Place = "embedded://",
        collection: str | None = None,
        collection_name: str | None = None,
        api_key: str | SecretStr | None = None,
        metric: str | None = None,
        scope: Scope = Scope(),
        mode: SearchMode | None = None,
        fusion: Fusion | FusionName | None = None,
        keywords: str | None = None,
    ) -> None:
        if collection is not None and collection_name is not None:
            raise ConfigurationError("collection and collection_name are one: give one of them")
        self._comparison = DENSE.with_options(mode, fusion)
        self._made = None if isinstance(embedding, Embeddings) else VPAEmbeddings(embedding)
        model: Embeddings = self._made or embedding
        self._embedding = model
        self._owned = OwnedCollection(
            place,
            collection or collection_name or _COLLECTION,
            api_key=api_key,
            metric=metric,
            embedding=lambda dimension: identity_of(model, dimension),
            keywords=keywords,
            keywords_if_new=self._comparison.language_if_new,
        )
        self._scope = scope

    @property
    def embeddings(self) -> Embeddings:
        """The model that texts and queries are embedded with."""
        return self._embedding

    @property
    def collection_name(self) -> str:
        """The collection's name."""
        return self._owned.name

    def close(self) -> None:
        """Let the place go; every call raises ClosedError from now on. May be called twice."""
        super().close()
        if self._made is not None:
            self._made.close()

    def delete_collection(self) -> None:
        """Remove the collection with every scope."""
        self._owned.drop()

    async def adelete_collection(self) -> None:
        await self._owned.adrop()

    # Writing

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        batch_size: int | None = None,
    ) -> list[str]:
        """Embed and upsert, in batches of `batch_size`; returns the ids, new ones where none were given.

        What is malformed is refused before anything is embedded. Raises InvalidRecordError, EmbedderError.
        """
        self._owned.check_open()
        draft = drafts(texts, metadatas, ids, batch_size=batch_size)
        for part in draft.parts(batch_size):
            vectors = self._embedding.embed_documents(part.texts)
            self._owned.run(self._writing(part, vectors), dimension=len(vectors[0]))
        return draft.ids

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        batch_size: int | None = None,
    ) -> list[str]:
        self._owned.check_open()
        draft = drafts(texts, metadatas, ids, batch_size=batch_size)
        for part in draft.parts(batch_size):
            vectors = await self._embedding.aembed_documents(part.texts)
            await self._owned.arun(self._writing(part, vectors), dimension=len(vectors[0]))
        return draft.ids

    def _writing(self, part: Drafts, vectors: Sequence[Sequence[float]]) -> Callable[[Collection], Any]:
        return lambda collection: collection.upsert(part.records(vectors), scope=self._scope)

    def update_document(self, document_id: str, document: Document) -> None:
        """Write one document anew under its id."""
        self.update_documents([document_id], [document])

    def update_documents(self, ids: list[str], documents: list[Document]) -> None:
        """Write documents anew under these ids, embedded again."""
        self.add_texts([one.page_content for one in documents], [one.metadata for one in documents], ids=ids)

    async def aupdate_document(self, document_id: str, document: Document) -> None:
        await self.aupdate_documents([document_id], [document])

    async def aupdate_documents(self, ids: list[str], documents: list[Document]) -> None:
        await self.aadd_texts([one.page_content for one in documents], [one.metadata for one in documents], ids=ids)

    def delete(self, ids: list[str] | None = None, *, filter: FilterLike = None) -> bool | None:
        """Remove by ids, by filter, or those of the ids that match the filter; InvalidFilterError without either."""
        self._owned.run(self._deleting(ids, filter))
        return True

    async def adelete(self, ids: list[str] | None = None, *, filter: FilterLike = None) -> bool | None:
        await self._owned.arun(self._deleting(ids, filter))
        return True

    def _deleting(self, ids: list[str] | None, condition: FilterLike) -> Callable[[Collection], Any]:
        chosen = self._filter_of(condition)
        check_targets(ids, chosen)
        return lambda collection: remove(collection, ids, chosen, scope=self._scope)

    # Reading

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents among these ids that exist, in the order asked."""
        return [document_of(one) for one in self._owned.run(self._getting(ids), default=[])]

    async def aget_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        return [document_of(one) for one in await self._owned.arun(self._getting(ids), default=[])]

    def _getting(self, ids: Sequence[str]) -> Callable[[Collection], Any]:
        return lambda collection: collection.get(ids, include_vectors=False, scope=self._scope)

    def get(
        self,
        ids: Sequence[str] | None = None,
        where: FilterLike = None,
        *,
        limit: int | None = None,
        offset: int = 0,
    ) -> dict[str, list[Any]]:
        """`{"ids": […], "documents": [texts], "metadatas": […]}` of ids, of a filter, or both; without ids, by id."""
        return _columns(self._owned.run(self._listing(ids, where, limit=limit, offset=offset), default=[]))

    async def aget(
        self,
        ids: Sequence[str] | None = None,
        where: FilterLike = None,
        *,
        limit: int | None = None,
        offset: int = 0,
    ) -> dict[str, list[Any]]:
        return _columns(await self._owned.arun(self._listing(ids, where, limit=limit, offset=offset), default=[]))

    def _listing(
        self, ids: Sequence[str] | None, where: FilterLike, *, limit: int | None, offset: int
    ) -> Callable[[Collection], Any]:
        chosen = self._filter_of(where)
        return lambda collection: table(collection, ids, chosen, limit=limit, offset=offset, scope=self._scope)

    # Making

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings | Any,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        batch_size: int | None = None,
        **options: Any,
    ) -> Self:
        """A store with these texts; `options` are those of the constructor."""
        store = cls(embedding, **options)
        store.add_texts(texts, metadatas, ids=ids, batch_size=batch_size)
        return store

    @classmethod
    async def afrom_texts(
        cls,
        texts: list[str],
        embedding: Embeddings | Any,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        batch_size: int | None = None,
        **options: Any,
    ) -> Self:
        store = cls(embedding, **options)
        await store.aadd_texts(texts, metadatas, ids=ids, batch_size=batch_size)
        return store

    @classmethod
    def from_existing(cls, embedding: Embeddings | Any, **options: Any) -> Self:
        """A store over a collection that exists; raises CollectionNotFoundError. `options` as in the constructor."""
        store = cls(embedding, **options)
        if not store._owned.run(_is_there, default=False):
            name = store.collection_name
            store.close()
            raise CollectionNotFoundError(f"no collection {name!r} there; from_texts makes one", collection=name)
        return store


async def _is_there(collection: Collection) -> bool:
    return True


def _columns(documents: Sequence[Document]) -> dict[str, list[Any]]:
    return {
        "ids": [document.id for document in documents],
        "documents": [document.page_content for document in documents],
        "metadatas": [document.metadata for document in documents],
    }
