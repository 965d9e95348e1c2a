"""Evaluations of functions that answer questions, and of ready rankings."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Sequence
from typing import Any

import ir_measures
import numpy as np
import pytest

from vpa.errors import ArgumentError, InvalidQueryError, InvalidRecordError, ServiceUnavailableError
from vpa.evaluation import Evaluation, compare, evaluate, evaluate_run

QUERIES = {"1": "one?", "2": "two?", "3": "three?"}
QRELS = {"1": {"a": 2, "b": 1}, "2": {"c": 1}, "3": {"a": 0, "b": -1}, "4": {"a": 1}}
ANSWERS = {"one?": ["a", "x", "b"], "two?": ["x", "c"]}


async def search(question: str) -> list[str]:
    await asyncio.sleep(0)
    return ANSWERS[question]


def random_run(seed: int) -> tuple[dict[str, list[str]], dict[str, dict[str, int]]]:
    random = np.random.default_rng(seed)
    ids = [f"d{number}" for number in range(60)]
    qrels = {f"q{query}": {name: int(random.integers(-1, 4)) for name in ids[:30]} for query in range(25)}
    run = {query_id: list(random.permutation(ids)[: random.integers(1, 50)]) for query_id in list(qrels)[:23]}
    return {query_id: [str(name) for name in ranking] for query_id, ranking in run.items()}, qrels


async def test_every_query_with_a_relevant_document_is_asked_and_the_others_are_counted() -> None:
    asked: list[tuple[int, int]] = []
    evaluation = await evaluate(search, QUERIES, QRELS, k=2, progress=lambda done, total: asked.append((done, total)))
    assert evaluation.measures == ("nDCG@2", "recall@2", "MRR@2", "MAP")
    assert [row.query_id for row in evaluation.per_query] == ["1", "2"]
    assert evaluation.left_out == 1
    assert asked == [(1, 2), (2, 2)]
    assert evaluation.mean["recall@2"] == 0.75
    assert evaluation.values("MRR@2") == [1.0, 0.5]
    assert evaluation.mean["MAP"] == pytest.approx(((1 + 2 / 3) / 2 + 0.5) / 2)
    assert evaluation.interval["MRR@2"].low <= 0.75 <= evaluation.interval["MRR@2"].high
    assert evaluation.seconds is not None
    assert 0 <= evaluation.seconds.p50 <= evaluation.seconds.p95


async def test_a_plain_function_is_asked_in_one_thread_and_a_coroutine_beside_others() -> None:
    threads = []

    def plain(question: str) -> Sequence[str]:
        threads.append(threading.current_thread())
        return tuple(ANSWERS[question])

    evaluation = await evaluate(plain, QUERIES, QRELS)
    expected = await evaluate(lambda question: search(question), QUERIES, QRELS)
    assert evaluation.mean == expected.mean
    assert len(set(threads)) == 1
    assert threads[0] is not threading.main_thread()
    assert not threads[0].is_alive()


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_so_many_searches_run_at_once(concurrency: int) -> None:
    running, most = 0, 0

    async def counted(question: str) -> list[str]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(5):
            await asyncio.sleep(0)
        running -= 1
        return [question]

    queries = {str(number): f"question {number}" for number in range(20)}
    qrels = {query_id: {question: 1} for query_id, question in queries.items()}
    evaluation = await evaluate(counted, queries, qrels, concurrency=concurrency)
    assert most == concurrency
    assert set(evaluation.mean.values()) == {1.0}


async def test_an_error_of_the_search_is_raised_as_it_is() -> None:
    async def fails(question: str) -> list[str]:
        raise ServiceUnavailableError(question)

    with pytest.raises(ServiceUnavailableError, match="one"):
        await evaluate(fails, QUERIES, QRELS)


async def test_a_search_that_never_waits_can_be_cancelled() -> None:
    async def endless(question: str) -> list[str]:
        if question == "9 ?":
            task.cancel()
        return []

    queries = {str(number): f"{number} ?" for number in range(1000)}
    qrels = {query_id: {"a": 1} for query_id in queries}
    answered = 0

    def count(done: int, total: int) -> None:
        nonlocal answered
        answered = done

    task = asyncio.ensure_future(evaluate(endless, queries, qrels, progress=count))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert answered < 50


@pytest.mark.parametrize("seed", range(5))
def test_the_means_of_a_run_are_those_of_ir_measures(seed: int) -> None:
    run, qrels = random_run(seed)
    names = ("nDCG@10", "recall@10", "MRR@10", "MAP", "precision@5")
    measures = [ir_measures.nDCG @ 10, ir_measures.R @ 10, ir_measures.RR @ 10, ir_measures.AP, ir_measures.P @ 5]
    theirs = ir_measures.calc_aggregate(
        measures,
        [ir_measures.Qrel(query, name, value) for query, judged in qrels.items() for name, value in judged.items()],
        [
            ir_measures.ScoredDoc(query, name, -float(rank))
            for query, ranking in run.items()
            for rank, name in enumerate(ranking)
        ],
    )
    evaluation = evaluate_run(run, qrels, measures=names)
    assert len(evaluation.per_query) == 25
    assert evaluation.seconds is None
    for name, measure in zip(names, measures, strict=True):
        assert evaluation.mean[name] == pytest.approx(theirs[measure], abs=1e-9)


async def test_a_run_of_the_same_answers_is_the_same_evaluation() -> None:
    asked = await evaluate(search, QUERIES, QRELS)
    ready = evaluate_run({"1": ANSWERS["one?"], "2": ANSWERS["two?"]}, {key: QRELS[key] for key in QUERIES})
    assert (asked.mean, asked.interval, asked.left_out) == (ready.mean, ready.interval, ready.left_out)


def test_what_is_written_as_json_is_all_there_is() -> None:
    run, qrels = random_run(0)
    evaluation = evaluate_run(run, qrels, measures=["nDCG@10", "MAP"])
    plain = json.loads(json.dumps(evaluation.to_json()))
    assert plain["queries"] == 25 == len(plain["per_query"])
    assert plain["measures"]["MAP"]["mean"] == evaluation.mean["MAP"]
    assert plain["measures"]["MAP"]["low"] == evaluation.interval["MAP"].low
    assert plain["per_query"][0] == {"query_id": "q0", "values": dict(evaluation.per_query[0].values), "seconds": None}
    assert str(evaluation).startswith("25 queries: nDCG@10 0.")


def test_two_evaluations_are_compared_query_by_query() -> None:
    run, qrels = random_run(1)
    better = {
        query_id: sorted(ranking, key=lambda name: -qrels[query_id].get(name, 0)) for query_id, ranking in run.items()
    }
    comparison = compare(evaluate_run(better, qrels), evaluate_run(run, qrels, measures=["MAP", "nDCG@10", "MRR"]))
    assert (comparison.queries, list(comparison.tests)) == (25, ["nDCG@10", "MAP"])
    test = comparison.tests["MAP"]
    assert test.better > 15
    assert (test.worse, test.better + test.equal) == (0, 25)
    assert test.interval.low > 0
    assert test.p_value < 0.001
    plain = json.loads(json.dumps(comparison.to_json()))
    assert plain["measures"]["MAP"]["low"] == test.interval.low
    assert str(comparison).startswith("25 queries: nDCG@10 +0.")


def test_only_the_same_queries_and_measures_are_compared() -> None:
    run, qrels = random_run(2)
    whole = evaluate_run(run, qrels)
    part = evaluate_run(run, {query_id: qrels[query_id] for query_id in list(qrels)[:20]})
    with pytest.raises(InvalidQueryError, match="5 are in one only, such as 'q20'"):
        compare(whole, part)
    with pytest.raises(
        InvalidQueryError, match="no measure in common: nDCG@10, recall@10, MRR@10, MAP and precision@3"
    ):
        compare(whole, evaluate_run(run, qrels, measures=["precision@3"]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k is a whole number from 1 up, not 0"),
        ({"k": True}, "k is a whole number"),
        ({"concurrency": 0}, "concurrency is a whole number from 1 up"),
        ({"measures": ["F1"]}, "a measure is one of"),
        ({"measures": []}, "measures is empty"),
    ],
)
async def test_options_that_break_a_rule_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidQueryError, match=message):
        await evaluate(search, QUERIES, QRELS, **options)


async def test_an_option_of_another_name_is_answered_with_the_one_that_is_meant() -> None:
    with pytest.raises(ArgumentError, match="evaluate takes k, not top_k"):
        await evaluate(search, QUERIES, QRELS, top_k=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("qrels", "message"),
    [
        ({}, "none of 3 queries has a document that is judged 1 or above"),
        ({"1": {"a": 0}}, "none of 3 queries"),
        ({"1": {"a": 0.5}}, "query '1': the judgement of document 'a' must be a whole number, not 0.5"),
        ({"1": {"a": "1"}}, "must be a whole number, not '1'"),
        ({"1": ["a"]}, r"qrels\['1'\] must map document ids to judgements"),
        ([("1", "a", 1)], "qrels must map query ids to judged documents"),
    ],
)
async def test_judgements_that_say_nothing_are_refused(qrels: Any, message: str) -> None:
    with pytest.raises(InvalidRecordError, match=message):
        await evaluate(search, QUERIES, qrels)


@pytest.mark.parametrize("answer", ["a", None, [1, 2], {"a"}, [("a", 0.5)]])
async def test_an_answer_that_is_no_list_of_ids_is_refused(answer: Any) -> None:
    with pytest.raises(InvalidQueryError, match="query '1': a ranking is a list of document ids, best first"):
        await evaluate(lambda question: answer, QUERIES, QRELS)


async def test_queries_without_ids_are_refused() -> None:
    with pytest.raises(InvalidRecordError, match="queries must map query ids to questions"):
        await evaluate(search, ["one?"], QRELS)  # type: ignore[arg-type]
    with pytest.raises(InvalidRecordError, match="run must map query ids to rankings"):
        evaluate_run([["a"]], QRELS)  # type: ignore[arg-type]


def test_an_evaluation_is_a_value() -> None:
    run, qrels = random_run(3)
    evaluation = evaluate_run(run, qrels)
    assert isinstance(evaluation, Evaluation)
    assert evaluation == evaluate_run(run, qrels)
    with pytest.raises(AttributeError):
        evaluation.left_out = 5  # type: ignore[misc]
