"""From judged queries and a search, or its ready rankings, to an evaluation."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from numbers import Integral
from typing import Any, TypeAlias

from vpa.base.arguments import explained
from vpa.base.clock import Clock, SystemClock
from vpa.base.errors import InvalidQueryError, InvalidRecordError
from vpa.base.showing import shown
from vpa.evaluation.measures import Judgements, Measure, Ranking, parse_measure, relevant_count
from vpa.evaluation.report import Evaluation, QueryScores, summed_up
from vpa.kit.tasks import together
from vpa.kit.threads import Workers

Search: TypeAlias = Callable[[str], Awaitable[Sequence[str]] | Sequence[str]]
Qrels: TypeAlias = Mapping[str, Judgements]
# Told how many queries were answered, and of how many.
Progress: TypeAlias = Callable[[int, int], None]


@explained
async def evaluate(
    search: Search,
    queries: Mapping[str, str],
    qrels: Qrels,
    *,
    k: int = 10,
    measures: Sequence[str] | None = None,
    concurrency: int = 4,
    seed: int = 0,
    progress: Progress | None = None,
    clock: Clock | None = None,
) -> Evaluation:
    """Ask every judged query and measure the answers.

    `search` takes a question and returns document ids, best first. It is a coroutine function, called for up to
    `concurrency` queries at once, or a plain function, which runs in one worker thread, one call at a time. `queries`
    maps query ids to questions, `qrels` query ids to judged documents: `{"q1": {"document 7": 2}}`, 1 and above is
    relevant. Queries without a relevant document are left out and counted. `measures`: nDCG, recall, MRR, MAP and
    precision, with a depth ("recall@100") or over the whole ranking; by default nDCG, recall and MRR at depth `k`, and
    MAP. `seed` is that of the bootstrap. The seconds of a search include waiting for others that run beside it.

    Raises InvalidQueryError for arguments that break a rule and answers that are no document ids, InvalidRecordError
    for judgements that break one or where nothing is left; whatever `search` raises ends the evaluation.
    """
    chosen = _measures(measures, k)
    _check_positive("concurrency", concurrency)
    judged = _relevant(qrels, queries)
    questions = {query_id: queries[query_id] for query_id in judged}
    workers = Workers(size=1, name="vpa-evaluation")
    try:
        answers = await _answers(
            _asking(search, workers),
            questions,
            concurrency=concurrency,
            progress=progress or (lambda done, total: None),
            clock=clock or SystemClock(),
        )
    finally:
        await workers.close()
    rows = [
        QueryScores(query_id, _values(chosen, answers[query_id][0], qrels[query_id]), answers[query_id][1])
        for query_id in judged
    ]
    return summed_up(rows, measures=[str(one) for one in chosen], left_out=len(queries) - len(judged), seed=seed)


@explained
def evaluate_run(
    run: Mapping[str, Ranking],
    qrels: Qrels,
    *,
    k: int = 10,
    measures: Sequence[str] | None = None,
    seed: int = 0,
) -> Evaluation:
    """Measure ready rankings: `run` maps query ids to document ids, best first. Options and errors as of `evaluate`.

    A query of `qrels` that the run does not answer counts as 0: leaving out hard queries gains nothing.
    """
    chosen = _measures(measures, k)
    _check_mapping("run", run, "query ids to rankings")
    judged = _relevant(qrels, qrels)
    rows = []
    for query_id in judged:
        ranking = _checked(run.get(query_id, ()), query_id)
        rows.append(QueryScores(query_id, _values(chosen, ranking, qrels[query_id])))
    return summed_up(rows, measures=[str(one) for one in chosen], left_out=len(qrels) - len(judged), seed=seed)


def standard_measures(k: int) -> tuple[str, ...]:
    """What is measured where nothing else is asked for."""
    return (f"nDCG@{k}", f"recall@{k}", f"MRR@{k}", "MAP")


def _measures(measures: Sequence[str] | None, k: int) -> list[Measure]:
    _check_positive("k", k)
    if isinstance(measures, str):
        measures = [measures]
    chosen = list(
        dict.fromkeys(parse_measure(name) for name in (standard_measures(k) if measures is None else measures))
    )
    if not chosen:
        raise InvalidQueryError("measures is empty; leave it out for nDCG, recall, MRR and MAP")
    return chosen


def _check_positive(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidQueryError(f"{name} is a whole number from 1 up, not {shown(value)}")


def _relevant(qrels: Qrels, queries: Mapping[str, Any]) -> list[str]:
    """The queries that a relevant document is judged for, in the order of `queries`."""
    _check_mapping("queries", queries, "query ids to questions")
    _check_mapping("qrels", qrels, "query ids to judged documents")
    for query_id in queries:
        judgements = qrels.get(query_id, {})
        _check_mapping(f"qrels[{query_id!r}]", judgements, "document ids to judgements")
        for document_id, judgement in judgements.items():
            if not isinstance(judgement, Integral):
                raise InvalidRecordError(
                    f"query {query_id!r}: the judgement of document {document_id!r} must be a whole number, not "
                    f"{shown(judgement)}"
                )
    judged = [query_id for query_id in queries if relevant_count(qrels.get(query_id, {}))]
    if not judged:
        raise InvalidRecordError(
            f"none of {len(queries)} queries has a document that is judged 1 or above: nothing to evaluate; are the "
            "query ids those of the judgements?"
        )
    return judged


def _check_mapping(name: str, value: object, what: str) -> None:
    if not isinstance(value, Mapping):
        raise InvalidRecordError(f"{name} must map {what}, not be {shown(value)}")


def _values(measures: Sequence[Measure], ranking: Ranking, judgements: Judgements) -> dict[str, float]:
    return {str(measure): measure.of(ranking, judgements) for measure in measures}


def _checked(answer: Any, query_id: str) -> Ranking:
    is_sequence = isinstance(answer, Sequence) and not isinstance(answer, str | bytes)
    if not is_sequence or not all(isinstance(document_id, str) for document_id in answer):
        raise InvalidQueryError(
            f"query {query_id!r}: a ranking is a list of document ids, best first, not {shown(answer)}"
        )
    return list(answer)


def _asking(search: Search, workers: Workers) -> Callable[[str], Awaitable[Any]]:
    """`search` as a coroutine function; what blocks runs in a worker."""

    async def ask(question: str) -> Any:
        answer = search(question) if is_async else await workers.run(search, question)
        return await answer if inspect.isawaitable(answer) else answer

    is_async = inspect.iscoroutinefunction(search) or inspect.iscoroutinefunction(getattr(search, "__call__", None))  # noqa: B004
    return ask


async def _answers(
    ask: Callable[[str], Awaitable[Any]],
    questions: Mapping[str, str],
    *,
    concurrency: int,
    progress: Progress,
    clock: Clock,
) -> dict[str, tuple[Ranking, float]]:
    """Ranking and seconds by query id."""
    answers: dict[str, tuple[Ranking, float]] = {}
    waiting = iter(questions.items())

    async def work() -> None:
        for query_id, question in waiting:
            started = clock.monotonic()
            answer = await ask(question)
            answers[query_id] = (_checked(answer, query_id), clock.monotonic() - started)
            progress(len(answers), len(questions))
            # A search that never suspends must not keep cancellation out.
            await asyncio.sleep(0)

    await together([work() for _ in range(min(concurrency, len(questions)))])
    return answers
