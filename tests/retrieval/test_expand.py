"""More than one way to ask: synonyms, a rewriting, words of the best answers, and the answers made one."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.making import candidate, names, row
from vpa import errors
from vpa.analysis.analyser import analyser_of
from vpa.retrieval.candidates import ranked
from vpa.retrieval.expand import check_expansion, fed_back, merged_variants, variants

ENGLISH = analyser_of("english")


async def ask(question: str, expand: Any) -> list[str]:
    return await variants(question, check_expansion(expand), ENGLISH)


# Synonyms


async def test_a_word_is_replaced_however_it_is_inflected_one_at_a_time() -> None:
    assert await ask("Repairing pumps, and valves!", {"repair": ["fix"], "pump": ["compressor", "impeller"]}) == [
        "Repairing pumps, and valves!",
        "fix pumps, and valves!",
        "Repairing compressor, and valves!",
        "Repairing impeller, and valves!",
    ]


async def test_words_that_stand_together_are_replaced_as_one() -> None:
    synonyms = {"machine learning": ["ML"], "state of the art": ["latest"], "ML": ["machine learning"]}
    assert await ask("the machines learning", synonyms) == ["the machines learning", "the ML"]
    assert await ask("a state of the art pump", synonyms) == ["a state of the art pump", "a latest pump"]
    assert (await ask("ML now", synonyms))[1:] == ["machine learning now"]


async def test_two_forms_of_one_word_have_the_synonyms_of_both() -> None:
    assert await ask("cars", {"car": ["auto"], "cars": ["vehicles"]}) == ["cars", "auto", "vehicles"]


async def test_stop_words_have_no_synonyms() -> None:
    assert await ask("the pump of it", {"the": ["a"], "": ["x"], "...": ["y"], "it": ["z"]}) == ["the pump of it"]


async def test_codes_are_replaced_as_they_are_written() -> None:
    assert await ask("oil for X-200b", {"x-200B": ["Y7"]}) == ["oil for X-200b", "oil for Y7"]


async def test_there_are_at_most_eight_variants_all_different_the_question_first() -> None:
    many = [f"word{number}" for number in range(20)]
    for expand in ({"pump": ["pump", "pump", " ", *many]}, lambda question: ["pump", "", *many], lambda question: many):
        asked = await ask("pump", expand)
        assert asked[0] == "pump"
        assert 7 <= len(asked) <= 8
        assert len(set(asked)) == len(asked)
        assert all(text.strip() for text in asked)


@given(st.text(max_size=60), st.dictionaries(st.text(max_size=10), st.lists(st.text(max_size=10), max_size=3)))
async def test_any_text_has_variants(question: str, synonyms: dict[str, list[str]]) -> None:
    asked = await ask(question, synonyms)
    assert asked[0] == question
    assert len(asked) <= 8


async def test_synonyms_may_come_from_an_iterator_and_are_read_once() -> None:
    expansion = check_expansion({"pump": (word for word in ("compressor", "fan"))})
    for _ in range(2):
        assert await variants("pump", expansion, ENGLISH) == ["pump", "compressor", "fan"]


@pytest.mark.parametrize(
    "expand",
    ["feedbak", 5, ["pump"], {"pump": "fan"}, {"pump": None}, {"pump": [5]}, {"pump": [{}]}, {5: ["fan"]}, b"feedback"],
)
def test_what_no_expansion_can_be_is_refused(expand: Any) -> None:
    with pytest.raises(errors.InvalidQueryError, match=r"expand is 'feedback', a mapping|expand maps a word to a list"):
        check_expansion(expand)


async def test_none_and_feedback_ask_one_way() -> None:
    assert await ask("pump", None) == await ask("pump", "feedback") == ["pump"]


# A rewriting


async def test_a_rewriting_gives_strings_or_one_at_once_or_later() -> None:
    async def later(question: str) -> list[str]:
        return [question.upper(), "fan"]

    async def one_later(question: str) -> str:
        return "fan"

    def lazily(question: str) -> Iterator[str]:
        yield "fan"
        yield "compressor"

    class Model:
        __hash__ = None  # type: ignore[assignment]

        async def __call__(self, question: str) -> set[str]:
            return {"fan"}

    assert await ask("pump", later) == ["pump", "PUMP", "fan"]
    assert await ask("pump", one_later) == ["pump", "fan"]
    assert await ask("pump", lazily) == ["pump", "fan", "compressor"]
    assert await ask("pump", Model()) == ["pump", "fan"]
    assert await ask("pump", lambda question: "fan") == ["pump", "fan"]
    assert await ask("pump", lambda question: ("fan" for _ in itertools.count())) == ["pump", "fan"]
    for nothing in ([], "", [" "], ()):
        assert await ask("pump", lambda question, nothing=nothing: nothing) == ["pump"]


@pytest.mark.parametrize("answer", [None, 5, [1], ["fan", None], {"fan": 1}.values(), b"fan"])
async def test_what_are_no_strings_is_refused(answer: Any) -> None:
    async def later(question: str) -> Any:
        return answer

    for rewriting in (later, lambda question: answer):
        with pytest.raises(errors.InvalidQueryError, match="the rewriting of a question gives strings, not"):
            await ask("pump", rewriting)


async def test_a_plain_rewriting_runs_beside_the_event_loop() -> None:
    threads: list[int] = []

    def slow(question: str) -> Iterator[str]:
        threads.append(threading.get_ident())
        yield "fan"

    await ask("pump", slow)
    assert threads != [threading.get_ident()]


async def test_what_a_rewriting_raises_is_raised() -> None:
    def broken(question: str) -> list[str]:
        raise KeyError("model")

    with pytest.raises(KeyError, match="model"):
        await ask("pump", broken)
    with pytest.raises(RuntimeError, match="StopIteration was raised"):
        await ask("pump", lambda question: next(iter(())))


# Feedback


def test_feedback_adds_the_frequent_words_of_the_best_lightly() -> None:
    terms = {"pump": 1.0, "oil": 1.0}
    believed = [
        candidate("a", 2.0, text="The pump needs lubricant, lubricant and lubricant."),
        candidate("b", 1.0, text="pump seals"),
    ]
    fed = fed_back(terms, believed, ENGLISH)
    assert terms == {"pump": 1.0, "oil": 1.0}
    new = {term: weight for term, weight in fed.items() if term not in terms}
    assert set(new) == {*ENGLISH.terms("lubricant needs seals")}
    assert max(new, key=lambda term: new[term]) == ENGLISH.terms("lubricant")[0]
    assert fed["oil"] == 1.0 < fed["pump"]
    assert sum(fed.values()) == pytest.approx(2.0 * 1.15)


def test_feedback_adds_at_most_twenty_words_and_none_of_what_has_none() -> None:
    text = " ".join(f"word{number}" for number in range(100))
    assert len(fed_back({"pump": 1.0}, [candidate("a", text=text)], ENGLISH)) == 21
    for text in ("", "the of", "..."):
        assert fed_back({"pump": 1.0}, [candidate("a", text=text)], ENGLISH) == {"pump": 1.0}
    assert fed_back({"pump": 1.0}, [], ENGLISH) == {"pump": 1.0}


# The answers made one


def test_one_answer_stays_as_it_is() -> None:
    answer = row([0.9, 0.5])
    assert merged_variants([answer]) == answer
    assert [one.score for one in answer] == [0.9, 0.5]


def test_what_several_variants_have_goes_first_with_what_the_first_says_of_it() -> None:
    first = ranked([candidate("a", 0.9), candidate("b", 0.8)])
    second = ranked([candidate("b", 0.3), candidate("c", 0.2)])
    merged = merged_variants([first, second])
    assert names(merged) == ["b", "a", "c"]
    assert merged[0] is first[1]
    assert merged[0].score == pytest.approx((61 / 62 + 1) / 2)
    assert [one.rank for one in merged] == [1, 2, 3]


def test_answers_that_agree_leave_the_order_and_the_best_has_1() -> None:
    merged = merged_variants([row([0.9, 0.5, 0.1]), row([0.9, 0.5, 0.1])])
    assert names(merged) == ["c000", "c001", "c002"]
    assert merged[0].score == pytest.approx(1.0)
    assert merged_variants([[], []]) == []
