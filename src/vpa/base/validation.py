"""Checks a batch of records once, as columns, before any store sees it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from vpa.base import arrays
from vpa.base.errors import DimensionMismatchError, InvalidQueryError, InvalidRecordError
from vpa.base.mappings import RecordLike, record_of
from vpa.base.metadata import (
    MAX_VALUES,
    Metadata,
    Scalar,
    ValueRuleError,
    canonical_metadata,
    canonical_system,
    check_text,
)
from vpa.base.records import CollectionInfo, Metric, Record, RecordBatch
from vpa.base.showing import shown
from vpa.base.sparse import HOLDERS, canonical_sparse
from vpa.base.steps import Steps, finish
from vpa.base.tables import ColumnRuleError, MetadataColumns, TextColumn

T = TypeVar("T")
V = TypeVar("V")
MAX_ID_BYTES: Final = 512  # Pinecone's limit, the lowest of the seven.
# Per step: ids, rows of a matrix, and records, each of which may hold a thousand values.
_IDS, _ROWS, _RECORDS = 256, 512, 8
_NOT_FINITE: Final = "the query vector has a value that is not finite as float32"
_NO_DIRECTION: Final = "the query vector is all zeros and has no direction; cosine needs one"


def check_id(value: object) -> str:
    """Return a record id, or raise InvalidRecordError: a non-empty string of at most 512 UTF-8 bytes."""
    if not isinstance(value, str):
        raise InvalidRecordError(f"record id {shown(value)} must be a string, not {type(value).__name__}")
    if not value:
        raise InvalidRecordError("a record id is empty; ids are non-empty strings")
    try:
        check_text(value)
    except ValueRuleError as error:
        raise InvalidRecordError(f"record id {shown(value)} {error}") from None
    if len(value) * 4 > MAX_ID_BYTES and len(value.encode()) > MAX_ID_BYTES:
        raise InvalidRecordError(f"record id {value[:40]!r}… is longer than {MAX_ID_BYTES} UTF-8 bytes")
    return str(value)


def check_ids(ids: str | Iterable[str]) -> list[str]:
    """Check the `ids` of get, delete and update: one id, or a sequence of them."""
    return finish(id_steps(ids))


def id_steps(ids: str | Iterable[str]) -> Steps[list[str]]:
    """As `check_ids`, in steps."""
    if isinstance(ids, str):
        return [check_id(ids)]
    if isinstance(ids, bytes):
        raise InvalidRecordError(f"ids are strings, not bytes: {shown(ids)}")
    if isinstance(ids, Mapping):
        raise InvalidRecordError("ids must be a list of strings, not a mapping; a condition is given as filter=")
    return (yield from _each(list(ids), check_id, together=_IDS))


def check_batch(records: RecordLike | Iterable[RecordLike] | RecordBatch, *, info: CollectionInfo) -> RecordBatch:
    """Return the batch that is stored: float32 vectors (unit length for cosine), canonical metadata, unique ids.

    Raises InvalidRecordError or DimensionMismatchError naming the record; the caller's arrays are never changed.
    """
    return finish(batch_steps(records, info=info))


def batch_steps(
    records: RecordLike | Iterable[RecordLike] | RecordBatch, *, info: CollectionInfo
) -> Steps[RecordBatch]:
    """As `check_batch`, in steps of well under a millisecond."""
    batch = records if isinstance(records, RecordBatch) else (yield from _as_columns(records, info=info))
    if isinstance(batch.ids, str | bytes):
        raise InvalidRecordError(f"ids of a RecordBatch is a list of strings, not one string: [{shown(batch.ids)}]")
    ids = yield from _each(batch.ids, check_id, together=_IDS)
    yield from _check_unique(ids)
    for name in ("texts", "metadata", "system", "sparse"):
        column = getattr(batch, name)
        if column is not None and len(column) != len(ids):
            raise InvalidRecordError(f"{name} has {len(column)} rows, ids has {len(ids)}")
    return RecordBatch(
        ids=ids,
        vectors=(yield from _check_vectors(batch.vectors, ids=ids, info=info)),
        texts=None if batch.texts is None else (yield from _check_texts(batch.texts, ids)),
        metadata=None if batch.metadata is None else (yield from _check_metadata(batch.metadata, ids)),
        system=None if batch.system is None else (yield from _check_each(batch.system, ids, canonical_system)),
        sparse=None if batch.sparse is None else (yield from _check_sparse(batch.sparse, ids, info=info)),
    )


def _each(values: Sequence[T], check: Callable[[Any], V], *, together: int) -> Steps[list[V]]:
    result: list[V] = []
    for start in range(0, len(values), together):
        result += map(check, values[start : start + together])
        if start + together < len(values):
            yield
    return result


def _check_unique(ids: Sequence[str]) -> Steps[None]:
    seen: set[str] = set()
    for start in range(0, len(ids), _IDS):
        seen.update(ids[start : start + _IDS])
        if start + _IDS < len(ids):
            yield
    if len(seen) < len(ids):
        raise InvalidRecordError(f"id {_first_repeated(ids)!r} occurs twice in one batch; nothing was written")


def _as_columns(records: RecordLike | Iterable[RecordLike], *, info: CollectionInfo) -> Steps[RecordBatch]:
    if isinstance(records, Record | Mapping):
        records = [records]
    if isinstance(records, str):
        raise InvalidRecordError(f"upsert takes records, not a string: {shown(records)}")
    rows: list[Record] = []
    listed = list(records)
    matrix = np.empty((len(listed), info.dimension), dtype=np.float32)
    for position, item in enumerate(listed):
        record = item if isinstance(item, Record) else record_of(item, position=position)
        matrix[position] = _one_vector(record, info=info)
        rows.append(record)
        if position % _RECORDS == _RECORDS - 1:
            yield
    ids: list[str] = []
    texts: list[str | None] = []
    metadata: list[Mapping[str, Any]] = []
    system: list[Mapping[str, Scalar]] = []
    sparse: list[Mapping[int, float] | None] = []
    for start in range(0, len(rows), _IDS):
        part = rows[start : start + _IDS]
        ids += [record.id for record in part]
        texts += [record.text for record in part]
        metadata += [record.metadata for record in part]
        system += [record.system for record in part]
        sparse += [record.sparse for record in part]
        if start + _IDS < len(rows):
            yield
    column = None if all(entries is None for entries in sparse) else sparse
    return RecordBatch(ids=ids, vectors=matrix, texts=texts, metadata=metadata, system=system, sparse=column)


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


def _mismatch(record_id: str, dimension: int, info: CollectionInfo) -> DimensionMismatchError:
    return DimensionMismatchError(
        f"record {record_id!r} has {dimension} dimensions, collection {info.name!r} has {info.dimension}; "
        "embed with the model the collection was made for, or make a new collection"
    )


def _check_vectors(vectors: ArrayLike | None, *, ids: Sequence[str], info: CollectionInfo) -> Steps[arrays.FloatMatrix]:
    if vectors is None:
        raise InvalidRecordError("the batch has no vectors")
    if not ids and np.size(vectors) == 0:
        return np.empty((0, info.dimension), dtype=np.float32)
    given = _rows_of(vectors)
    if len(given) != len(ids):
        raise InvalidRecordError(f"vectors has {len(given)} rows, ids has {len(ids)}")
    if isinstance(given, np.ndarray) and given.dtype == np.float32 and info.metric is not Metric.COSINE:
        for start in range(0, len(given), _ROWS):
            _check_rows(given[start : start + _ROWS], ids=ids[start : start + _ROWS], info=info)
            yield
        return np.ascontiguousarray(given)
    result = np.empty((len(ids), info.dimension), dtype=np.float32)
    for start in range(0, len(given), _ROWS):
        part = slice(start, start + _ROWS)
        rows = _as_matrix(given[part])
        units = _units(rows, info=info)
        if units is None:
            _check_rows(rows, ids=ids[part], info=info)
        result[part] = rows if units is None else units
        if start + _ROWS < len(given):
            yield
    # Only this function has it, so a store may keep it as it is.
    result.setflags(write=False)
    return result


def _units(rows: arrays.FloatMatrix, *, info: CollectionInfo) -> arrays.FloatMatrix | None:
    """For cosine, unit rows; None where they are to be checked one by one."""
    if info.metric is not Metric.COSINE or rows.shape[1] != info.dimension:
        return None
    return arrays.checked_unit_rows(rows)


def _rows_of(vectors: ArrayLike) -> Any:
    """What can be cut into slices of rows: an array of two axes, or a long list, which is converted slice by slice."""
    if isinstance(vectors, list | tuple) and len(vectors) > _ROWS:
        return vectors
    array = vectors if isinstance(vectors, np.ndarray) else _as_matrix(vectors)
    return array if array.ndim == 2 and array.size else _as_matrix(array)


def _as_matrix(rows: Any) -> arrays.FloatMatrix:
    try:
        return arrays.as_float32(rows, dimensions=2)
    except arrays.VectorFormatError as error:
        raise InvalidRecordError(f"the batch's vectors: the array {error}") from None


def _check_rows(rows: arrays.FloatMatrix, *, ids: Sequence[str], info: CollectionInfo) -> None:
    if rows.shape[1] != info.dimension:
        raise _mismatch(ids[0], rows.shape[1], info)
    row = arrays.first_row_not_finite(rows)
    if row is not None:
        raise InvalidRecordError(f"vector of record {ids[row]!r} has a value that is not finite as float32")
    row = arrays.first_zero_row(rows) if info.metric is Metric.COSINE else None
    if row is not None:
        raise InvalidRecordError(
            f"vector of record {ids[row]!r} is all zeros and has no direction; cosine needs one (or use metric='dot')"
        )


def _text(text: object) -> str | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise InvalidRecordError(f"text must be a string or None, not {type(text).__name__}")
    try:
        return check_text(str(text))
    except ValueRuleError as error:
        raise InvalidRecordError(f"text {error}") from None


def _check_texts(texts: Sequence[Any], ids: Sequence[str]) -> Steps[Sequence[str | None]]:
    if not isinstance(texts, TextColumn):
        return (yield from _check_each(texts, ids, _text))
    try:
        texts.check()
    except ColumnRuleError as error:
        raise InvalidRecordError(f"record {ids[error.row]!r}: text {error}") from None
    return texts


def _check_metadata(metadata: Sequence[Any], ids: Sequence[str]) -> Steps[Sequence[Metadata]]:
    # Columns were checked when they were made.
    if not isinstance(metadata, MetadataColumns):
        return (yield from _check_each(metadata, ids, canonical_metadata))
    if len(metadata.columns) > MAX_VALUES:
        raise InvalidRecordError(f"metadata has more than {MAX_VALUES} columns; store long data in text")
    return metadata


def _check_sparse(
    sparse: Sequence[Any], ids: Sequence[str], *, info: CollectionInfo
) -> Steps[list[dict[int, float] | None] | None]:
    column = yield from _check_each(sparse, ids, canonical_sparse)
    first = next((record_id for record_id, entries in zip(ids, column, strict=True) if entries), None)
    if first is None:
        return None
    if not info.sparse:
        raise InvalidRecordError(
            f"record {first!r} has a sparse vector, and collection {info.name!r} holds none: make one that does, with "
            f"create_collection(sparse=True), on {HOLDERS}; nothing was written"
        )
    return column


def _check_each(values: Sequence[Any], ids: Sequence[str], check: Callable[[Any], V]) -> Steps[list[V]]:
    result: list[V] = []
    for position, value in enumerate(values):
        try:
            result.append(check(value))
        except InvalidRecordError as error:
            raise InvalidRecordError(f"record {ids[position]!r}: {error.message}") from None
        if position % _RECORDS == _RECORDS - 1:
            yield
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
