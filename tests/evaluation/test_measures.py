"""Measures of one ranking agree with ir_measures, which asks trec_eval."""

from __future__ import annotations

import ir_measures
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpa.errors import InvalidQueryError
from vpa.evaluation.measures import Judgements, Ranking, parse_measure

IDS = [f"d{number}" for number in range(14)]
# Ours and theirs.
NAMES = {
    "nDCG@10": ir_measures.nDCG @ 10,
    "nDCG@3": ir_measures.nDCG @ 3,
    "nDCG": ir_measures.nDCG,
    "recall@10": ir_measures.R @ 10,
    "recall@2": ir_measures.R @ 2,
    "MRR@10": ir_measures.RR @ 10,
    "MRR": ir_measures.RR,
    "MAP": ir_measures.AP,
    "MAP@5": ir_measures.AP @ 5,
    "precision@1": ir_measures.P @ 1,
    "precision@10": ir_measures.P @ 10,
}
# Graded and negative judgements, some documents without any; one at least is relevant.
judgements = st.dictionaries(st.sampled_from(IDS), st.integers(-2, 4), min_size=1).filter(
    lambda judged: max(judged.values()) >= 1
)
rankings = st.lists(st.sampled_from([*IDS, "unjudged 1", "unjudged 2"]), min_size=1, unique=True)


def theirs(ranking: Ranking, judged: Judgements) -> dict[str, float]:
    qrels = [ir_measures.Qrel("q", document_id, judgement) for document_id, judgement in judged.items()]
    run = [ir_measures.ScoredDoc("q", document_id, -float(rank)) for rank, document_id in enumerate(ranking)]
    values = {metric.measure: metric.value for metric in ir_measures.iter_calc(list(NAMES.values()), qrels, run)}
    return {name: values[measure] for name, measure in NAMES.items()}


def ours(ranking: Ranking, judged: Judgements) -> dict[str, float]:
    return {name: parse_measure(name).of(ranking, judged) for name in NAMES}


@given(rankings, judgements)
def test_every_measure_is_what_trec_eval_says(ranking: list[str], judged: dict[str, int]) -> None:
    assert ours(ranking, judged) == pytest.approx(theirs(ranking, judged), abs=1e-9)


@given(rankings, judgements, st.data())
def test_a_document_that_comes_again_counts_at_its_first_place(
    ranking: list[str], judged: dict[str, int], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(ranking), max_size=5))
    places = data.draw(st.lists(st.integers(0, 20), min_size=len(again), max_size=len(again)))
    doubled = list(ranking)
    for place, document_id in zip(places, again, strict=True):
        doubled.insert(max(place, doubled.index(document_id) + 1), document_id)
    assert ours(doubled, judged) == pytest.approx(theirs(ranking, judged), abs=1e-9)


@given(judgements)
def test_the_best_order_has_an_ndcg_of_one_and_no_answer_has_nothing(judged: dict[str, int]) -> None:
    best = sorted(judged, key=lambda document_id: -judged[document_id])
    assert parse_measure("nDCG").of(best, judged) == pytest.approx(1)
    assert set(ours([], judged).values()) == {0.0}


def test_where_nothing_is_relevant_every_measure_is_zero() -> None:
    assert set(ours(["a", "b"], {"a": 0, "b": -1}).values()) == {0.0}


def test_precision_over_the_whole_ranking_divides_by_its_length() -> None:
    assert parse_measure("precision").of(["a", "b", "a", "c"], {"a": 1}) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("text", "name"),
    [("ndcg@10", "nDCG@10"), ("R@5", "recall@5"), ("ap", "MAP"), ("rr@3", "MRR@3"), ("P@1", "precision@1")],
)
def test_a_measure_is_read_in_any_case_and_by_its_names_elsewhere(text: str, name: str) -> None:
    assert str(parse_measure(text)) == name


@pytest.mark.parametrize("text", ["f1", "nDCG@", "nDCG@0", "nDCG@-1", "nDCG@x", "@10", "", "recall@1.5", None, 10])
def test_what_is_no_measure_is_answered_with_those_there_are(text: object) -> None:
    with pytest.raises(InvalidQueryError, match="a measure is one of nDCG, recall, MRR, MAP, precision"):
        parse_measure(text)
