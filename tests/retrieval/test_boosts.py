"""Scores raised by what a field holds, and by its date."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.making import candidate, names
from vpa import errors
from vpa.analysis.analyser import analyser_of
from vpa.retrieval.boosts import Recency, boost_fields, boost_recent, check_boosts, check_recency, seconds_of
from vpa.retrieval.candidates import Candidate, ranked

ENGLISH = analyser_of("english")
DAY_S = 86_400.0
NOW = 1_714_521_600.0  # 2024-05-01T00:00:00Z.


def boost(candidates: list[Candidate], question: str, boosts: dict[str, float]) -> None:
    terms = dict.fromkeys(ENGLISH.terms(question), 1.0)
    boost_fields(candidates, check_boosts(boosts), terms=terms, analyser=ENGLISH)


# Fields


def test_a_field_with_every_word_counts_in_full_and_one_with_some_by_their_share() -> None:
    full = candidate("full", 0.5, metadata={"topic": "Pumping of oils"})
    half = candidate("half", 0.5, metadata={"topic": "pumps"})
    none = candidate("none", 0.5, metadata={"topic": "cats"})
    boost([full, half, none], "oil pump", {"topic": 3.0})
    assert [full.score, half.score, none.score] == pytest.approx([1.5, 1.0, 0.5])
    assert [full.boosts, half.boosts, none.boosts] == [{"topic": 3.0}, {"topic": 2.0}, {}]


def test_the_title_of_the_document_is_a_field_and_one_of_metadata_goes_first() -> None:
    chunk = candidate("chunk", title="Pumps")
    record = candidate("record", metadata={"title": "pump"})
    both = candidate("both", metadata={"title": "cats"}, title="Pumps")
    boost([chunk, record, both], "pump", {"title": 2.0})
    assert [one.boosts for one in (chunk, record, both)] == [{"title": 2.0}, {"title": 2.0}, {}]


def test_lists_and_nested_fields_are_looked_into() -> None:
    tagged = candidate("tagged", metadata={"tags": ["cats", "pump"], "part": {"name": "valve"}})
    boost([tagged], "pump valve", {"tags": 3.0, "part.name": 5.0})
    assert tagged.boosts == {"tags": 2.0, "part.name": 3.0}
    assert tagged.score == pytest.approx(0.5 * 2 * 3)


def test_a_field_without_text_in_any_candidate_is_refused() -> None:
    for metadata in ({}, {"topic": 5}, {"topic": None}, {"topic": []}):
        with pytest.raises(errors.InvalidQueryError, match=r"none of the 2 candidates has a text in 'topic'.*'title'"):
            boost([candidate("a", metadata=metadata), candidate("b")], "pump", {"topic": 2.0})
    boost([], "pump", {"topic": 2.0})


def test_a_question_of_stop_words_boosts_nothing() -> None:
    chunk = candidate("a", title="The of")
    boost([chunk], "the of", {"title": 2.0})
    assert (chunk.score, chunk.boosts) == (0.5, {})


@given(st.floats(-1, 1), st.floats(1, 1e6))
def test_a_boost_never_lowers_a_score(score: float, factor: float) -> None:
    """Also not one below 0, which cosine and dot have."""
    with_it, without = candidate("a", score, title="pump"), candidate("b", score, title="cats")
    boost([with_it, without], "pump", {"title": factor})
    assert with_it.score >= without.score == score


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=20), st.floats(1, 1e6))
def test_candidates_that_are_boosted_alike_stay_in_order(scores: list[float], factor: float) -> None:
    candidates = ranked(candidate(str(number), score, title="pump") for number, score in enumerate(scores))
    boost(candidates, "pump", {"title": factor})
    assert [one.score for one in candidates] == sorted((one.score for one in candidates), reverse=True)


@pytest.mark.parametrize(
    "boosts, message",
    [
        (["title"], r"\{'title': 2.0\}, not \['title'\]"),
        ({"": 2}, "mapping of fields"),
        ({5: 2}, "mapping of fields"),
        ({"title": 0.5}, "the boost of 'title' must be a number from 1 to 1,000,000, not 0.5"),
        ({"title": "2"}, "not '2'"),
        ({"title": True}, "not True"),
        ({"title": float("nan")}, "not nan"),
        ({"title": float("inf")}, "not inf"),
        ({"title": 10**400}, "the boost of 'title'"),
    ],
)
def test_what_no_boosts_can_be_is_refused(boosts: Any, message: str) -> None:
    with pytest.raises(errors.InvalidQueryError, match=message):
        check_boosts(boosts)


def test_no_boosts_are_none() -> None:
    assert check_boosts(None) == check_boosts({}) == ()


# Recency


@given(st.floats(0.01, 1000), st.floats(0, 1), st.integers(0, 5))
def test_the_weighed_part_halves_with_every_half_life(half_life: float, weight: float, halvings: int) -> None:
    recency = Recency(field="date", half_life_days=half_life, weight=weight)
    chunk = candidate("a", metadata={"date": NOW - halvings * half_life * DAY_S})
    assert recency.factor(chunk, now=NOW) == pytest.approx(1 - weight + weight * 0.5**halvings, rel=1e-5)


def test_future_dates_are_as_of_today_and_missing_ones_infinitely_old() -> None:
    recency = Recency(field="date", weight=0.4)
    for metadata, factor in (
        ({"date": NOW + 1e9}, 1.0),
        ({"date": "2999-01-01"}, 1.0),
        ({"date": NOW}, 1.0),
        ({}, 0.6),
        ({"date": None}, 0.6),
        ({"date": "some day"}, 0.6),
        ({"date": True}, 0.6),
        ({"date": []}, 0.6),
    ):
        assert recency.factor(candidate("a", metadata=metadata), now=NOW) == pytest.approx(factor), metadata


def test_of_several_dates_the_latest_counts() -> None:
    chunk = candidate("a", metadata={"dates": ["2023-01-01", "2024-04-01", "soon"]})
    assert Recency(field="dates", half_life_days=30, weight=1).factor(chunk, now=NOW) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "value",
    [
        "2024-05-01",
        "20240501",
        "2024-05-01T00:00",
        "2024-05-01T00:00:00",
        "2024-05-01T00:00:00.000",
        "2024-05-01T00:00:00Z",
        "2024-05-01t00:00:00z",
        "2024-05-01 02:00:00+02:00",
        "2024-05-01T02:00+0200",
        "2024-04-30T19:00:00-05:00",
        1_714_521_600,
        1_714_521_600.0,
    ],
)
def test_one_moment_in_every_way_that_it_is_written(value: str | float) -> None:
    assert seconds_of(value) == NOW


@pytest.mark.parametrize("value", ["", "12", "May 1, 2024", "2024-02-30", True, None, float("nan"), [], {}, b"2024"])
def test_what_is_no_date_has_no_seconds(value: object) -> None:
    assert seconds_of(value) is None


@given(st.datetimes(timezones=st.none() | st.timezones()))
def test_any_date_that_python_writes_is_read(moment: Any) -> None:
    assert seconds_of(moment.isoformat()) is not None


def test_a_field_without_a_date_in_any_candidate_is_refused() -> None:
    recency = Recency(field="date")
    with pytest.raises(errors.InvalidQueryError, match=r"none of the 1 candidates has a date in 'date': ISO 8601"):
        boost_recent([candidate("a", metadata={"date": "soon"})], recency, now=NOW)
    boost_recent([], recency, now=NOW)


def test_newer_candidates_move_up_whether_their_scores_are_above_0_or_below() -> None:
    for score in (0.5, -0.5):
        candidates = [
            candidate("old", score, metadata={"date": "2000-01-01"}),
            candidate("new", score - 0.01, metadata={"date": "2024-04-30"}),
            candidate("undated", score),
        ]
        boost_recent(candidates, Recency(field="date", weight=1), now=NOW)
        assert names(ranked(candidates))[0] == "new"


def test_a_field_that_is_boosted_and_dated_tells_both() -> None:
    chunk = candidate("a", 0.5, metadata={"date": "2024-05-01"})
    boost([chunk], "2024-05-01", {"date": 2.0})
    boost_recent([chunk], Recency(field="date", half_life_days=1, weight=1), now=NOW + DAY_S)
    assert chunk.boosts == {"date": pytest.approx(1.0)}
    assert chunk.score == pytest.approx(0.5)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"field": ""}, "name of a date field, not ''"),
        ({"field": 5}, "name of a date field, not 5"),
        ({"field": "date", "half_life_days": 0}, "half_life_days must be a number above 0, not 0"),
        ({"field": "date", "half_life_days": float("inf")}, "not inf"),
        ({"field": "date", "half_life_days": 10**400}, "half_life_days"),
        ({"field": "date", "half_life_days": "30"}, "not '30'"),
        ({"field": "date", "weight": 1.1}, "from 0 to 1, not 1.1"),
        ({"field": "date", "weight": float("nan")}, "from 0 to 1, not nan"),
    ],
)
def test_what_no_recency_can_be_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.InvalidQueryError, match=message):
        Recency(**options)


def test_a_field_alone_is_no_recency() -> None:
    with pytest.raises(errors.InvalidQueryError, match=r"Recency\(field='date', half_life_days=30\), not 'date'"):
        check_recency("date")
    assert check_recency(None) is None
