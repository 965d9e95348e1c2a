"""Sparse vectors of records: what is taken, what they become, and the column of them in a batch."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpa.base.errors import InvalidRecordError
from vpa.base.records import CollectionInfo, Metric, Record, RecordBatch
from vpa.base.sparse import MAX_DIMENSION, MAX_ENTRIES, canonical_sparse, dot
from vpa.base.validation import check_batch

HOLDING = CollectionInfo(name="docs", dimension=2, metric=Metric.DOT, sparse=True)
WITHOUT = CollectionInfo(name="docs", dimension=2, metric=Metric.DOT)


def test_they_become_ascending_float32_without_zeros() -> None:
    assert canonical_sparse({99: 0.1, "17": 2, np.int64(3): np.float32(1.5), 4: 0, 5: 1e-60}) == {
        3: 1.5,
        17: 2.0,
        99: float(np.float32(0.1)),
    }
    assert list(canonical_sparse({9: 1, 2: 1}) or ()) == [2, 9]
    for nothing in (None, {}, {7: 0.0}):
        assert canonical_sparse(nothing) is None


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ([1, 2], "maps numbers"),
        ({-1: 1.0}, "integer from 0"),
        ({MAX_DIMENSION + 1: 1.0}, "integer from 0"),
        ({True: 1.0}, "integer from 0"),
        ({1.0: 1.0}, "integer from 0"),
        ({"a": 1.0}, "integer from 0"),
        ({"-1": 1.0}, "integer from 0"),
        ({"9" * 5000: 1.0}, "integer from 0"),
        ({1: "2"}, "weights of sparse are numbers"),
        ({1: True}, "weights of sparse are numbers"),
        ({1: float("nan")}, "not finite"),
        ({1: 1e39}, "not finite"),
        ({1: 10**400}, "not finite"),
        ({1: 1.0, "1": 2.0}, "twice"),
        (dict.fromkeys(range(MAX_ENTRIES + 1), 1.0), f"at most {MAX_ENTRIES}"),
    ],
)
def test_anything_else_is_refused(wrong: Any, match: str) -> None:
    with pytest.raises(InvalidRecordError, match=match):
        canonical_sparse(wrong)


@given(st.dictionaries(st.integers(0, MAX_DIMENSION), st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_a_record_comes_back_from_json(sparse: dict[int, float]) -> None:
    record = Record("a", vector=[1.0, 2.0], sparse=canonical_sparse(sparse))
    assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_records_differ_by_them() -> None:
    assert Record("a", vector=None, sparse={1: 1.0}) != Record("a", vector=None)
    assert Record("a", vector=None, sparse={1: 1.0, 2: 3.0}) == Record("a", vector=None, sparse={2: 3.0, 1: 1.0})
    assert Record("a", vector=None, sparse={}) == Record("a", vector=None)


def test_a_batch_has_a_column_of_them() -> None:
    records = [Record("a", vector=[1, 0], sparse={"5": 1}), {"id": "b", "vector": [0, 1]}]
    batch = check_batch(records, info=HOLDING)  # type: ignore[list-item]
    assert batch.sparse == [{5: 1.0}, None]
    assert [record.sparse for record in batch] == [{5: 1.0}, None]
    assert check_batch(batch, info=HOLDING) == batch
    none = check_batch([Record("a", vector=[1, 0], sparse={}), Record("b", vector=[1, 0])], info=WITHOUT)
    assert none.sparse is None


def test_a_collection_without_them_refuses_the_batch_and_says_what_to_do() -> None:
    records = [Record("a", vector=[1, 0]), Record("b", vector=[1, 0], sparse={1: 1.0})]
    with pytest.raises(InvalidRecordError, match=r"record 'b'.*create_collection\(sparse=True\)"):
        check_batch(records, info=WITHOUT)
    with pytest.raises(InvalidRecordError, match=r"record 'b': the weights"):
        check_batch([records[0], Record("b", vector=[1, 0], sparse={1: "x"})], info=HOLDING)  # type: ignore[dict-item]
    vectors = np.zeros((2, 2), dtype=np.float32)
    with pytest.raises(InvalidRecordError, match="sparse has 1 rows"):
        check_batch(RecordBatch(ids=["a", "b"], vectors=vectors, sparse=[None]), info=HOLDING)


def test_names_of_other_libraries_are_told() -> None:
    with pytest.raises(InvalidRecordError, match="'sparse'"):
        check_batch({"id": "a", "vector": [1, 0], "sparse_values": {}}, info=HOLDING)


def test_old_descriptions_hold_none() -> None:
    old = {name: value for name, value in HOLDING.to_json().items() if name != "sparse"}
    assert not CollectionInfo.from_json(old).sparse
    assert CollectionInfo.from_json(HOLDING.to_json()) == HOLDING


def test_a_product_needs_a_common_dimension() -> None:
    assert dot({1: 2.0, 3: 4.0}, {3: 0.5, 1: 1.0}) == 4.0
    assert dot({1: 2.0}, {2: 1.0}) is None
    assert dot({1: 1.0, 2: 1.0}, {1: 1.0, 2: -1.0}) == 0.0
