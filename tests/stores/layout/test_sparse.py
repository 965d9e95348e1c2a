"""A sparse vector in a payload: lists of numbers and of weights, with no more digits than float32 needs."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpa.base.errors import ProviderError
from vpa.base.records import RecordBatch
from vpa.base.scope import Scope
from vpa.stores.layout.payload import decode
from vpa.stores.layout.rows import encode
from vpa.stores.layout.sparse import product_at_most, read, written


@given(st.dictionaries(st.integers(0, 2**32 - 3), st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_weights_come_back_to_the_bit(sparse: dict[int, float]) -> None:
    assert read(json.loads(json.dumps(written(sparse)))) == sparse


def test_few_digits_are_written() -> None:
    assert written({7: float(np.float32(0.1)), 9: 2.0}) == ([7, 9], [0.1, 2.0])


def test_rows_have_one_where_the_collection_holds_them() -> None:
    batch = RecordBatch(ids=["a", "b"], vectors=None, sparse=[{7: 0.5}, None])
    held = encode(batch, scope=Scope(), sparse=True)
    assert [row.sparse for row in held.rows] == [{7: 0.5}, {}]
    assert [decode(row.payload, key=row.key).record.sparse for row in held.rows] == [{7: 0.5}, None]
    assert "sparse" not in held.rows[1].payload
    assert [row.sparse for row in encode(batch, scope=Scope()).rows] == [None, None]


def test_what_others_put_there_is_refused() -> None:
    [row] = encode(RecordBatch(ids=["a"], vectors=None), scope=Scope()).rows
    for strange in (7, [[1], [2], [3]], [[1, 2], [1.0]], [["x"], [1.0]]):
        with pytest.raises(ProviderError, match="did not write"):
            decode({**row.document, "_vpa_sparse": strange}, key=row.key)


def test_a_bound_of_a_product() -> None:
    assert product_at_most(2.0) == pytest.approx(2.00002)
    assert product_at_most(0.0) == product_at_most(-1.0) == math.inf
