"""A model reads every chunk to its end: no text of a document lies outside its window."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpa.embeddings.minilm.model import MAX_TOKENS, MiniLM
from vpa.rag.chunking.splitter import Chunk, chunk_text
from vpa.rag.chunking.window import Window, fit

CHINESE = "".join(f"第{number}段讨论了流体力学中的边界层问题,以及高速飞行器表面的热传导。" for number in range(120))
RUSSIAN = " ".join(f"В разделе {number} рассматриваются уравнения пограничного слоя." for number in range(80))
CODE = "\n".join(
    f"def f_{number}(x: int) -> int:\n    return (x ** {number}) % {number + 7}  # {{}}[]\n" for number in range(90)
)
TABLE = "\n".join("|".join(f"{(row * 7919 + column) % 9973}" for column in range(12)) for row in range(90))
PROSE = " ".join(f"Sentence number {number} speaks of wings and of heat." for number in range(90))
KANA = "これはひらがなだけでかかれたとてもながいぶんしょうです" * 60
HASHES = "deadbeefcafe0123" * 200
ALL = {"zh": CHINESE, "ru": RUSSIAN, "code": CODE, "table": TABLE, "prose": PROSE, "kana": KANA, "hashes": HASHES}


@pytest.fixture(scope="module")
def model() -> MiniLM:
    return MiniLM()


@pytest.fixture(scope="module")
def window(model: MiniLM) -> Window:
    return Window(MAX_TOKENS, model.count_tokens)


def check_cover(content: str, chunks: list[Chunk]) -> None:
    assert all(content[chunk.start : chunk.end] == chunk.text for chunk in chunks)
    assert not content[: chunks[0].start].strip()
    assert not content[chunks[-1].end :].strip()
    for one, other in itertools.pairwise(chunks):
        assert one.start < other.start
        assert one.end < other.end
        assert not content[one.end : other.start].strip()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("title", ["", "A title of some words", "标题" * 200])
def test_every_character_lies_in_a_chunk_that_fits(window: Window, name: str, title: str) -> None:
    content = ALL[name]
    cut = chunk_text(content, size=1000, overlap=150)
    fitted = fit(cut, title=title, window=window, overlap=150)
    check_cover(content, list(fitted.chunks))
    assert all(window.holds(fitted.prefix + chunk.text) for chunk in fitted.chunks)
    assert fitted.recut == sum(not window.holds(fitted.prefix + chunk.text) for chunk in cut)
    assert fitted.title_was_cut is (len(title) > 100)


@pytest.mark.parametrize("name", ALL)
def test_the_end_of_a_chunk_is_in_its_vector(model: MiniLM, window: Window, name: str) -> None:
    fitted = fit(chunk_text(ALL[name], size=1000, overlap=150), title="Title", window=window, overlap=150)
    texts = [fitted.prefix + chunk.text for chunk in fitted.chunks][:4]
    whole, shorter = model.encode(texts), model.encode([text[:-12] for text in texts])
    assert np.all(np.einsum("ij,ij->i", whole, shorter) < 0.99999)


@pytest.mark.parametrize("name", ["zh", "ru", "code", "table"])
def test_what_had_to_be_cut_again_is_counted(window: Window, name: str) -> None:
    assert fit(chunk_text(ALL[name], size=1000, overlap=150), title="", window=window, overlap=150).recut > 0


def test_what_fits_is_left_alone(window: Window) -> None:
    chunks = chunk_text(PROSE, size=300, overlap=50)
    fitted = fit(chunks, title="T", window=window, overlap=50)
    assert (fitted.chunks, fitted.prefix, fitted.recut) == (chunks, "T. ", 0)
    assert fit(chunks, title="T", window=None, overlap=50).chunks is chunks


@given(
    st.text(min_size=1, max_size=400).filter(str.strip), st.text(max_size=60), st.integers(8, 40), st.integers(0, 20)
)
def test_it_holds_for_any_text_and_any_model(content: str, title: str, limit: int, overlap: int) -> None:
    # Two tokens of marks, and as many tokens a character as UTF-8 has bytes.
    small = Window(limit, lambda texts: [2 + len(text.encode("utf-8", "replace")) for text in texts])
    fitted = fit(chunk_text(content, size=100, overlap=overlap), title=title, window=small, overlap=overlap)
    check_cover(content, list(fitted.chunks))
    longest = max(fitted.chunks, key=lambda chunk: len(chunk.text))
    assert len(longest.text) == 1 or small.holds(fitted.prefix + longest.text)
