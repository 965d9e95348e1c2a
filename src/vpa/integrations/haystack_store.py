"""`VPADocumentStore`: Haystack's document store over a vpa collection, on any of its stores."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, TypeVar

from haystack import Document, default_from_dict, default_to_dict
from haystack.document_stores.types import DuplicatePolicy
from haystack.utils import Secret

import vpa.sync
from vpa.base.arguments import explains
from vpa.base.errors import ClosedError
from vpa.base.records import Metric
from vpa.base.scope import Scope
from vpa.client.collection import Collection
from vpa.integrations import haystack_verbs as verbs
from vpa.integrations.haystack_filters import EVERYTHING, as_condition, selective
from vpa.integrations.haystack_retrieval import Retrieving
from vpa.integrations.haystack_verbs import Page, Work
from vpa.integrations.owned import OwnedCollection, Place
from vpa.observe.redact import redact_url
from vpa.stores.config import VectorDatabaseConfig

T = TypeVar("T")
# What Haystack's own stores take where nothing tells the dimension.
_USUAL_DIMENSION: Final = 768
_ABSENT: Final = object()


@explains
class VPADocumentStore(Retrieving):
    """`VPADocumentStore(place="qdrant://localhost:6333", collection="docs")`.

    `place` is a URL, a Secret of one, or a VectorDatabaseConfig, which is connected to when it is first used and shared
    by all stores of the process; or a manager or collection of the caller, who closes it. `metric` None: that of the
    collection, `dot` for a new one.
    `dimension`: that of the first embedding that is written, unless it is given. `tenant` and `namespace` say whose
    documents are meant. Filters are Haystack's, with one meaning on every store; malformed ones raise FilterError.
    Documents may lack an embedding: they are filtered, and never found by a search. `return_embedding` False leaves
    embeddings out of `filter_documents`. `keywords`: the language ("en") of a keyword index, which retrieval by words
    needs; ConfigurationError where the collection has none of that language, or the store keeps none.
    """

    # Where users import it from, and what saved pipelines name: Haystack loads no other modules.
    __module__ = "haystack_integrations.document_stores.vpa"

    def __init__(
        self,
        *,
        place: Place | Secret = "embedded://",
        collection: str = "haystack",
        dimension: int | None = None,
        metric: str | None = None,
        tenant: str = "",
        namespace: str = "",
        api_key: Secret | str | None = None,
        return_embedding: bool = True,
        keywords: str | None = None,
    ) -> None:
        self._place = os.fspath(place) if isinstance(place, os.PathLike) else place
        self._api_key = Secret.from_token(api_key) if isinstance(api_key, str) else api_key
        self._options = {
            "collection": collection,
            "dimension": dimension,
            "metric": metric,
            "tenant": tenant,
            "namespace": namespace,
            "return_embedding": return_embedding,
            "keywords": keywords,
        }
        self._collection = collection
        self._dimension = dimension
        self._metric = metric
        self._scope = Scope(tenant, namespace)
        self._return_embedding = return_embedding
        self._keywords = keywords
        self._opening = threading.Lock()
        self._opened: OwnedCollection | None = None
        self._closed = False
        if not isinstance(self._place, str | Secret | VectorDatabaseConfig):
            # It lives on the loop that runs now.
            self._owned()

    def to_dict(self) -> dict[str, Any]:
        """The constructor's arguments. Raises ValueError for a key or password that is no Secret of the environment."""
        place = self._place
        if not isinstance(place, str | Secret):
            raise ValueError(f"a store over a {type(place).__name__} cannot be written down; give its URL as place")
        if isinstance(place, str) and redact_url(place) != place:
            raise ValueError(
                f"the place {redact_url(place)!r} holds a password, which would be written down; give "
                "place=Secret.from_env_var(…)"
            )
        data: dict[str, Any] = default_to_dict(
            self,
            place=place.to_dict() if isinstance(place, Secret) else place,
            api_key=None if self._api_key is None else self._api_key.to_dict(),
            **self._options,
        )
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> VPADocumentStore:
        """The store that `to_dict` described."""
        options = dict(data.get("init_parameters", {}))
        for name in ("place", "api_key"):
            if isinstance(options.get(name), Mapping):
                options[name] = Secret.from_dict(options[name])
        store: VPADocumentStore = default_from_dict(cls, {**data, "init_parameters": options})
        return store

    def close(self) -> None:
        """Close the connection; later calls raise ClosedError."""
        with self._opening:
            self._closed = True
            opened = self._opened
        if opened is not None:
            opened.close()

    async def close_async(self) -> None:
        await asyncio.to_thread(self.close)

    def __enter__(self) -> VPADocumentStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def delete_collection(self) -> None:
        """Remove the collection with the documents of every tenant and namespace."""
        self._owned().drop()

    def _owned(self) -> OwnedCollection:
        with self._opening:
            if self._closed:
                raise ClosedError("the document store was closed; make a new one")
            if self._opened is None:
                place = self._place.resolve_value() if isinstance(self._place, Secret) else self._place
                key = None if self._api_key is None else self._api_key.resolve_value()
                self._opened = OwnedCollection(
                    place,
                    self._collection,
                    api_key=key,
                    metric=self._metric,
                    metric_if_new=Metric.DOT,
                    keywords=self._keywords,
                )
            return self._opened

    def _run(self, work: Work[T], default: T) -> T:
        """A collection that does not exist is not made to be read: it holds nothing."""
        return self._owned().run(work, default=default)

    async def _arun(self, work: Work[T], default: T) -> T:
        return await self._owned().arun(work, default=default)

    # Writing

    def write_documents(self, documents: list[Document], policy: DuplicatePolicy | str = DuplicatePolicy.NONE) -> int:
        """Write; returns how many. With NONE, as with FAIL, an id that exists raises DuplicateDocumentError.

        Nothing is written then. OVERWRITE returns the number of documents that were passed, as Haystack's stores do.
        """
        policy = verbs.policy_of(policy)
        unique = verbs.check_documents(documents, policy)
        if not unique:
            return 0
        work = verbs.writing(unique, policy=policy, scope=self._scope)
        dimension = self._dimension_for(unique)
        written = self._owned().run(work, default=_ABSENT, dimension=dimension)
        if written is _ABSENT:
            written = self._owned().run(work, dimension=_USUAL_DIMENSION)
        return len(documents) if policy is DuplicatePolicy.OVERWRITE else int(written)

    async def write_documents_async(
        self, documents: list[Document], policy: DuplicatePolicy | str = DuplicatePolicy.NONE
    ) -> int:
        policy = verbs.policy_of(policy)
        unique = verbs.check_documents(documents, policy)
        if not unique:
            return 0
        work = verbs.writing(unique, policy=policy, scope=self._scope)
        dimension = self._dimension_for(unique)
        written = await self._owned().arun(work, default=_ABSENT, dimension=dimension)
        if written is _ABSENT:
            written = await self._owned().arun(work, dimension=_USUAL_DIMENSION)
        return len(documents) if policy is DuplicatePolicy.OVERWRITE else int(written)

    def _dimension_for(self, documents: list[Document]) -> int | None:
        embeddings = (document.embedding for document in documents if document.embedding is not None)
        first = next(embeddings, None)
        return self._dimension if self._dimension is not None or first is None else len(first)

    def delete_documents(self, document_ids: list[str]) -> None:
        """Remove by ids; unknown ones are no error."""
        self._run(verbs.deleting_ids(document_ids, scope=self._scope), 0)

    async def delete_documents_async(self, document_ids: list[str]) -> None:
        await self._arun(verbs.deleting_ids(document_ids, scope=self._scope), 0)

    def delete_all_documents(self, recreate_index: bool = False) -> None:
        """Remove every document of the tenant and namespace.

        `recreate_index` also drops the collection, which the next write makes anew; not where others have documents in
        it, nor where the caller gave the collection itself. Nobody else should write to it meanwhile.
        """
        self._run(verbs.deleting(EVERYTHING, scope=self._scope), 0)
        if recreate_index and self._may_drop and not self._run(verbs.is_shared, True):
            self._owned().drop()

    async def delete_all_documents_async(self, recreate_index: bool = False) -> None:
        await self._arun(verbs.deleting(EVERYTHING, scope=self._scope), 0)
        if recreate_index and self._may_drop and not await self._arun(verbs.is_shared, True):
            await self._owned().adrop()

    @property
    def _may_drop(self) -> bool:
        return not isinstance(self._place, Collection | vpa.sync.Collection)

    def delete_by_filter(self, filters: dict[str, Any]) -> int:
        """Remove what matches; returns how many."""
        condition = selective(filters, instead="use delete_all_documents")
        return self._run(verbs.deleting(condition, scope=self._scope), 0)

    async def delete_by_filter_async(self, filters: dict[str, Any]) -> int:
        condition = selective(filters, instead="use delete_all_documents_async")
        return await self._arun(verbs.deleting(condition, scope=self._scope), 0)

    def update_by_filter(self, filters: dict[str, Any], meta: dict[str, Any]) -> int:
        """Merge metadata into what matches; returns how many."""
        condition = selective(filters, instead="name what is to be updated")
        return self._run(verbs.updating(condition, metadata=meta, scope=self._scope), 0)

    async def update_by_filter_async(self, filters: dict[str, Any], meta: dict[str, Any]) -> int:
        condition = selective(filters, instead="name what is to be updated")
        return await self._arun(verbs.updating(condition, metadata=meta, scope=self._scope), 0)

    # Reading

    def count_documents(self) -> int:
        """How many there are."""
        return self._run(verbs.counting(EVERYTHING, scope=self._scope), 0)

    async def count_documents_async(self) -> int:
        return await self._arun(verbs.counting(EVERYTHING, scope=self._scope), 0)

    def count_documents_by_filter(self, filters: dict[str, Any]) -> int:
        """How many match; all of them for an empty filter."""
        return self._run(verbs.counting(as_condition(filters), scope=self._scope), 0)

    async def count_documents_by_filter_async(self, filters: dict[str, Any]) -> int:
        return await self._arun(verbs.counting(as_condition(filters), scope=self._scope), 0)

    def filter_documents(self, filters: dict[str, Any] | None = None) -> list[Document]:
        """Every document that matches, in no particular order; all of them without a filter."""
        return self._run(self._reading(filters), [])

    async def filter_documents_async(self, filters: dict[str, Any] | None = None) -> list[Document]:
        return await self._arun(self._reading(filters), [])

    def _reading(self, filters: dict[str, Any] | None) -> Work[list[Document]]:
        return verbs.reading(as_condition(filters), with_embeddings=self._return_embedding, scope=self._scope)

    # Describing

    def count_unique_metadata_by_filter(self, filters: dict[str, Any], metadata_fields: list[str]) -> dict[str, int]:
        """How many different values each field has among what matches; elements of a list count for themselves."""
        work = verbs.distinct_counts(metadata_fields, as_condition(filters), scope=self._scope)
        return self._run(work, verbs.no_counts(metadata_fields))

    async def count_unique_metadata_by_filter_async(
        self, filters: dict[str, Any], metadata_fields: list[str]
    ) -> dict[str, int]:
        work = verbs.distinct_counts(metadata_fields, as_condition(filters), scope=self._scope)
        return await self._arun(work, verbs.no_counts(metadata_fields))

    def get_metadata_fields_info(self) -> dict[str, dict[str, str]]:
        """By field, `{"type": …}`: keyword, int, float or boolean."""
        return self._run(verbs.describing(self._scope), {})

    async def get_metadata_fields_info_async(self) -> dict[str, dict[str, str]]:
        return await self._arun(verbs.describing(self._scope), {})

    def get_metadata_field_min_max(self, metadata_field: str) -> dict[str, Any]:
        """`{"min": …, "max": …}` of numbers or texts; None for both where there are none, or both kinds."""
        return self._run(verbs.least_and_greatest(metadata_field, scope=self._scope), {"min": None, "max": None})

    async def get_metadata_field_min_max_async(self, metadata_field: str) -> dict[str, Any]:
        work = verbs.least_and_greatest(metadata_field, scope=self._scope)
        return await self._arun(work, {"min": None, "max": None})

    def get_metadata_field_unique_values(
        self,
        metadata_field: str,
        search_term: str | None = None,
        from_: int = 0,
        size: int = 10,
        filters: dict[str, Any] | None = None,
    ) -> tuple[list[Any], int]:
        """The different values, type-exact, in the order of their text, and how many there are in all.

        `search_term` keeps those whose text holds it, in any case; `from_` and `size` say which of them.
        """
        page = Page(search_term=search_term, start=from_, size=size)
        work = verbs.paging(metadata_field, page, condition=as_condition(filters), scope=self._scope)
        return self._run(work, ([], 0))

    async def get_metadata_field_unique_values_async(
        self,
        metadata_field: str,
        search_term: str | None = None,
        from_: int = 0,
        size: int = 10,
        filters: dict[str, Any] | None = None,
    ) -> tuple[list[Any], int]:
        page = Page(search_term=search_term, start=from_, size=size)
        work = verbs.paging(metadata_field, page, condition=as_condition(filters), scope=self._scope)
        return await self._arun(work, ([], 0))
