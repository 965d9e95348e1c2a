"""Haystack's own tests on every store; on the two that take the longest with -m long."""

from __future__ import annotations

import numpy as np
import pytest
from haystack import Document

from deployments import PROVIDERS, RunningStores
from integrations import haystack_cases
from vpa.integrations.haystack import VPADocumentStore

LONG = ("pinecone", "weaviate")

for _provider, _form in PROVIDERS.items():
    _marks = [pytest.mark.long] if _provider in LONG else []
    _name = f"Test{_provider.title()}"
    globals()[_name] = type(
        _name, (haystack_cases.HaystackCases,), {"__module__": __name__, "store_name": _form, "pytestmark": _marks}
    )


def test_no_case_of_haystack_is_left_out() -> None:
    from haystack.testing import document_store, document_store_async

    classes = [*vars(document_store).values(), *vars(document_store_async).values()]
    cases = {name for kind in classes if isinstance(kind, type) for name in vars(kind) if name.startswith("test_")}
    assert cases <= set(dir(haystack_cases.HaystackCases))
    assert len(cases) >= 127


@pytest.mark.long
def test_thousands_of_documents_without_an_embedding_are_written_and_searched_on_chroma(stores: RunningStores) -> None:
    bare = [Document(id=f"bare{n}", content=f"text {n}") for n in range(4000)]
    axes = [Document(id=f"axis{n}", content="x", embedding=np.eye(768)[n].tolist()) for n in range(20)]
    with VPADocumentStore(place=stores.config(PROVIDERS["chromadb"]), collection="haystack-bare") as store:
        store.write_documents(bare + axes)
        found = store.embedding_retrieval(np.eye(768)[7].tolist(), top_k=20)
        assert found[0].id == "axis7"
        assert {document.id for document in found} == {document.id for document in axes}
        store.delete_collection()
