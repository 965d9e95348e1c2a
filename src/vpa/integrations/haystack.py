"""A Haystack DocumentStore over a vpa collection, on any of its stores."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np
from haystack import Document, default_from_dict, default_to_dict
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy
from haystack.errors import FilterError

from vpa.base.clock import SystemClock
from vpa.base.errors import InvalidFilterError, RecordExistsError
from vpa.base.ids import VersionStamps
from vpa.base.query import ConflictName
from vpa.base.records import Match, Record
from vpa.base.scope import Scope
from vpa.client.collection import Collection
from vpa.filters import F, Filter, as_filter
from vpa.filters.ast import ALWAYS, NEVER, And, Not, Or
from vpa.integrations.owned import OwnedCollection

_EMBEDDED: Final = "embedded"
_WRITTEN: Final = "written"
_EXACT: Final = "exact"
_POLICIES: Final[Mapping[DuplicatePolicy, ConflictName]] = {
    DuplicatePolicy.NONE: "error",
    DuplicatePolicy.FAIL: "error",
    DuplicatePolicy.SKIP: "skip",
    DuplicatePolicy.OVERWRITE: "replace",
}
_COMPARISONS: Final[Mapping[str, str]] = {
    "==": "$eq",
    "!=": "$ne",
    ">": "$gt",
    ">=": "$gte",
    "<": "$lt",
    "<=": "$lte",
    "in": "$in",
    "not in": "$nin",
}
_RANGES: Final = (">", ">=", "<", "<=")


class VPADocumentStore:
    """`VPADocumentStore(place="qdrant://localhost:6333", collection="docs", dimension=384)`.

    Metadata filters are Haystack's; what they mean is the same on every store. Documents may lack an embedding: they
    are kept and filtered, and never found by a search. Not for documents with a blob or a sparse embedding.
    """

    def __init__(
        self,
        *,
        place: str = "mock://",
        collection: str = "haystack",
        dimension: int = 768,
        metric: str = "dot",
        tenant: str = "",
        namespace: str = "",
        api_key: str | None = None,
    ) -> None:
        self._options = {
            "place": place,
            "collection": collection,
            "dimension": dimension,
            "metric": metric,
            "tenant": tenant,
            "namespace": namespace,
        }
        self._dimension = dimension
        self._scope = Scope(tenant, namespace)
        self._owned = OwnedCollection(place, collection, api_key=api_key, metric=metric)
        self._stamps = VersionStamps(SystemClock())

    def to_dict(self) -> dict[str, Any]:
        """The constructor's arguments, but for the key."""
        data: dict[str, Any] = default_to_dict(self, **self._options)
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> VPADocumentStore:
        """The store that `to_dict` described."""
        found: VPADocumentStore = default_from_dict(cls, data)
        return found

    def close(self) -> None:
        """Let the connection go."""
        self._owned.close()

    def delete_collection(self) -> None:
        """Remove the collection with every scope."""
        self._owned.drop()

    def _run(self, work: Callable[[Collection], Awaitable[Any]]) -> Any:
        return self._owned.run(work, dimension=self._dimension)

    async def _arun(self, work: Callable[[Collection], Awaitable[Any]]) -> Any:
        return await self._owned.arun(work, dimension=self._dimension)

    # Writing

    def write_documents(self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE) -> int:
        """Write; returns how many. By default, and with FAIL, an id that exists is an error and nothing is written."""
        return int(self._run(self._writing(documents, policy)))

    async def write_documents_async(
        self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE
    ) -> int:
        return int(await self._arun(self._writing(documents, policy)))

    def _writing(self, documents: list[Document], policy: DuplicatePolicy) -> Callable[[Collection], Awaitable[int]]:
        if not isinstance(documents, list) or not all(isinstance(one, Document) for one in documents):
            raise ValueError("write_documents takes a list of Documents")
        records = {one.id: self._record(one) for one in documents}
        if len(records) < len(documents) and policy in (DuplicatePolicy.NONE, DuplicatePolicy.FAIL):
            raise DuplicateDocumentError("one id occurs twice in the list of documents")

        async def write(collection: Collection) -> int:
            try:
                return await collection.upsert(list(records.values()), on_conflict=_POLICIES[policy], scope=self._scope)
            except RecordExistsError as error:
                raise DuplicateDocumentError(str(error)) from error

        return write

    def _record(self, document: Document) -> Record:
        if document.blob is not None or document.sparse_embedding is not None:
            raise ValueError(f"document {document.id!r} has a blob or a sparse embedding, which vpa does not store")
        embedded = document.embedding is not None
        vector: Any = document.embedding if embedded else np.eye(1, self._dimension)[0]
        system: dict[str, Any] = {_EMBEDDED: embedded, _WRITTEN: self._stamps.next()}
        wide = np.asarray(vector, dtype=np.float64)
        if embedded and not np.array_equal(wide, wide.astype(np.float32)):
            # Models give float32 values; those of others come back exactly, too.
            system[_EXACT] = base64.b64encode(wide.astype("<f8").tobytes()).decode()
        return Record(document.id, vector=vector, text=document.content, metadata=document.meta, system=system)

    def delete_documents(self, document_ids: list[str]) -> None:
        """Remove by ids; unknown ones are no error."""
        self._run(lambda collection: collection.delete(ids=document_ids, scope=self._scope))

    async def delete_documents_async(self, document_ids: list[str]) -> None:
        await self._arun(lambda collection: collection.delete(ids=document_ids, scope=self._scope))

    def delete_all_documents(self) -> None:
        """Remove every document of the scope."""
        self._run(lambda collection: collection.delete(filter={}, allow_all=True, scope=self._scope))

    def delete_by_filter(self, filters: dict[str, Any]) -> int:
        """Remove what matches; returns how many."""
        node = as_node(filters)
        return int(self._run(lambda collection: collection.delete(filter=node, scope=self._scope)))

    def update_by_filter(self, filters: dict[str, Any], meta: dict[str, Any]) -> int:
        """Merge metadata into what matches; returns how many."""
        node = as_node(filters)
        return int(self._run(lambda collection: collection.update_metadata(filter=node, set=meta, scope=self._scope)))

    # Reading

    def count_documents(self) -> int:
        """How many there are."""
        return int(self._run(lambda collection: collection.count(scope=self._scope)))

    async def count_documents_async(self) -> int:
        return int(await self._arun(lambda collection: collection.count(scope=self._scope)))

    def filter_documents(self, filters: dict[str, Any] | None = None) -> list[Document]:
        """Every document that matches Haystack's filters; all of them without."""
        found: list[Document] = self._run(self._filtering(filters))
        return found

    async def filter_documents_async(self, filters: dict[str, Any] | None = None) -> list[Document]:
        found: list[Document] = await self._arun(self._filtering(filters))
        return found

    def _filtering(self, filters: dict[str, Any] | None) -> Callable[[Collection], Awaitable[list[Document]]]:
        node = as_node(filters)

        async def read(collection: Collection) -> list[Document]:
            records = [record async for record in collection.scan(filter=node, scope=self._scope)]
            # In the order in which they were written.
            records.sort(key=lambda record: int(str(record.system.get(_WRITTEN, 0))))
            return [_document(record, None) for record in records]

        return read

    def embedding_retrieval(
        self, query_embedding: list[float], *, filters: dict[str, Any] | None = None, top_k: int = 10
    ) -> list[Document]:
        """The nearest documents that match, best first, with vpa's scores."""
        found: list[Document] = self._run(self._retrieving(query_embedding, filters, top_k))
        return found

    async def embedding_retrieval_async(
        self, query_embedding: list[float], *, filters: dict[str, Any] | None = None, top_k: int = 10
    ) -> list[Document]:
        found: list[Document] = await self._arun(self._retrieving(query_embedding, filters, top_k))
        return found

    def _retrieving(
        self, query: Sequence[float], filters: dict[str, Any] | None, top_k: int
    ) -> Callable[[Collection], Awaitable[list[Document]]]:
        node = as_node(filters) & (F.system(_EMBEDDED) == True)  # noqa: E712 (a filter expression)

        async def search(collection: Collection) -> list[Document]:
            found = await collection.search(
                vector=query, top_k=top_k, filter=node, include_vectors=True, scope=self._scope
            )
            return [_document(match, match.score) for match in found]

        return search


def _document(source: Record | Match, score: float | None) -> Document:
    vector: Any = source.vector if source.system.get(_EMBEDDED, True) else None
    if vector is not None and _EXACT in source.system:
        vector = np.frombuffer(base64.b64decode(str(source.system[_EXACT])), dtype="<f8")
    embedding = None if vector is None else [float(value) for value in np.asarray(vector)]
    return Document(id=source.id, content=source.text, meta=dict(source.metadata), embedding=embedding, score=score)


def as_node(filters: Mapping[str, Any] | None) -> Filter:
    """Haystack's filter as vpa's; raises FilterError for one that is malformed."""
    if not filters:
        return ALWAYS
    try:
        return _node(filters)
    except InvalidFilterError as error:
        raise FilterError(str(error)) from error


def _node(condition: Mapping[str, Any]) -> Filter:
    if not isinstance(condition, Mapping):
        raise FilterError(f"a filter is a dictionary, not {condition!r}")
    if "field" in condition:
        return _comparison(condition)
    for key in ("operator", "conditions"):
        if key not in condition:
            raise FilterError(f"the filter {condition!r} lacks {key!r}")
    parts = tuple(_node(part) for part in condition["conditions"])
    match condition["operator"]:
        case "AND":
            return And(parts)
        case "OR":
            return Or(parts)
        case "NOT":
            return Not(And(parts))
    raise FilterError(f"unknown operator {condition['operator']!r}: use AND, OR or NOT")


def _comparison(condition: Mapping[str, Any]) -> Filter:
    for key in ("operator", "value"):
        if key not in condition:
            raise FilterError(f"the condition {condition!r} lacks {key!r}")
    operator, value = condition["operator"], condition["value"]
    if operator not in _COMPARISONS:
        raise FilterError(f"unknown operator {operator!r}: use one of {', '.join(_COMPARISONS)}")
    if operator in _RANGES:
        if value is None:
            return NEVER
        if isinstance(value, str) and not _is_date(value):
            raise FilterError(f"{operator} compares numbers and ISO dates, not {value!r}")
    if operator in ("in", "not in") and not isinstance(value, list):
        raise FilterError(f"{operator} takes a list, not {value!r}")
    if operator in ("==", "!=") and isinstance(value, list):
        raise FilterError(f"{operator} takes one value, not a list")
    return as_filter({str(condition["field"]).removeprefix("meta."): {_COMPARISONS[operator]: value}})


def _is_date(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
