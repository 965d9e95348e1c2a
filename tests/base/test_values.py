"""The small values: scopes, ids, cursors, choices, errors."""

from __future__ import annotations

import re
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpa.base import errors
from vpa.base.clock import SystemClock
from vpa.base.cursor import decode_cursor, encode_cursor
from vpa.base.ids import MAX_DOCUMENT_ID_BYTES, VersionStamps, check_document_id, chunk_id
from vpa.base.query import MAX_TOP_K, OnConflict, SearchRequest, check_threshold, check_top_k
from vpa.base.scope import Scope
from vpa.base.validation import MAX_ID_BYTES

PARTS = st.from_regex(r"[A-Za-z0-9_.-]{0,64}", fullmatch=True)
ERRORS = [getattr(errors, name) for name in errors.__all__]


@given(PARTS, PARTS)
def test_a_scope_is_its_two_parts(tenant: str, namespace: str) -> None:
    assert Scope(tenant, namespace) == Scope(tenant=tenant, namespace=namespace)
    assert hash(Scope(tenant, namespace)) == hash(Scope(tenant, namespace))


@given(st.text().filter(lambda text: re.fullmatch(r"[A-Za-z0-9_.-]{0,64}", text) is None))
def test_any_other_scope_is_refused(part: str) -> None:
    for arguments in ((part,), ("", part)):
        with pytest.raises(errors.InvalidQueryError, match="at most 64"):
            Scope(*arguments)


@given(PARTS, PARTS, st.text())
def test_a_cursor_comes_back(tenant: str, namespace: str, last_id: str) -> None:
    assert decode_cursor(encode_cursor(Scope(tenant, namespace), last_id)) == (Scope(tenant, namespace), last_id)


@given(st.text())
def test_another_text_is_no_cursor(text: str) -> None:
    try:
        scope, last_id = decode_cursor(text)
    except errors.InvalidQueryError:
        return
    assert decode_cursor(encode_cursor(scope, last_id)) == (scope, last_id)


@given(st.text(min_size=1, max_size=20), st.integers(0, 2**60), st.integers(0, 99_998))
def test_chunk_ids_are_in_chunk_order_and_fit_into_a_record_id(document_id: str, version: int, index: int) -> None:
    first, second = [chunk_id(document_id, version=version, index=index + n) for n in (0, 1)]
    assert first < second
    assert len(chunk_id("x" * MAX_DOCUMENT_ID_BYTES, version=2**60, index=99_999).encode()) <= MAX_ID_BYTES


@pytest.mark.parametrize("document_id", ["", None, 5, b"a", "a\0b", "\ud800", "é" * 241])
def test_a_document_id_that_no_store_holds_is_refused(document_id: object) -> None:
    with pytest.raises(errors.InvalidRecordError, match="document_id"):
        check_document_id(document_id)


def test_stamps_only_grow_even_where_the_clock_is_set_back() -> None:
    class Backwards(SystemClock):
        time_s = 1000.0

        def now(self) -> float:
            self.time_s -= 1
            return self.time_s

    stamps, made = VersionStamps(Backwards()), []
    threads = [threading.Thread(target=lambda: made.extend(stamps.next() for _ in range(500))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 2000
    assert min(made) == 999_000_000


@pytest.mark.parametrize("value", [0, -1, MAX_TOP_K + 1, 1.0, True, "5", None])
def test_top_k_is_a_whole_number_in_range(value: object) -> None:
    assert check_top_k(np.int64(5)) == 5
    with pytest.raises(errors.InvalidQueryError, match="top_k"):
        check_top_k(value)


@pytest.mark.parametrize("value", [float("nan"), True, "0.5", [0.5]])
def test_a_threshold_is_a_number_or_none(value: object) -> None:
    assert (check_threshold(None), check_threshold(1), check_threshold(np.float32(0.5))) == (None, 1.0, 0.5)
    with pytest.raises(errors.InvalidQueryError, match="score_threshold"):
        check_threshold(value)


def test_choices_name_each_other() -> None:
    assert OnConflict.parse("skip") is OnConflict.SKIP
    with pytest.raises(errors.InvalidQueryError, match="replace, skip, error"):
        OnConflict.parse("merge")


def test_requests_that_differ_in_vectors_only_are_alike() -> None:
    one, two = [SearchRequest(vectors=np.full((1, 2), n, dtype=np.float32)) for n in (1, 2)]
    assert one.like() == two.like()
    assert one.like() != SearchRequest(vectors=one.vectors, top_k=3).like()


def test_every_error_has_a_code_of_its_own() -> None:
    ours = [kind for kind in ERRORS if issubclass(kind, errors.VectorDatabaseError)]
    codes = [kind.code for kind in ours]
    assert len(set(codes)) == len(codes) > 20
    assert all(re.fullmatch(r"[a-z_]+", code) for code in codes)
    assert errors.__all__ == sorted(errors.__all__)


def test_an_error_says_where_it_happened_once() -> None:
    error = errors.VectorDatabaseError("no answer")
    assert str(error) == "no answer"
    error.located(provider="qdrant", collection="docs").located(provider="other", collection="others")
    assert str(error) == "no answer [provider=qdrant, collection=docs]"
    assert error.message == "no answer"
