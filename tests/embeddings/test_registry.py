"""An embedder of another package: installed with its entry point, it works by its name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from vpa.base.errors import EmbedderError
from vpa.compose import create_enhanced_rag_system
from vpa.config.settings import DeploymentConfig
from vpa.embeddings import catalog, registry

PACKAGE = """
def create(*, model, path):
    def embed(texts):
        return [[len(text), 1.0, float(model or 0)] for text in texts]
    return embed

def broken(*, model, path):
    raise KeyError("ACME_KEY")

def wrong(*, model, path):
    return 5
"""
ENTRIES = "[vpa.embeddings]\nacme = acme_vectors:create\nbroken = acme_vectors:broken\nwrong = acme_vectors:wrong\ngone = acme_gone:create\n"  # noqa: E501


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As pip installs it: a module, and a dist-info folder that names the entry points."""
    (tmp_path / "acme_vectors.py").write_text(PACKAGE)
    info = tmp_path / "acme_vectors-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-vectors\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRIES)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "acme_vectors", raising=False)


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(("name", "last"), [("acme", 0), ("ACME", 0), ("acme:7", 7)])
async def test_a_package_s_embedder_works_by_its_name(name: str, last: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPA_EMBEDDING_MODEL", name)
    async with create_enhanced_rag_system(DeploymentConfig()) as rag:
        await rag.add_document(document_id="a", content="some words")
        assert [result.document_id for result in await rag.search_knowledge("words")] == ["a"]
    embedder = registry.create(name, path=None)
    assert embedder is not None
    await embedder.open()
    assert (await embedder.embed(["abc"], kind="query")).tolist() == [[3, 1, last]]
    await embedder.close()


@pytest.mark.usefixtures("acme")
def test_factories_that_fail_are_named() -> None:
    for name, said in (("broken", "ACME_KEY"), ("wrong", "int is no embedder"), ("gone", "acme_gone")):
        with pytest.raises(EmbedderError, match=said):
            catalog.load_embedder(name)


@pytest.mark.usefixtures("acme")
def test_a_mistyped_name_is_compared_with_installed_ones_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(EmbedderError, match="did you mean 'acme'"):
        catalog.load_embedder("acne")


@pytest.mark.parametrize("given", ["hashing", lambda texts: [[1.0, 2.0]] * len(texts)])
async def test_a_name_or_any_callable_replaces_the_configured_model(given: object) -> None:
    async with create_enhanced_rag_system(DeploymentConfig(embedding_model="absent"), embedder=given) as rag:
        await rag.add_document(document_id="a", content="some words")
        assert [result.document_id for result in await rag.search_knowledge("words")] == ["a"]
