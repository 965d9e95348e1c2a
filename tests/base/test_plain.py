"""Values travel: JSON, pickle, deepcopy, `dataclasses.asdict` and `==` work on all that a program is given."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from typing import Any

import numpy as np
import pytest

import vpa
from vpa import F, errors
from vpa.base.records import Match, Matches, Usage
from vpa.filters import as_filter, matches
from vpa.rag.documents import SearchResult

METADATA = {"year": 2024, "tags": ["x"], "author": {"name": "ann"}}


def vector() -> Any:
    return np.array([0.1, 0.2, 0.3], dtype=np.float32)


def values() -> dict[str, Any]:
    match = Match("a", 0.5, 0.5, "text", dict(METADATA), vector())
    return {
        "record": vpa.Record("a", vector=vector(), text="t", metadata=METADATA, system={"n": 1}),
        "record of a list": vpa.Record("a", vector=[1.0, 2.0]),
        "record without a vector": vpa.Record("a", vector=None),
        "batch": vpa.RecordBatch(ids=["a", "b"], vectors=np.ones((2, 3), dtype=np.float32), metadata=[METADATA, {}]),
        "columns": vpa.RecordBatch.from_columns(ids=["a"], vectors=[[1, 2]], metadata={"n": [1]}, texts=["t"]),
        "match": match,
        "matches": Matches((match, match), True, Usage(0.1, 3, 1, ("yaer",))),
        "result": SearchResult(
            document_id="d",
            title="t",
            content="c",
            score=0.5,
            metadata=dict(METADATA),
            start=0,
            end=1,
            chunk_id="c",
            chunk_index=0,
            chunk_count=1,
            version=1,
        ),
        "info": vpa.CollectionInfo(name="docs", dimension=3, metric=vpa.Metric.DOT, store_options={"m": 8}),
        "scope": vpa.Scope("ann", "x"),
    }


@pytest.mark.parametrize("kind", values())
def test_a_value_is_copied_pickled_and_compared_by_what_it_holds(kind: str) -> None:
    value, twin = values()[kind], values()[kind]
    assert value == twin
    assert [value] == [twin]
    assert value != dataclasses.replace(value, **_other(value))
    assert value != "something else"
    for copied in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert copied == value
    assert set(dataclasses.asdict(value)) == {field.name for field in dataclasses.fields(value)}


def _other(value: Any) -> dict[str, Any]:
    name = {"Record": "id", "Match": "score", "RecordBatch": "cursor", "Matches": "exact", "Scope": "tenant"}.get(
        type(value).__name__, "version" if isinstance(value, SearchResult) else "name"
    )
    return {name: {"exact": False, "score": 0.25, "version": 2}.get(name, "other")}


@pytest.mark.parametrize("kind", ["record", "record of a list", "match", "matches", "result", "info"])
def test_a_value_comes_back_from_json(kind: str) -> None:
    value = values()[kind]
    assert type(value).from_json(json.loads(json.dumps(value.to_json()))) == value


def test_records_that_differ_in_their_vectors_are_not_equal() -> None:
    record = values()["record"]
    assert record != dataclasses.replace(record, vector=vector() + 1)
    assert record != dataclasses.replace(record, vector=None)
    assert record in [dataclasses.replace(record, vector=vector() + 1), values()["record"]]


def test_filters_are_copied_and_pickled() -> None:
    node = as_filter({"$or": [{"year": {"$gte": 2020}}, {"$not": {"tags": {"$in": ["x", "y"]}}}]}) & F("a").exists()
    for copied in (copy.copy(node), copy.deepcopy(node), pickle.loads(pickle.dumps(node))):
        assert copied == node
        assert matches(copied, {"year": 2024, "a": 1})


@pytest.mark.parametrize("name", errors.__all__)
def test_an_error_is_pickled_and_copied_with_all_it_says(name: str) -> None:
    kind = getattr(errors, name)
    options: dict[str, Any] = {
        "PartialWriteError": {"written": ["a"], "failed": {"b": "x"}},
        "VerificationError": {"report": {"same": False}},
        "RecordExistsError": {"ids": ["a"]},
        "RateLimitedError": {"retry_after": 3.0},
    }.get(name, {})
    error = kind("what happened", **options).located(provider="p", collection="c")
    for copied in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
        assert type(copied) is kind
        assert str(copied) == str(error) == "what happened [provider=p, collection=c]"
        assert vars(copied) == vars(error)
