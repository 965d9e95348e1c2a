"""Haystack's own tests of document stores, unchanged, and what they do not ask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from haystack import Document
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy
from haystack.testing.document_store import DocumentStoreBaseTests

from deployments import RunningStores
from vpa.integrations.haystack import VPADocumentStore


class OnStore(DocumentStoreBaseTests):
    store = ""

    @pytest.fixture
    def document_store(self, stores: RunningStores) -> Iterator[VPADocumentStore]:  # type: ignore[override]
        config: Any = stores.config(self.store)
        made = VPADocumentStore(place=config, collection="haystack-tests", dimension=768)
        yield made
        made.delete_collection()
        made.close()

    def test_write_documents(self, document_store: Any) -> None:
        """Haystack leaves this one to the store: by default, an id that exists is an error."""
        documents = [Document(id="1", content="a"), Document(id="2")]
        assert document_store.write_documents(documents) == 2
        with pytest.raises(DuplicateDocumentError):
            document_store.write_documents(documents[:1])
        self.assert_documents_are_equal(document_store.filter_documents(), documents)


class TestEmbedded(OnStore):
    store = "mock"


class TestPgvector(OnStore):
    store = "pgvector"


del OnStore


@pytest.fixture
def store() -> Iterator[VPADocumentStore]:
    made = VPADocumentStore(dimension=2, tenant="acme")
    yield made
    made.close()


async def test_retrieval_finds_embedded_documents_only_and_keeps_filters(store: VPADocumentStore) -> None:
    documents = [Document(id=f"d{n}", content=f"{n}", meta={"n": n}, embedding=[1.0, n]) for n in range(5)]
    await store.write_documents_async([*documents, Document(id="bare", content="x", meta={"n": 1})])
    found = await store.embedding_retrieval_async(
        [0.0, 1.0], filters={"field": "meta.n", "operator": "<", "value": 4}, top_k=3
    )
    assert [(one.id, one.score) for one in found] == [("d3", 3.0), ("d2", 2.0), ("d1", 1.0)]
    assert found[0].embedding == [1.0, 3.0]
    assert store.count_documents() == 6


def test_the_store_goes_through_a_dictionary_without_its_key(store: VPADocumentStore) -> None:
    data = VPADocumentStore(dimension=2, api_key="hush").to_dict()
    assert "hush" not in str(data)
    again = VPADocumentStore.from_dict(data)
    assert again.write_documents([Document(id="1")], policy=DuplicatePolicy.SKIP) == 1
    again.close()


def test_what_cannot_be_stored_is_refused(store: VPADocumentStore) -> None:
    from haystack.dataclasses import ByteStream

    with pytest.raises(ValueError, match="blob"):
        store.write_documents([Document(id="1", blob=ByteStream(b"x"))])
