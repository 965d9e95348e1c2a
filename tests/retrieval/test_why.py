"""Why a result stands where it does: the words of the question in its content, and the way to JSON and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpa.analysis.analyser import analyser_of
from vpa.analysis.languages import LANGUAGES
from vpa.retrieval.why import MatchedWord, Why, matched_words

ENGLISH = analyser_of("english")
# What joins words, what parts them, words that stem alike, and scripts without blanks.
PIECES = st.sampled_from(
    [
        *("pump", "Pumps", "pumping", "X-200b", "x200", "C++", "c#", "l'avion", "don't", "dog’s", "U.S.A", "1,000"),
        *("a_b", "_x_", "naïve", "Straße", "東京都", "ไทย", "한국어", "\u0301", "e-mail", "me@a.org", "10.5", "·", "'"),
        *("’", "-", "/", "_", "+", "#", " ", "\n", ".", ",", "&", "🙂", "the", "ﬁne", "İstanbul", "①"),
    ]
)
TEXTS = st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=12).map("".join))


@given(text=TEXTS, question=TEXTS, language=st.sampled_from(LANGUAGES))
def test_a_matched_word_is_cut_from_the_content_and_has_a_term_of_the_question(
    text: str, question: str, language: str
) -> None:
    analyser = analyser_of(language)
    terms = set(analyser.terms(question))
    words = list(matched_words(text, terms, analyser))
    for word in words:
        assert text[word.start : word.end] == word.word
        assert 0 <= word.start < word.end <= len(text)
        assert word.term in terms
    # A place whose word has two terms, as a code with and without its hyphen, is told once.
    asked = [place for place in analyser.occurrences(text) if place.term in terms]
    assert [(word.start, word.end) for word in words] == list(dict.fromkeys((one.start, one.end) for one in asked))
    assert [word.start for word in words] == sorted(word.start for word in words)


@given(text=TEXTS)
def test_every_term_of_a_text_is_a_matched_word_of_it(text: str) -> None:
    terms = ENGLISH.terms(text)
    words = list(matched_words(text, set(terms), ENGLISH))
    assert {(word.start, word.end) for word in words} == {(one.start, one.end) for one in ENGLISH.occurrences(text)}
    assert {word.term for word in words} <= set(terms)


def test_words_are_told_as_they_are_written() -> None:
    text = "Pumps: the pumping of X-200b."
    assert list(matched_words(text, set(ENGLISH.terms("pump x-200B")), ENGLISH)) == [
        MatchedWord(word="Pumps", term="pump", start=0, end=5),
        MatchedWord(word="pumping", term="pump", start=11, end=18),
        MatchedWord(word="X-200b", term="x-200b", start=22, end=28),
        MatchedWord(word="200b", term="200b", start=24, end=28),
    ]


@pytest.mark.parametrize("terms", [set(), {"nothing"}])
def test_where_nothing_is_asked_for_no_word_matches(terms: set[str]) -> None:
    assert list(matched_words("pump of oil", terms, ENGLISH)) == []
    assert list(matched_words("", {"pump"}, ENGLISH)) == []


def test_all_that_is_known_goes_to_json_and_back() -> None:
    full = Why(
        mode="hybrid",
        dense_rank=1,
        keyword_rank=2,
        keyword_score=3.5,
        fused=0.75,
        boosts={"title": 2.0},
        reranked=-1.25,
        rank_before=4,
        words=(MatchedWord(word="Pumps", term="pump", start=0, end=5),),
        notes=("slow",),
    )
    for why in (full, Why(mode="dense")):
        assert Why.from_json(json.loads(json.dumps(why.to_json()))) == why


def test_what_json_holds_is_a_copy() -> None:
    boosts = {"title": 2.0}
    why = Why(mode="dense", boosts=boosts)
    why.to_json()["boosts"]["title"] = 5.0
    assert boosts == {"title": 2.0}
    with pytest.raises(TypeError, match="unhashable"):
        hash(why)
