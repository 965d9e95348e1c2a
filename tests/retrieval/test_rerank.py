"""A second look at the best candidates: what it may give, how long it may take, what it counts."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import itertools
import threading
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.making import candidate, names, row
from vpa import errors
from vpa.retrieval.candidates import Candidate, ranked
from vpa.retrieval.rerank import Reranked, Reranker, as_reranker, reranked

SCORES = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20)


async def rerank(
    candidates: Sequence[Candidate], function: Any, *, depth: int = 50, weight: float = 1.0, seconds: float = 30.0
) -> Reranked:
    reranker = as_reranker(function)
    assert reranker is not None
    return await reranked("question", candidates, reranker, depth=depth, weight=weight, seconds=seconds)


# The order


@given(SCORES, st.data())
def test_weight_1_is_the_order_of_the_reranker_and_weight_0_that_so_far(scores: list[float], data: Any) -> None:
    judged = data.draw(st.lists(st.floats(-1e6, 1e6), min_size=len(scores), max_size=len(scores)))

    def function(question: str, texts: Sequence[str]) -> list[float]:
        return judged

    def after(weight: float) -> tuple[list[Candidate], list[Candidate]]:
        candidates = row(scores)
        return candidates, asyncio.run(rerank(candidates, function, weight=weight)).candidates

    before, stayed = after(0.0)
    assert names(stayed) == names(before)
    before, moved = after(1.0)
    values = [one.reranked or 0.0 for one in moved]
    spread = max(judged) - min(judged)
    assert all(first >= second - 1e-9 * spread for first, second in itertools.pairwise(values))
    assert sorted(names(moved)) == sorted(names(before))


async def test_the_reranker_sees_the_question_and_the_texts_in_order() -> None:
    seen: list[Any] = []

    def function(question: str, texts: Sequence[str]) -> list[float]:
        seen.append((question, list(texts)))
        return [1.0, 2.0]

    candidates = ranked([candidate("a", 0.9, text="first"), candidate("b", 0.8, text=None)])
    outcome = await rerank(candidates, function)
    assert seen == [("question", ["first", ""])]
    assert names(outcome.candidates) == ["b", "a"]
    assert [(one.reranked, one.rank) for one in outcome.candidates] == [(2.0, 2), (1.0, 1)]
    assert outcome.notes == ()


async def test_only_the_best_are_looked_at_and_the_rest_stays_in_order() -> None:
    # By id the rest stands the other way round.
    candidates = ranked(candidate(f"c{9 - number}", 0.9 - number / 10) for number in range(6))
    outcome = await rerank(candidates, lambda question, texts: [1.0, 3.0, 2.0], depth=3)
    assert names(outcome.candidates) == ["c8", "c7", "c9", "c6", "c5", "c4"]
    assert [one.reranked for one in outcome.candidates] == [3.0, 2.0, 1.0, None, None, None]


async def test_equal_judgements_leave_the_order() -> None:
    candidates = ranked([candidate("z", 0.9), candidate("a", 0.8), candidate("m", 0.1)])
    assert names((await rerank(candidates, lambda question, texts: [5, 5, 5])).candidates) == ["z", "a", "m"]


async def test_scores_of_any_size_are_compared() -> None:
    outcome = await rerank(row([0.9, 0.5, 0.1]), lambda question, texts: [-1.7e308, 0.0, 1.7e308])
    assert [one.score for one in outcome.candidates] == [1.0, 0.5, 0.0]


async def test_none_and_one_candidate_need_no_reranker() -> None:
    def never(question: str, texts: Sequence[str]) -> list[float]:
        raise AssertionError

    assert (await rerank([], never)).candidates == []
    assert names((await rerank(row([0.5]), never)).candidates) == ["c000"]


# What it may be


@pytest.mark.parametrize(
    "answer",
    [(1, 2), [1, 2.0], np.asarray([1, 2]), [np.float32(1), np.float32(2)], [Decimal(1), Decimal(2)], [0, True]],
)
async def test_numbers_of_any_kind_are_taken(answer: Any) -> None:
    assert names((await rerank(row([0.9, 0.5]), lambda question, texts: answer)).candidates) == ["c001", "c000"]


async def test_a_plain_function_runs_beside_the_event_loop_and_an_asynchronous_one_on_it() -> None:
    threads: list[int] = []

    def plain(question: str, texts: Sequence[str]) -> list[float]:
        threads.append(threading.get_ident())
        return [1.0, 2.0]

    async def asynchronous(question: str, texts: Sequence[str]) -> list[float]:
        return plain(question, texts)

    class Model:
        async def __call__(self, question: str, texts: Sequence[str]) -> list[float]:
            return plain(question, texts)

    def later(question: str, texts: Sequence[str]) -> Any:
        return asynchronous(question, texts)

    for function in (plain, asynchronous, Model(), later, functools.partial(asynchronous)):
        assert names((await rerank(row([0.9, 0.5]), function)).candidates) == ["c001", "c000"]
    assert threads[0] != threading.get_ident()
    assert set(threads[1:]) == {threading.get_ident()}


async def test_a_reranker_is_taken_as_it_is() -> None:
    class ByLength(Reranker):
        async def scores(self, question: str, candidates: Sequence[Candidate]) -> list[float]:
            return [len(one.text) for one in candidates]

    reranker = ByLength()
    assert as_reranker(reranker) is reranker
    assert as_reranker(None) is None
    candidates = ranked([candidate("a", 0.9, text="x"), candidate("b", 0.8, text="xx")])
    assert names((await rerank(candidates, reranker)).candidates) == ["b", "a"]


@pytest.mark.parametrize("rerank", ["cross-encoder", 5, [], {}])
def test_what_no_reranker_can_be_is_refused(rerank: Any) -> None:
    with pytest.raises(
        errors.InvalidQueryError, match=r"a function \(question, texts\) -> numbers, or a Reranker, not"
    ):
        as_reranker(rerank)


def test_one_function_is_one_reranker_and_a_method_of_one_object_too() -> None:
    class Model:
        __hash__ = None  # type: ignore[assignment]

        def predict(self, question: str, texts: Sequence[str]) -> list[float]:
            return [0.0] * len(texts)

        __call__ = predict

    model, other = Model(), Model()
    assert as_reranker(model.predict) == as_reranker(model.predict)
    assert hash(as_reranker(model.predict)) == hash(as_reranker(model.predict))
    assert as_reranker(model) == as_reranker(model)
    assert as_reranker(model.predict) != as_reranker(other.predict)
    assert as_reranker(model) != as_reranker(other)
    assert as_reranker(max) != as_reranker(min)


# What it may not give


@pytest.mark.parametrize(
    "answer, message",
    [
        ([1.0, float("nan")], "gave nan for text 2 of 2; scores are finite numbers"),
        ([float("-inf"), 0.0], "gave -inf for text 1 of 2"),
        ([1.0], r"shape \(1,\) for 2 texts"),
        ([1.0, 2.0, 3.0], r"shape \(3,\) for 2 texts"),
        ([[1.0], [2.0]], r"shape \(2, 1\) for 2 texts"),
        ([[1.0], [2.0, 3.0]], "one number a text"),
        ([], r"shape \(0,\)"),
        (0.5, r"shape \(\) for 2 texts"),
        (None, "one number a text"),
        ("12", "gave '12'; it gives one number a text"),
        (["1", "2"], "one number a text"),
        (["a", "b"], "one number a text"),
        ([1j, 2j], "one number a text"),
        ({"a": 1}, "one number a text"),
        ([10**400, 1], "one number a text"),
        ([None, 1.0], "gave nan for text 1"),
        ((value for value in (1.0, 2.0)), "one number a text"),
    ],
)
async def test_what_is_not_one_finite_number_a_text_is_refused(answer: Any, message: str) -> None:
    def mine(question: str, texts: Sequence[str]) -> Any:
        return answer

    with pytest.raises(errors.RerankerError, match=f"the reranker 'mine' .*{message}"):
        await rerank(row([0.9, 0.5]), mine)


async def test_what_it_raises_is_named_and_chained_and_an_error_of_ours_stays() -> None:
    def broken(question: str, texts: Sequence[str]) -> list[float]:
        raise KeyError("model")

    async def search(question: str, texts: Sequence[str]) -> list[float]:
        raise errors.ServiceUnavailableError("it is down")

    with pytest.raises(errors.RerankerError, match=r"'broken' failed with KeyError: 'model'; search without") as caught:
        await rerank(row([0.9, 0.5]), broken)
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(errors.RerankerError, match="failed with RuntimeError: StopIteration was raised"):
        await rerank(row([0.9, 0.5]), lambda question, texts: next(iter(())))
    with pytest.raises(errors.ServiceUnavailableError, match="it is down"):
        await rerank(row([0.9, 0.5]), search)


async def test_a_slow_one_is_not_waited_for_and_the_order_stays() -> None:
    async def slow(question: str, texts: Sequence[str]) -> list[float]:
        await asyncio.Event().wait()
        return []

    release = threading.Event()

    def blocking(question: str, texts: Sequence[str]) -> list[float]:
        release.wait(30)
        return [1.0, 2.0]

    for function in (slow, blocking):
        outcome = await rerank(row([0.9, 0.5]), function, seconds=0.01)
        assert names(outcome.candidates) == ["c000", "c001"]
        assert outcome.notes == (f"the reranker '{function.__name__}' took longer than 0.01 s: the order is as it was",)
        assert [(one.score, one.reranked) for one in outcome.candidates] == [(0.9, None), (0.5, None)]
    release.set()


async def test_any_number_that_never_return_hold_up_no_other() -> None:
    release = threading.Event()

    def hanging(question: str, texts: Sequence[str]) -> list[float]:
        release.wait(30)
        return [0.0] * len(texts)

    for _ in range(40):
        assert (await rerank(row([0.9, 0.5]), hanging, seconds=0.001)).notes
    outcome = await rerank(row([0.9, 0.5]), lambda question, texts: [1.0, 2.0])
    assert (names(outcome.candidates), outcome.notes) == (["c001", "c000"], ())
    # Nor what else runs in threads of the loop.
    assert await asyncio.to_thread(lambda: 5) == 5
    release.set()


async def test_what_a_function_reads_of_the_context_is_the_callers() -> None:
    name = contextvars.ContextVar("name", default="")
    name.set("cats")
    seen: list[str] = []

    def judge(question: str, texts: Sequence[str]) -> list[float]:
        seen.append(name.get())
        return [0.0] * len(texts)

    await rerank(row([0.9, 0.5]), judge)
    assert seen == ["cats"]


async def test_one_that_gave_up_by_itself_has_failed() -> None:
    async def impatient(question: str, texts: Sequence[str]) -> list[float]:
        raise TimeoutError("the service did not answer")

    with pytest.raises(errors.RerankerError, match="failed with TimeoutError: the service did not answer"):
        await rerank(row([0.9, 0.5]), impatient)


async def test_a_cancelled_search_is_cancelled() -> None:
    entered = asyncio.Event()

    async def slow(question: str, texts: Sequence[str]) -> list[float]:
        entered.set()
        await asyncio.Event().wait()
        return []

    task = asyncio.create_task(rerank(row([0.9, 0.5]), slow))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
