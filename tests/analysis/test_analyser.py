"""What terms a text has: words, codes, numbers and addresses, in many scripts; always the same ones."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpa.analysis import cutting
from vpa.analysis.analyser import analyser_of
from vpa.analysis.languages import LANGUAGES, language_of, parse_language
from vpa.base.errors import ConfigurationError


def terms(text: str, language: str = "english") -> list[str]:
    return analyser_of(language).terms(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The wings of flying machines", ["wing", "fli", "machin"]),
        ("X-200b X200b", ["x-200b", "x200b", "200b", "x200b"]),
        ("X-200b’s", ["x-200b", "x200b", "200b"]),
        ("release 2.5.1.", ["releas", "2.5.1"]),
        ("on 2024-01-15 at 10:30", ["2024-01-15", "10:30"]),
        ("1,234,567 or 3,5", ["1234567", "3,5"]),
        ("foo.bar@example.com", ["foo.bar@example.com", "foo", "bar", "exampl", "com"]),
        ("COVID-19", ["covid-19", "covid19", "covid"]),
        ("e-mail email", ["email", "mail", "email"]),
        ("a well-known and/or state-of-the-art", ["well", "known", "state", "art"]),
        ("U.S.A.", ["usa"]),
        ("don't dogs' the dog's O'Brien", ["dont", "dog", "dog", "obrien"]),
        ("C++, C# and C", ["c++", "c#", "c"]),
        ("AT&T R&D", ["at&t", "r&d"]),
        ("snake_case __init__ _", ["snake_case", "snake", "case", "init"]),
        ("naïve Café ÆSIR straße", ["naiv", "cafe", "aesir", "strass"]),
        ("cafe\u0301 ﬁne ２０２４", ["cafe", "fine", "2024"]),
        ("https://example.com/a-b?x=12", ["https", "example.com", "exampl", "com", "ab", "x", "12"]),
        ("!?… -- ''", []),
        ("", []),
    ],
)
def test_terms_of_english(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("french", "l'avion d'Afrique, aujourd’hui", ["avion", "afriqu", "aujourd", "hui"]),
        ("german", "die Häuser und Straßen", ["haus", "strass"]),
        ("turkish", "IŞIK İstanbul'da", ["isik", "istanbul"]),
        ("russian", "в лесах и полях", ["лес", "пол"]),
        ("hindi", "हिन्दी में किताबें", ["हिन्द", "किताब"]),
        ("arabic", "في الكتاب", ["كتاب"]),
        ("greek", "οι γάτες", ["γατ"]),
        ("none", "The Cafés", ["the", "cafes"]),
    ],
)
def test_terms_of_other_languages(language: str, text: str, expected: list[str]) -> None:
    assert terms(text, language) == expected


@pytest.mark.parametrize(
    ("text", "question"), [("東京都に住む", "京都"), ("绿茶很好", "绿茶"), ("ภาษาไทยง่าย", "ไทย"), ("학교에서", "학교")]
)
def test_two_characters_of_a_script_without_blanks_are_found(text: str, question: str) -> None:
    asked = terms(question)
    assert asked
    assert set(asked) <= set(terms(text))


def test_one_han_character_is_found() -> None:
    assert set(terms("茶")) <= set(terms("我喜欢绿茶"))


def test_there_are_at_least_fifteen_languages_with_stems_and_stop_words() -> None:
    assert len(LANGUAGES) >= 16
    for name in LANGUAGES:
        language = language_of(name)
        assert bool(language.stop_words) == (name != "none")
        assert not [word for word in language.stop_words if terms(word, name)]


@pytest.mark.parametrize(
    ("given", "name"), [("en", "english"), ("English", "english"), ("pt-BR", "portuguese"), ("de_AT", "german")]
)
def test_languages_have_names_and_codes(given: str, name: str) -> None:
    assert parse_language(given) == name


@pytest.mark.parametrize("given", ["englsh", "", "klingon", 7, None])
def test_an_unknown_language_is_answered_with_those_there_are(given: object) -> None:
    with pytest.raises(ConfigurationError, match="swedish, turkish, none, or an ISO 639-1 code") as caught:
        parse_language(given)
    assert ("did you mean 'english'?" in str(caught.value)) == (given == "englsh")


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_places_are_those_of_the_terms(text: str) -> None:
    analyser = analyser_of("english")
    places = list(analyser.occurrences(text))
    assert [place.term for place in places] == analyser.terms(text)
    for place in places:
        assert 0 <= place.start < place.end <= len(text)


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=60))
@settings(max_examples=300, deadline=None)
def test_the_quick_way_for_ascii_cuts_as_the_other(text: str) -> None:
    assert cutting.chunks(text) == cutting._ANY.findall(text)


def test_what_a_chunk_holds_does_not_depend_on_what_was_asked_before() -> None:
    texts = [f"{word}-{number} {word}s {word}@x{number}.org" for word in ("alpha", "beta") for number in range(50)]
    before = [analyser_of("english").terms(text) for text in texts]
    random.Random(1).shuffle(texts)
    again = {text: analyser_of("english").terms(text) for text in texts}
    assert sorted(map(tuple, before)) == sorted(map(tuple, again.values()))


def test_another_process_has_the_same_version() -> None:
    code = "from vpa.analysis.analyser import analyser_of; print(analyser_of('dutch').identity)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == str(analyser_of("dutch").identity)
    assert analyser_of("dutch").identity.version.startswith("2-")


def test_a_word_without_end_is_cut() -> None:
    assert [len(term) for term in terms("x" * 5000)] == [100]


@pytest.mark.parametrize(
    ("accented", "plain"), [("résumé", "resume"), ("Beyoncé", "Beyonce"), ("cliché", "cliche"), ("Straße", "Strasse")]
)
def test_english_words_with_and_without_accents_meet(accented: str, plain: str) -> None:
    assert analyser_of("english").terms(accented) == analyser_of("english").terms(plain)
