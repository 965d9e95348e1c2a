"""What `vpa evaluate` prints: a table for people, JSON for programs, and a file with the values of each query."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vpa.base.errors import ConfigurationError
from vpa.commands.common import print_json, print_line, print_table
from vpa.evaluation import Comparison, Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One or two evaluations with their names (modes, or files of runs), and what was seen on the way.

    `blank` documents have neither title nor text, `missing` ones are judged relevant and not in the corpus,
    `unanswered` counts questions that hold nothing to search for; they count as 0.
    """

    names: Sequence[str]
    evaluations: Sequence[Evaluation]
    comparison: Comparison | None
    depth: int
    source: str = ""
    documents: int = 0
    chunks: int = 0
    blank: int = 0
    missing: int = 0
    unanswered: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def show(outcome: Outcome, *, per_query: str | None, as_json: bool) -> None:
    """On stdout; the values of each query in the file `per_query`."""
    if per_query is not None:
        _write(Path(per_query), "".join("\t".join(row) + "\n" for row in _query_rows(outcome)))
    if as_json:
        print_json(_as_json(outcome))
        return
    first = outcome.evaluations[0]
    if outcome.comparison is None:
        rows = [(name, f"{first.mean[name]:.4f}", _interval(first.interval[name])) for name in first.measures]
        print_table(("measure", "mean", "95 % interval"), rows, title=str(outcome.names[0]))
    else:
        _show_comparison(outcome, outcome.comparison)
    for line in _notes(outcome):
        print_line(line)


def _show_comparison(outcome: Outcome, comparison: Comparison) -> None:
    first, second = outcome.evaluations
    rows = [
        (
            name,
            f"{first.mean[name]:.4f}",
            f"{second.mean[name]:.4f}",
            f"{test.difference:+.4f}",
            _interval(test.interval, sign="+"),
            _probability(test.p_value),
            f"{test.better} / {test.worse} / {test.equal}",
        )
        for name, test in comparison.tests.items()
    ]
    columns = ("measure", *outcome.names, "difference", "95 % interval", "p", "better / worse / equal")
    print_table(columns, rows)


def _interval(interval: Any, *, sign: str = "") -> str:
    return f"{interval.low:{sign}.4f} to {interval.high:{sign}.4f}"


def _probability(p_value: float) -> str:
    return "< 0.0001" if p_value < 0.0001 else f"{p_value:.4f}"


def _notes(outcome: Outcome) -> Iterator[str]:
    first = outcome.evaluations[0]
    left_out = f", {first.left_out} left out: no relevant document is judged" if first.left_out else ""
    yield f"{len(first.per_query)} queries{left_out}; rankings of up to {outcome.depth} documents"
    if outcome.documents:
        yield f"{outcome.documents} documents as {outcome.chunks} chunks"
    if outcome.blank:
        yield f"documents with neither title nor text: {outcome.blank}, not added"
    if outcome.missing:
        yield f"relevant documents that are not in the collection: {outcome.missing}, which no search can find"
    if outcome.unanswered:
        yield f"questions with nothing to search for: {outcome.unanswered}, counted as 0"
    for name, evaluation in zip(outcome.names, outcome.evaluations, strict=True):
        if evaluation.seconds is not None:
            p50, p95 = (1000 * seconds for seconds in (evaluation.seconds.p50, evaluation.seconds.p95))
            yield f"{name} search: p50 {p50:.1f} ms, p95 {p95:.1f} ms, four at once"


def _as_json(outcome: Outcome) -> dict[str, Any]:
    facts = {
        name: getattr(outcome, name)
        for name in ("source", "depth", "documents", "chunks", "blank", "missing", "unanswered", "failed")
    }
    evaluations = [
        {"name": name, **evaluation.to_json()}
        for name, evaluation in zip(outcome.names, outcome.evaluations, strict=True)
    ]
    comparison = None if outcome.comparison is None else outcome.comparison.to_json()
    return {**facts, "evaluations": evaluations, "comparison": comparison}


def _query_rows(outcome: Outcome) -> Iterator[list[str]]:
    """A header line and a line per query; with two evaluations the columns of both."""
    several = len(outcome.evaluations) > 1
    named = list(zip(outcome.names, outcome.evaluations, strict=True))
    header = [f"{name} {measure}" if several else measure for name, one in named for measure in one.measures]
    yield ["query-id", *header]
    for rows in zip(*(evaluation.per_query for evaluation in outcome.evaluations), strict=True):
        values = [f"{value:.6f}" for row in rows for value in row.values.values()]
        yield [" ".join(rows[0].query_id.split()), *values]


def _write(path: Path, text: str) -> None:
    """All of it or nothing: a reader never meets half a file."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, "utf-8")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ConfigurationError(f"{path} cannot be written: {error.strerror or error}") from error
