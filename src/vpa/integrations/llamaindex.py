"""A LlamaIndex vector store over a vpa collection, on any of its stores."""

# mypy: disable-error-code="override,misc"
# LlamaIndex's types are not read here; its keywords are any, and these name what they know.

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Final

from llama_index.core.bridge.pydantic import PrivateAttr, SecretStr
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryResult,
)

from vpa.base.arguments import unknown_argument
from vpa.base.errors import InvalidFilterError
from vpa.base.scope import Scope
from vpa.client.collection import Collection
from vpa.filters import F, Filter, holds_always
from vpa.integrations.llamaindex_nodes import REF_DOC_ID, batch_of, condition_of, node_of
from vpa.integrations.llamaindex_queries import Question
from vpa.integrations.owned import Closing, OwnedCollection, Place

_ARGUMENTS: Final = ("place", "collection_name", "api_key", "metric", "tenant", "namespace", "keywords")


class VPAVectorStore(Closing, BasePydanticVectorStore):
    """`VPAVectorStore(place="qdrant://localhost:6333", collection_name="docs")`.

    `place`: a URL, a VectorDatabaseConfig, or a manager or collection that is open. The collection is made at the first
    `add`, with the dimension of its nodes; `metric` None is cosine then, and its own where it exists. Similarities are
    vpa's scores: higher is better. `keywords`: the language ("en") of a keyword index, which the query modes HYBRID and
    TEXT_SEARCH need. A durable place keeps the nodes: `persist` has nothing to do. `close()`, `with`,
    `async with` or the garbage collector let the place go. Only a URL survives serialisation, and never `api_key`.
    """

    stores_text: bool = True
    flat_metadata: bool = False
    place: str | None = "embedded://"
    collection_name: str = "llamaindex"
    metric: str | None = None
    tenant: str = ""
    namespace: str = ""
    keywords: str | None = None
    _owned: OwnedCollection = PrivateAttr()

    def __init__(
        self,
        *,
        place: Place = "embedded://",
        collection_name: str = "llamaindex",
        api_key: str | SecretStr | None = None,
        metric: str | None = None,
        tenant: str = "",
        namespace: str = "",
        keywords: str | None = None,
        **fields: Any,
    ) -> None:
        if strange := sorted(set(fields) - set(type(self).model_fields)):
            # Pydantic would pass over them: the nodes would go to another place than was meant.
            raise unknown_argument("VPAVectorStore", strange[0], taken=_ARGUMENTS)
        owned = OwnedCollection(place, collection_name, api_key=api_key, metric=metric, keywords=keywords)
        super().__init__(
            place=os.fspath(place) if isinstance(place, str | os.PathLike) else None,
            collection_name=owned.name,
            metric=metric,
            tenant=tenant,
            namespace=namespace,
            keywords=keywords,
            **fields,
        )
        self._owned = owned

    @classmethod
    def class_name(cls) -> str:
        """The name that serialised stores carry."""
        return "VPAVectorStore"

    @classmethod
    def from_params(cls, place: Place = "embedded://", collection_name: str = "llamaindex", **options: Any) -> Any:
        """As the constructor."""
        return cls(place=place, collection_name=collection_name, **options)

    @property
    def client(self) -> OwnedCollection:
        """The collection below, with `run` and `arun` for work of your own on it."""
        return self._owned

    @property
    def _scope(self) -> Scope:
        return Scope(self.tenant, self.namespace)

    # Writing

    def add(self, nodes: Sequence[BaseNode], **_: Any) -> list[str]:
        """Write nodes that are embedded; returns their ids. One that exists is replaced."""
        if nodes:
            self._owned.run(self._adding(nodes), dimension=_dimension(nodes))
        return [node.node_id for node in nodes]

    async def async_add(self, nodes: Sequence[BaseNode], **_: Any) -> list[str]:
        if nodes:
            await self._owned.arun(self._adding(nodes), dimension=_dimension(nodes))
        return [node.node_id for node in nodes]

    def _adding(self, nodes: Sequence[BaseNode]) -> Callable[[Collection], Any]:
        # Of several with one id the last is meant.
        batch = batch_of(list({node.node_id: node for node in nodes}.values()))
        return lambda collection: collection.upsert(batch, scope=self._scope)

    def delete(self, ref_doc_id: str, **_: Any) -> None:
        """Remove the nodes of a document."""
        self._owned.run(self._deleting(F.system(REF_DOC_ID) == ref_doc_id))

    async def adelete(self, ref_doc_id: str, **_: Any) -> None:
        await self._owned.arun(self._deleting(F.system(REF_DOC_ID) == ref_doc_id))

    def delete_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **_: Any) -> None:
        """Remove nodes by ids, by filters, or those of the ids that match; InvalidFilterError without either."""
        self._owned.run(self._deleting(_targets(node_ids, filters)))

    async def adelete_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **_: Any
    ) -> None:
        await self._owned.arun(self._deleting(_targets(node_ids, filters)))

    def _deleting(self, condition: Filter) -> Callable[[Collection], Any]:
        return lambda collection: collection.delete(filter=condition, scope=self._scope)

    def clear(self) -> None:
        """Remove every node of the tenant and namespace."""
        self._owned.run(lambda collection: collection.delete(filter={}, allow_all=True, scope=self._scope))

    async def aclear(self) -> None:
        await self._owned.arun(lambda collection: collection.delete(filter={}, allow_all=True, scope=self._scope))

    def delete_collection(self) -> None:
        """Remove the collection, with every tenant and namespace."""
        self._owned.drop()

    # Reading

    def get_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """The nodes of ids, of filters, or both; in the order of the ids, else by id. All of them without either."""
        nodes: list[BaseNode] = self._owned.run(self._getting(node_ids, filters), default=[])
        return nodes

    async def aget_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        return await self._owned.arun(self._getting(node_ids, filters), default=[])

    def _getting(self, ids: list[str] | None, filters: MetadataFilters | None) -> Callable[[Collection], Any]:
        condition = condition_of(filters, node_ids=ids)

        async def read(collection: Collection) -> list[BaseNode]:
            if ids is not None and filters is None:
                return [node_of(one) for one in await collection.get(ids, include_vectors=False, scope=self._scope)]
            scan = collection.scan(filter=condition, include_vectors=False, scope=self._scope)
            nodes = {record.id: node_of(record) async for record in scan}
            return [nodes[name] for name in (ids or sorted(nodes)) if name in nodes]

        return read

    # Searching

    def query(self, query: VectorStoreQuery, **options: Any) -> VectorStoreQueryResult:
        """The best nodes, best first, with vpa's scores as similarities: higher is better in every mode.

        DEFAULT compares vectors; MMR too, with `mmr_threshold` and `mmr_prefetch_factor`. TEXT_SEARCH, also called
        SPARSE, compares words (BM25), and returns `sparse_top_k` nodes or else `similarity_top_k`. HYBRID compares
        both: `alpha` is the weight of vectors (.5 unless given), `fusion` an option, scores are from 0 to 1, and
        `hybrid_top_k` nodes are returned or else `similarity_top_k`. Raises InvalidQueryError for other modes,
        ConfigurationError where a keyword index is needed and there is none, UnsupportedFilterError for text_match.
        """
        asked = Question.of(query, options)
        return asked.result(
            self._owned.run(lambda collection: asked.matches(collection, scope=self._scope), default=[])
        )

    async def aquery(self, query: VectorStoreQuery, **options: Any) -> VectorStoreQueryResult:
        asked = Question.of(query, options)
        work = self._owned.arun(lambda collection: asked.matches(collection, scope=self._scope), default=[])
        return asked.result(await work)


def _dimension(nodes: Sequence[BaseNode]) -> int | None:
    return None if nodes[0].embedding is None else len(nodes[0].embedding)


def _targets(node_ids: list[str] | None, filters: MetadataFilters | None) -> Filter:
    if node_ids is None and (filters is None or not filters.filters):
        raise InvalidFilterError("delete_nodes takes node_ids=, filters=, or both, and had neither: clear() empties")
    condition = condition_of(filters, node_ids=node_ids)
    if holds_always(condition):
        raise InvalidFilterError("the filters hold for every node: clear() empties")
    return condition
