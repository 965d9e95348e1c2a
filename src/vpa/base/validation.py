"""Checks a batch of records once, as columns, before any store sees it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from vpa.base import arrays
from vpa.base.errors import DimensionMismatchError, InvalidQueryError, InvalidRecordError
from vpa.base.metadata import MAX_VALUES, Metadata, ValueRuleError, canonical_metadata, canonical_system, check_text
from vpa.base.records import CollectionInfo, Metric, Record, RecordBatch
from vpa.base.tables import ColumnRuleError, MetadataColumns, TextColumn

MAX_ID_BYTES: Final = 512
_NOT_FINITE: Final = "the query vector has a value that is not finite as float32"
_NO_DIRECTION: Final = "the query vector is all zeros and has no direction; cosine needs one"


def check_id(value: object) -> str:
    """Return a record id, or raise InvalidRecordError: a non-empty string of at most 512 UTF-8 bytes."""
    if not isinstance(value, str):
        raise InvalidRecordError(f"record id {value!r} must be a string, not {type(value).__name__}")
    if not value:
        raise InvalidRecordError("a record id is empty; ids are non-empty strings")
    try:
        check_text(value)
    except ValueRuleError as error:
        raise InvalidRecordError(f"record id {value!r} {error}") from None
    if len(value) * 4 > MAX_ID_BYTES and len(value.encode()) > MAX_ID_BYTES:
        raise InvalidRecordError(f"record id {value[:40]!r}… is longer than {MAX_ID_BYTES} UTF-8 bytes")
    return str(value)


def check_ids(ids: Iterable[str]) -> list[str]:
    """Check the `ids=` argument of get, delete and update: a sequence of strings, not one string."""
    if isinstance(ids, str | bytes):
        raise InvalidRecordError(f"ids must be a list of strings, not one string: [{ids!r}]")
    return [check_id(value) for value in ids]


def check_batch(records: Iterable[Record] | RecordBatch, *, info: CollectionInfo) -> RecordBatch:
    """Return the batch that is stored: float32 vectors (unit length for cosine), canonical metadata, unique ids.

    Raises InvalidRecordError or DimensionMismatchError naming the record; the caller's arrays are never changed.
    """
    batch = records if isinstance(records, RecordBatch) else _as_columns(records, info=info)
    ids = [check_id(value) for value in batch.ids]
    if len(set(ids)) < len(ids):
        raise InvalidRecordError(f"id {_first_repeated(ids)!r} occurs twice in one batch; nothing was written")
    for name in ("texts", "metadata", "system"):
        column = getattr(batch, name)
        if column is not None and len(column) != len(ids):
            raise InvalidRecordError(f"{name} has {len(column)} rows, ids has {len(ids)}")
    return RecordBatch(
        ids=ids,
        vectors=_check_vectors(batch.vectors, ids=ids, info=info),
        texts=None if batch.texts is None else _check_texts(batch.texts, ids),
        metadata=None if batch.metadata is None else _check_metadata(batch.metadata, ids),
        system=None if batch.system is None else _check_each(batch.system, ids, canonical_system),
    )


def _as_columns(records: Iterable[Record], *, info: CollectionInfo) -> RecordBatch:
    if isinstance(records, Record | Mapping | str):
        raise InvalidRecordError(f"upsert takes a list of records or a RecordBatch, not one {type(records).__name__}")
    rows = list(records)
    matrix = np.empty((len(rows), info.dimension), dtype=np.float32)
    for position, record in enumerate(rows):
        if not isinstance(record, Record):
            raise InvalidRecordError(f"item {position} is a {type(record).__name__}, not a Record")
        matrix[position] = _one_vector(record, info=info)
    return RecordBatch(
        ids=[record.id for record in rows],
        vectors=matrix,
        texts=[record.text for record in rows],
        metadata=[record.metadata for record in rows],
        system=[record.system for record in rows],
    )


def _one_vector(record: Record, *, info: CollectionInfo) -> arrays.FloatVector:
    if record.vector is None:
        raise InvalidRecordError(f"record {record.id!r} has no vector")
    try:
        vector = arrays.as_float32(record.vector, dimensions=1)
    except arrays.VectorFormatError as error:
        raise InvalidRecordError(f"vector of record {record.id!r} {error}") from None
    if len(vector) != info.dimension:
        raise _mismatch(record.id, len(vector), info)
    return vector


def _mismatch(record_id: str, found: int, info: CollectionInfo) -> DimensionMismatchError:
    return DimensionMismatchError(
        f"record {record_id!r} has {found} dimensions, collection {info.name!r} has {info.dimension}; "
        "embed with the model the collection was made for, or make a new collection"
    )


def _check_vectors(vectors: ArrayLike | None, *, ids: Sequence[str], info: CollectionInfo) -> arrays.FloatMatrix:
    if vectors is None:
        raise InvalidRecordError("the batch has no vectors")
    if not ids and np.size(vectors) == 0:
        return np.empty((0, info.dimension), dtype=np.float32)
    try:
        matrix = arrays.as_float32(vectors, dimensions=2)
    except arrays.VectorFormatError as error:
        raise InvalidRecordError(f"the batch's vectors: the array {error}") from None
    if len(matrix) != len(ids):
        raise InvalidRecordError(f"vectors has {len(matrix)} rows, ids has {len(ids)}")
    if matrix.shape[1] != info.dimension:
        raise _mismatch(ids[0], matrix.shape[1], info)
    row = arrays.first_row_not_finite(matrix)
    if row is not None:
        raise InvalidRecordError(f"vector of record {ids[row]!r} has a value that is not finite as float32")
    if info.metric is not Metric.COSINE:
        return matrix
    row = arrays.first_zero_row(matrix)
    if row is not None:
        raise InvalidRecordError(
            f"vector of record {ids[row]!r} is all zeros and has no direction; cosine needs one (or use metric='dot')"
        )
    result = arrays.unit_rows(matrix)
    # Nobody else has it, so a store may keep it as it is.
    result.setflags(write=False)
    return result


def _text(text: object) -> str | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise InvalidRecordError(f"text must be a string or None, not {type(text).__name__}")
    try:
        return check_text(str(text))
    except ValueRuleError as error:
        raise InvalidRecordError(f"text {error}") from None


def _check_texts(texts: Sequence[Any], ids: Sequence[str]) -> Sequence[str | None]:
    if not isinstance(texts, TextColumn):
        return _check_each(texts, ids, _text)
    try:
        texts.check()
    except ColumnRuleError as error:
        raise InvalidRecordError(f"record {ids[error.row]!r}: text {error}") from None
    return texts


def _check_metadata(metadata: Sequence[Any], ids: Sequence[str]) -> Sequence[Metadata]:
    # Columns were checked when they were made.
    if not isinstance(metadata, MetadataColumns):
        return _check_each(metadata, ids, canonical_metadata)
    if len(metadata.columns) > MAX_VALUES:
        raise InvalidRecordError(f"metadata has more than {MAX_VALUES} columns; store long data in text")
    return metadata


def _check_each(values: Sequence[Any], ids: Sequence[str], check: Any) -> list[Any]:
    result = []
    for position, value in enumerate(values):
        try:
            result.append(check(value))
        except InvalidRecordError as error:
            raise InvalidRecordError(f"record {ids[position]!r}: {error.message}") from None
    return result


def _first_repeated(ids: Sequence[str]) -> str:
    seen: set[str] = set()
    return next(value for value in ids if value in seen or seen.add(value))  # type: ignore[func-returns-value]


def check_query_vectors(vectors: ArrayLike, *, info: CollectionInfo, dimensions: int) -> arrays.FloatMatrix:
    """Return queries as an `(m, d) float32` matrix, unit rows for cosine; raises InvalidQueryError."""
    if dimensions == 2 and isinstance(vectors, list | tuple) and not vectors:
        return np.empty((0, info.dimension), dtype=np.float32)
    try:
        array = arrays.as_float32(vectors, dimensions=dimensions)
    except arrays.VectorFormatError as error:
        raise InvalidQueryError(f"the query vector {error}") from None
    matrix = array.reshape(-1, array.shape[-1]) if array.size else array.reshape(0, info.dimension)
    if (dimensions == 1 and not len(matrix)) or matrix.shape[1] != info.dimension:
        raise InvalidQueryError(
            f"the query vector has {array.shape[-1]} dimensions, collection {info.name!r} has {info.dimension}; "
            "embed the query with the collection's model"
        )
    if len(matrix) == 1:
        return _one_query(matrix, unit=info.metric is Metric.COSINE)
    if arrays.first_row_not_finite(matrix) is not None:
        raise InvalidQueryError(_NOT_FINITE)
    if info.metric is not Metric.COSINE or not len(matrix):
        return matrix
    if arrays.first_zero_row(matrix) is not None:
        raise InvalidQueryError(_NO_DIRECTION)
    return arrays.unit_rows(matrix)


def _one_query(matrix: arrays.FloatMatrix, *, unit: bool) -> arrays.FloatMatrix:
    """As for many, in fewer steps. In float64 no square of a float32 overflows or vanishes."""
    wide = matrix[0].astype(np.float64)
    square = float(np.dot(wide, wide))
    if not math.isfinite(square):
        raise InvalidQueryError(_NOT_FINITE)
    if not unit:
        return matrix
    if square == 0.0:
        raise InvalidQueryError(_NO_DIRECTION)
    return arrays.unit_rows(matrix) if abs(math.sqrt(square) - 1.0) > arrays.UNIT_TOLERANCE else matrix.copy()
