"""Haystack's own tests of document stores, unchanged: 83 synchronous and 44 asynchronous ones in one class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from haystack import Document
from haystack.dataclasses import ByteStream
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.testing import document_store as sync
from haystack.testing import document_store_async as asynchronous

from deployments import RunningStores
from vpa.integrations.haystack import VPADocumentStore


class HaystackCases(
    sync.DocumentStoreBaseExtendedTests,
    sync.CountDocumentsByFilterTest,
    sync.CountUniqueMetadataByFilterTest,
    sync.GetMetadataFieldMinMaxTest,
    sync.GetMetadataFieldUniqueValuesTest,
    sync.GetMetadataFieldsInfoTest,
    asynchronous.CountDocumentsAsyncTest,
    asynchronous.CountDocumentsByFilterAsyncTest,
    asynchronous.CountUniqueMetadataByFilterAsyncTest,
    asynchronous.DeleteAllAsyncTest,
    asynchronous.DeleteByFilterAsyncTest,
    asynchronous.DeleteDocumentsAsyncTest,
    asynchronous.FilterDocumentsAsyncTest,
    asynchronous.GetMetadataFieldMinMaxAsyncTest,
    asynchronous.GetMetadataFieldUniqueValuesAsyncTest,
    asynchronous.GetMetadataFieldsInfoAsyncTest,
    asynchronous.UpdateByFilterAsyncTest,
    asynchronous.WriteDocumentsAsyncTest,
):
    """On the store of `store_name` in tests/deployments.py."""

    store_name = ""

    @pytest.fixture
    def document_store(self, stores: RunningStores) -> Iterator[VPADocumentStore]:  # type: ignore[override]
        config: Any = stores.config(self.store_name)
        made = VPADocumentStore(place=config, collection="haystack-tests", dimension=768)
        yield made
        made.delete_collection()
        made.close()

    @staticmethod
    def assert_documents_are_equal(received: list[Document], expected: list[Document]) -> None:
        """Haystack leaves the order to the store; an embedding is kept in float32."""
        assert sorted(map(_comparable, received), key=_id) == sorted(map(_comparable, expected), key=_id)

    def test_write_documents(self, document_store: Any) -> None:
        """Haystack leaves this one to the store: by default, an id that exists is an error."""
        documents = [Document(id="1", content="a"), Document(id="2")]
        assert document_store.write_documents(documents) == 2
        with pytest.raises(DuplicateDocumentError):
            document_store.write_documents(documents[:1])
        self.assert_documents_are_equal(document_store.filter_documents(), documents)

    async def test_write_documents_async(self, document_store: Any) -> None:
        documents = [Document(id="1", content="a"), Document(id="2")]
        assert await document_store.write_documents_async(documents) == 2
        with pytest.raises(DuplicateDocumentError):
            await document_store.write_documents_async(documents[:1])
        self.assert_documents_are_equal(await document_store.filter_documents_async(), documents)

    def test_what_haystacks_own_tests_leave_out(self, document_store: Any) -> None:
        """Filters on a document's own fields, metadata as JSON, blobs, documents with and without an embedding."""
        documents = [
            Document(
                id="a", content="first", meta={"parts": [{"id": "b", "range": [0, 5]}], "n": 1}, embedding=axis(0)
            ),
            Document(id="b", content="second", meta={"n": 2}, blob=ByteStream(b"\x00", mime_type="image/png")),
            Document(id="c", content="third", meta={"n": 3}, embedding=axis(1)),
        ]
        document_store.write_documents(documents)
        self.assert_documents_are_equal(document_store.filter_documents(), documents)
        by_content = {"field": "content", "operator": "in", "value": ["first", "second"]}
        not_first = {"operator": "NOT", "conditions": [{"field": "id", "operator": "==", "value": "a"}]}
        both = {"operator": "AND", "conditions": [by_content, not_first]}
        self.assert_documents_are_equal(document_store.filter_documents(both), documents[1:2])
        assert [found.id for found in document_store.embedding_retrieval(axis(0))] == ["a", "c"]
        assert [found.id for found in document_store.embedding_retrieval(axis(0), filters=not_first)] == ["c"]
        assert document_store.update_by_filter(by_content, {"parts": [[1]]}) == 2
        bare = {"field": "embedding", "operator": "==", "value": None}
        assert [found.meta for found in document_store.filter_documents(bare)] == [{"n": 2, "parts": [[1]]}]
        assert document_store.delete_by_filter(both) == 1
        assert document_store.count_documents() == 2


def axis(number: int) -> list[float]:
    """A unit vector."""
    return np.eye(768)[number].tolist()


def _comparable(document: Document) -> Document:
    if document.embedding is None:
        return document
    return replace(document, embedding=np.asarray(document.embedding, dtype=np.float32).tolist())


def _id(document: Document) -> str:
    return document.id
