"""Pipelines: the retriever as a component, what is saved of it, and the modules that Haystack loads it from."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from haystack import Document, Pipeline, component
from haystack.components.caching import CacheChecker
from haystack.components.preprocessors import DocumentSplitter, HierarchicalDocumentSplitter
from haystack.components.retrievers import AutoMergingRetriever, FilterRetriever, SentenceWindowRetriever
from haystack.components.writers import DocumentWriter
from haystack.document_stores.types import FilterPolicy
from haystack.utils import Secret

from haystack_integrations.components.retrievers.vpa import VPAEmbeddingRetriever
from haystack_integrations.document_stores.vpa import VPADocumentStore
from vpa.base.errors import ClosedError
from vpa.integrations import haystack
from vpa.stores.config import VectorDatabaseConfig

ROOT = Path(__file__).resolve().parents[2]
ABOVE_ONE = {"field": "meta.n", "operator": ">", "value": 1}
BELOW_FOUR = {"field": "meta.n", "operator": "<", "value": 4}


@pytest.fixture
def store() -> Iterator[VPADocumentStore]:
    with VPADocumentStore() as made:
        made.write_documents([Document(id=f"d{n}", meta={"n": n}, embedding=[1.0, float(n)]) for n in range(5)])
        yield made


def ids(answer: dict[str, Any]) -> list[str]:
    return [document.id for document in answer["documents"]]


@component
class Embedder:
    """Stands for a model."""

    @component.output_types(embedding=list[float])
    def run(self, text: str) -> dict[str, list[float]]:
        return {"embedding": [0.0, float(len(text))]}


# The component


async def test_a_run_takes_what_the_component_was_made_with_or_its_own(store: VPADocumentStore) -> None:
    retriever = VPAEmbeddingRetriever(store, filters=BELOW_FOUR, top_k=2)
    assert ids(retriever.run([0.0, 1.0])) == ["d3", "d2"]
    assert ids(await retriever.run_async([0.0, 1.0], top_k=1)) == ["d3"]
    assert ids(retriever.run([0.0, 1.0], filters=ABOVE_ONE)) == ["d4", "d3"]
    assert ids(retriever.run([0.0, 1.0], score_threshold=3.0)) == ["d3"]
    [nearest] = (await retriever.run_async([0.0, 1.0], top_k=1, return_embedding=True))["documents"]
    assert (nearest.score, nearest.embedding) == (3.0, [1.0, 3.0])
    assert retriever.run([0.0, 1.0])["documents"][0].embedding is None


@pytest.mark.parametrize("policy", [FilterPolicy.MERGE, "merge"])
def test_filters_are_merged_on_demand(store: VPADocumentStore, policy: Any) -> None:
    retriever = VPAEmbeddingRetriever(store, filters=BELOW_FOUR, filter_policy=policy, score_threshold=0.5)
    not_three = {"field": "id", "operator": "!=", "value": "d3"}
    assert ids(retriever.run([0.0, 1.0], filters=not_three)) == ["d2", "d1"]


def test_a_retriever_refuses_what_cannot_work(store: VPADocumentStore) -> None:
    from haystack.document_stores.in_memory import InMemoryDocumentStore

    with pytest.raises(TypeError, match="InMemoryDocumentStore"):
        VPAEmbeddingRetriever(InMemoryDocumentStore())
    with pytest.raises(ValueError, match="top_k"):
        VPAEmbeddingRetriever(store, top_k=0)


async def test_a_pipeline_that_is_closed_closes_its_store() -> None:
    for is_async in (False, True):
        store = VPADocumentStore()
        pipeline = Pipeline()
        pipeline.add_component("retrieve", VPAEmbeddingRetriever(store))
        assert pipeline.run({"retrieve": {"query_embedding": [1.0]}}) == {"retrieve": {"documents": []}}
        await pipeline.close_async() if is_async else pipeline.close()
        with pytest.raises(ClosedError):
            store.count_documents()


# Components of Haystack that ask a store themselves


def test_a_window_of_sentences_is_read_around_a_match(store: VPADocumentStore) -> None:
    splitter = DocumentSplitter(split_by="word", split_length=2)
    parts = splitter.run([Document(content=" ".join(f"word{n}" for n in range(12)))])["documents"]
    store.write_documents(parts)
    [window] = SentenceWindowRetriever(store, window_size=1).run([parts[2]])["context_windows"]
    assert window.split() == ["word2", "word3", "word4", "word5", "word6", "word7"]


def test_parts_are_merged_into_their_parent(store: VPADocumentStore) -> None:
    text = Document(content="one two three four five six seven eight")
    parts = HierarchicalDocumentSplitter(block_sizes={4, 2}, split_overlap=0).run([text])["documents"]
    store.write_documents(parts)
    leaves = [part for part in parts if not part.meta["__children_ids"]]
    merged = AutoMergingRetriever(store, threshold=0.6).run(leaves[:2])["documents"]
    assert [document.content.strip() for document in merged] == ["one two three four"]


def test_filters_and_caches_ask_the_store(store: VPADocumentStore) -> None:
    assert len(FilterRetriever(store, filters=ABOVE_ONE).run()["documents"]) == 3
    known = CacheChecker(store, cache_field="meta.n").run([1, 7])
    assert (ids({"documents": known["hits"]}), known["misses"]) == (["d1"], [7])


# Saved pipelines


def test_a_saved_pipeline_is_loaded_and_finds_the_documents(tmp_path: Path) -> None:
    store = VPADocumentStore(place=f"mock://{tmp_path}", collection="articles", metric="cosine")
    writing = Pipeline()
    writing.add_component("write", DocumentWriter(store))
    documents = [Document(id=f"d{n}", meta={"n": n}, embedding=[1.0, float(n)]) for n in range(5)]
    assert Pipeline.loads(writing.dumps()).run({"write": {"documents": documents}}) == {
        "write": {"documents_written": 5}
    }

    asking = Pipeline()
    asking.add_component("embed", Embedder())
    retriever = VPAEmbeddingRetriever(
        store, filters=BELOW_FOUR, top_k=2, score_threshold=0.1, filter_policy=FilterPolicy.MERGE, return_embedding=True
    )
    asking.add_component("retrieve", retriever)
    asking.connect("embed.embedding", "retrieve.query_embedding")
    text = asking.dumps()
    assert "type: haystack_integrations.components.retrievers.vpa.VPAEmbeddingRetriever" in text
    assert "type: haystack_integrations.document_stores.vpa.VPADocumentStore" in text
    again = Pipeline.loads(text, allowed_modules=[Embedder.__module__])
    assert again.dumps() == text
    assert ids(again.run({"embed": {"text": "four"}})["retrieve"]) == ["d3", "d2"]
    for pipeline in (writing, asking, again):
        for name in pipeline.graph.nodes:
            getattr(pipeline.get_component(name), "document_store", store).close()


def test_a_pipeline_is_loaded_by_a_program_that_imported_nothing_of_ours(tmp_path: Path) -> None:
    pipeline = Pipeline()
    pipeline.add_component("retrieve", VPAEmbeddingRetriever(VPADocumentStore(place=f"mock://{tmp_path / 'data'}")))
    (tmp_path / "saved.yaml").write_text(pipeline.dumps())
    program = (
        "import sys; from haystack import Pipeline; pipeline = Pipeline.loads(open('saved.yaml').read()); "
        "assert pipeline.run({'retrieve': {'query_embedding': [1.0]}}) == {'retrieve': {'documents': []}}"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_secrets_are_saved_by_their_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    store = VPADocumentStore(place=Secret.from_env_var("HAY_PLACE"), api_key=Secret.from_env_var("HAY_KEY"))
    data = store.to_dict()
    assert data["init_parameters"]["api_key"] == {"type": "env_var", "env_vars": ["HAY_KEY"], "strict": True}
    again = VPADocumentStore.from_dict(data)
    assert again.to_dict() == data
    # They are read when the store is first used.
    with pytest.raises(ValueError, match="HAY_PLACE"):
        again.count_documents()
    monkeypatch.setenv("HAY_PLACE", f"mock://{tmp_path}")
    monkeypatch.setenv("HAY_KEY", "hush")
    assert again.write_documents([Document(id="1", embedding=[1.0])]) == 1
    assert "hush" not in str(again.to_dict())
    again.close()


def test_a_key_that_would_be_written_down_is_refused() -> None:
    with pytest.raises(ValueError, match="token"):
        VPADocumentStore(api_key="hush").to_dict()
    with pytest.raises(ValueError, match="from_env_var") as refused:
        VPADocumentStore(place="postgresql://me:hush@localhost/db").to_dict()
    assert "hush" not in str(refused.value)
    with pytest.raises(ValueError, match="VectorDatabaseConfig"):
        VPADocumentStore(place=VectorDatabaseConfig()).to_dict()


# The modules


def test_both_names_are_one_class() -> None:
    assert haystack.VPADocumentStore is VPADocumentStore
    assert haystack.VPAEmbeddingRetriever is VPAEmbeddingRetriever
    assert VPADocumentStore.__module__ == "haystack_integrations.document_stores.vpa"


def test_the_wheel_has_the_modules_and_leaves_the_folders_to_all_integrations(tmp_path: Path) -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert set(wheel["packages"]) == {"src/vpa", "src/haystack_integrations"}
    files = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src" / "haystack_integrations").rglob("*.py")}
    assert files == {
        "haystack_integrations/document_stores/vpa/__init__.py",
        "haystack_integrations/components/retrievers/vpa/__init__.py",
    }
    # Another package has its own folder of the name.
    other = tmp_path / "haystack_integrations" / "document_stores" / "other"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("name = 'other'\n")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); "
        "from haystack_integrations.document_stores import other, vpa; "
        "assert other.name == 'other' and vpa.VPADocumentStore"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
