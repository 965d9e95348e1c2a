"""The words of a row as numbers and names, and what a rank by stored impacts says about scores."""

from __future__ import annotations

import numpy as np
import pytest

from vpa.analysis.analyser import analyser_of
from vpa.analysis.bm25 import WordStatistics, score
from vpa.base.keywords import KeywordIndex
from vpa.base.records import RecordBatch
from vpa.base.scope import Scope
from vpa.stores.layout.rows import encode
from vpa.stores.layout.words import REFERENCE_LENGTH, RowWords, WordQuery, at_most, term_name, term_number, words_of

KEYWORDS = KeywordIndex(language="none")


def statistics(mean: float) -> WordStatistics:
    return WordStatistics(records=1000, mean_length=mean, frequencies={f"t{n}": 1 + n * 13 for n in range(60)})


def product(words: RowWords, query: WordQuery) -> float:
    numbers, impacts = words.sparse
    asked = dict(zip(*query.sparse, strict=True))
    return sum(impact * asked.get(number, 0.0) for number, impact in zip(numbers, impacts, strict=True))


def test_a_product_of_sparse_vectors_is_the_score_at_the_reference_length() -> None:
    take = words_of(KEYWORDS)
    assert take is not None
    known = statistics(REFERENCE_LENGTH)
    text = "t1 t2 t2 t59 other " * 9
    query = WordQuery(known.weights({"t1": 1, "t2": 3, "t40": 1}), known)
    terms = analyser_of("none").terms(text)
    assert product(take(text, None), query) == pytest.approx(score(terms, {"t1": 1, "t2": 3, "t40": 1}, known))


@pytest.mark.parametrize("mean", [3.0, 40.0, 100.0, 900.0])
def test_no_score_is_above_what_the_product_says(mean: float) -> None:
    rng = np.random.default_rng(3)
    take, known = words_of(KEYWORDS), statistics(mean)
    assert take is not None
    asked = {f"t{n}": 1.0 for n in (1, 5, 30, 55)}
    query = WordQuery(known.weights(asked), known)
    for _ in range(300):
        text = " ".join(f"t{n}" for n in rng.integers(0, 60, size=rng.integers(1, 400)))
        exact = score(analyser_of("none").terms(text), asked, known)
        assert exact <= at_most(product(take(text, None), query), mean) * (1 + 1e-9)


def test_numbers_are_sorted_and_each_stands_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from vpa.stores.layout import words

    monkeypatch.setattr(words, "term_number", lambda term: len(term))
    row = RowWords({"aa": 3, "bb": 1, "c": 1}, 5)
    numbers, impacts = row.sparse
    assert numbers == [1, 2]
    assert impacts[1] > impacts[0]
    known = statistics(10.0)
    assert WordQuery({"aa": 1.0, "bb": 2.0, "c": 4.0}, known).sparse == ([1, 2], [4.0, 3.0])


def test_names_are_words_of_any_store() -> None:
    assert term_name("東京").isascii()
    assert term_name("東京").isalnum()
    assert len(term_name("x")) == 9
    assert term_number("x") < 2**32
    assert RowWords({"b": 2, "a": 1}, 3).names == [term_name("b"), term_name("a")]


def test_rows_have_words_where_the_collection_has_an_index() -> None:
    batch = RecordBatch(
        ids=["a", "b"],
        vectors=None,
        texts=["one two two", None],
        system=[{"title": "three"}, {}],
    )
    plain, worded = (encode(batch, scope=Scope(), words=words_of(known)).rows for known in (None, KEYWORDS))
    assert [row.words for row in plain] == [None, None]
    assert worded[0].words == RowWords({"three": 2, "one": 1, "two": 2}, 5)
    assert worded[1].words == RowWords({}, 0)
    # What is sent is what divides batches.
    assert worded[0].size_bytes > plain[0].size_bytes
