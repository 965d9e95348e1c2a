"""Tables of others as batches: arrays, Arrow, pandas, polars; by columns, without a Python object a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike

from vpa.base.arrays import FloatMatrix, VectorFormatError, as_float32
from vpa.base.errors import ConfigurationError, InvalidRecordError
from vpa.base.ids import new_id
from vpa.base.metadata import ValueRuleError
from vpa.base.records import RecordBatch
from vpa.base.tables import Column, ColumnRuleError, MetadataColumns, NumberColumn, TextColumn, as_column

_LIKE_ID: Final = frozenset({"id", "ids", "uuid", "doc_id", "document_id", "record_id", "key", "pk", "primary_key"})

if TYPE_CHECKING:
    import pyarrow as pa

_LOOKED_AT: Final = 1000  # Values of a column, to say which types it mixes.


def batch_from_columns(
    ids: Sequence[str] | None, vectors: ArrayLike, *, columns: Mapping[str, Any], texts: Sequence[str | None] | None
) -> RecordBatch:
    """What RecordBatch.from_columns does, in a module that is imported when it is called."""
    matrix = _matrix(vectors)
    if ids is None:
        ids = [new_id() for _ in range(len(matrix))]
    if isinstance(ids, str) or isinstance(texts, str):
        raise InvalidRecordError("ids and texts of a batch are lists of strings, one for each vector, not one string")
    given = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
    try:
        metadata = MetadataColumns(columns, length=len(given))
    except ColumnRuleError as error:
        where = repr(given[error.row]) if error.row < len(given) else f"in row {error.row}"
        raise InvalidRecordError(f"record {where}: {error}") from None
    except ValueRuleError as error:
        raise InvalidRecordError(str(error)) from None
    return RecordBatch(ids=given, vectors=matrix, texts=texts, metadata=metadata)


def _matrix(vectors: ArrayLike) -> FloatMatrix:
    try:
        return as_float32(vectors, dimensions=2)
    except VectorFormatError as error:
        raise InvalidRecordError(f"the batch's vectors: the array {error}") from None


def batch_from_table(
    table: Any, *, id_column: str | None, vector_column: str, text_column: str | None, vectors: ArrayLike | None
) -> RecordBatch:
    """What RecordBatch.from_table does, for Arrow, pandas and polars alike."""
    arrow = _arrow(table)
    names = arrow.column_names
    if not arrow.num_rows:
        # The types of columns without a value say nothing: pandas makes an empty list of ids a column of floats.
        return RecordBatch(ids=[], vectors=np.empty((0, 0), dtype=np.float32))
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise InvalidRecordError(f"the table has {names.count(repeated)} columns {repeated!r}; rename all but one")
    for name in (*_id_columns(id_column, names), *([] if vectors is not None else [vector_column])):
        if name not in names:
            raise InvalidRecordError(
                f"the table has no column {name!r}, it has {', '.join(names) or 'none'}; say which it is with id= and "
                "vector="
            )
    id_column = id_column or "id"
    ids = _ids(arrow.column(id_column), id_column) if id_column in names else [new_id() for _ in range(len(arrow))]
    matrix = _vectors(arrow.column(vector_column), ids, vector_column) if vectors is None else _matrix(vectors)
    apart = {id_column, vector_column, text_column}
    said: list[str] = []
    lists = {name for name in names if name not in apart and _is_list_of_plain(arrow.column(name).type)}
    columns = {name: _typed(arrow.column(name), ids, name, said) for name in names if name not in apart | lists}
    texts = None
    if text_column is not None and text_column in names:
        texts = _typed(arrow.column(text_column), ids, text_column, said)
        if not isinstance(texts, TextColumn):
            raise InvalidRecordError(
                f"column {text_column!r} holds {arrow.column(text_column).type}, not text; cast it, or give text=None"
            )
    batch = batch_from_columns(ids, matrix, columns=columns, texts=texts)
    if lists:
        listed = {name: arrow.column(name).to_pylist() for name in sorted(lists)}
        rows = [{**row, **{name: listed[name][n] for name in listed}} for n, row in enumerate(batch.metadata or ())]
        batch = replace(batch, metadata=rows)
    return replace(batch, conversions=tuple(said))


def _id_columns(id_column: str | None, names: Sequence[str]) -> list[str]:
    """The column of ids that the table must have; none where ids are to be made."""
    if id_column is not None:
        return [id_column]
    # A name that is nearly ours: made ids would double such a table whenever it is written again.
    return ["id"] if any(name.lower().strip("_") in _LIKE_ID for name in names) else []


def conversion_of(name: str, kind: pa.DataType) -> str | None:
    """What becomes of the values of such a column, in one sentence; None where they stay as they are."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return f"{name}: {kind} became {kind.value_type}"
    if pa.types.is_timestamp(kind):
        return f"{name}: {kind} became text of moments in UTC, with microseconds"
    return None


def _arrow(table: Any) -> pa.Table:
    try:
        import pyarrow as pa
    except ImportError as error:
        raise ConfigurationError(
            'reading a table needs pyarrow, which is not there; run: pip install "vpa[arrow]"'
        ) from error
    if isinstance(table, pa.Table):
        return table
    if isinstance(table, pa.RecordBatch):
        return pa.Table.from_batches([table])
    if type(table).__module__.split(".")[0] == "pandas":
        return _from_pandas(table)
    if hasattr(table, "__arrow_c_stream__"):
        return pa.table(table)
    raise InvalidRecordError(
        f"a {type(table).__name__} is no table: give one of Arrow, pandas or polars, or use RecordBatch.from_columns"
    )


def _with_named_index(frame: Any) -> Any:
    names = [name for name in frame.index.names if name is not None and name not in frame.columns]
    return frame.reset_index(names) if names else frame


def _from_pandas(frame: Any) -> pa.Table:
    """pandas writes a missing value as NaN; Arrow knows the difference. Raises InvalidRecordError naming the column."""
    import pyarrow as pa

    if getattr(frame, "columns", None) is None:
        raise InvalidRecordError(f"a {type(frame).__name__} of pandas is no table: give a DataFrame")
    try:
        # An index with a name is a column that was made the index.
        return pa.Table.from_pandas(_with_named_index(frame), preserve_index=False)
    except _UNCONVERTED:
        for place, name in enumerate(frame.columns):
            try:
                pa.array(frame.iloc[:, place], from_pandas=True)
            except _UNCONVERTED as error:
                raise InvalidRecordError(_unconverted(name, frame.iloc[:, place], error)) from None
        raise InvalidRecordError("the table cannot be converted to Arrow; give each column one type") from None


# What pyarrow raises for values that it has no type for: its own errors are ValueError, TypeError and the like.
_UNCONVERTED: Final = (ValueError, TypeError, OverflowError, NotImplementedError)


def _unconverted(name: object, column: Any, error: Exception) -> str:
    present = column[column.notna()].head(_LOOKED_AT)
    kinds = sorted({type(value).__name__ for value in present})
    if isinstance(error, UnicodeEncodeError):
        return f"column {str(name)!r} holds text that is not valid Unicode ({error.reason})"
    held = f"mixes {' and '.join(kinds)}" if len(kinds) > 1 else f"holds values of type {', '.join(kinds)}"
    return (
        f"column {str(name)!r} {held}, for which there is no column type; convert it, for example with "
        f".astype(str), or give mappings with RecordBatch(metadata=…), whose values may differ in type"
    )


def _is_list_of_plain(kind: pa.DataType) -> bool:
    """Whether a column holds lists of text, numbers or booleans, which are metadata values as they are."""
    import pyarrow as pa

    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        return False
    inner, is_kind = kind.value_type, pa.types
    is_text = is_kind.is_string(inner) or is_kind.is_large_string(inner) or is_kind.is_string_view(inner)
    is_number = is_kind.is_integer(inner) or is_kind.is_floating(inner)
    return bool(is_text or is_number or is_kind.is_boolean(inner) or is_kind.is_null(inner))


def _ids(column: pa.ChunkedArray, name: str) -> list[str]:
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise InvalidRecordError(
            f"ids are text, column {name!r} holds {column.type}; cast it to text, for example with .astype(str)"
        )
    if column.null_count:
        raise InvalidRecordError(f"column {name!r} has {column.null_count} rows without an id")
    ids: list[str] = column.to_pylist()
    return ids


def _vectors(column: pa.ChunkedArray, ids: Sequence[str], name: str) -> FloatMatrix:
    import pyarrow as pa

    array = _as_array(column)
    if not (
        pa.types.is_list(array.type) or pa.types.is_large_list(array.type) or pa.types.is_fixed_size_list(array.type)
    ):
        raise InvalidRecordError(f"column {name!r} holds {array.type}, not lists of numbers")
    if array.null_count:
        raise InvalidRecordError(f"record {ids[_first(array.is_null())]!r} has no vector")
    values = array.flatten()
    if values.null_count:
        raise InvalidRecordError(f"column {name!r} has vectors with values that are not there")
    if not (pa.types.is_floating(values.type) or pa.types.is_integer(values.type)):
        raise InvalidRecordError(f"column {name!r} holds lists of {values.type}, not of numbers")
    lengths = (
        np.diff(array.offsets.to_numpy())
        if not pa.types.is_fixed_size_list(array.type)
        else np.full(len(array), array.type.list_size)
    )
    width = int(lengths[0]) if len(lengths) else 0
    if (lengths != width).any():
        row = int(np.argmax(lengths != width))
        raise InvalidRecordError(f"record {ids[row]!r} has {lengths[row]} dimensions, the first one {width}")
    return _matrix(values.to_numpy(zero_copy_only=False).reshape(len(array), width))


def _as_array(column: pa.ChunkedArray) -> pa.Array:
    import pyarrow as pa

    whole = column.combine_chunks()
    return pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole


def _first(mask: pa.Array) -> int:
    return int(np.argmax(mask.to_numpy(zero_copy_only=False)))


def _typed(column: pa.ChunkedArray, ids: Sequence[str], name: str, said: list[str]) -> Column | list[Any]:
    """A column of ours; lists and structs as Python's own, which are then refused by name. What changes its type is
    added to `said`.
    """
    import pyarrow as pa

    array = _as_array(column)
    kind = array.type
    if pa.types.is_dictionary(kind):
        if pa.types.is_string_view(kind.value_type):
            array = pa.DictionaryArray.from_arrays(array.indices, array.dictionary.cast(pa.large_string()))
        said.append(str(conversion_of(name, kind)))
        array = array.dictionary_decode()
        kind = array.type
    valid = None if not array.null_count else array.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_null(kind):
        return NumberColumn(np.zeros(len(array), dtype=np.int64), np.zeros(len(array), dtype=np.bool_))
    if pa.types.is_timestamp(kind):
        array, kind = _timestamps(array, name, said), pa.large_string()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _text_column(array.cast(pa.large_string()), valid)
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        filled = array.fill_null(False if pa.types.is_boolean(kind) else 0) if valid is not None else array
        try:
            return as_column(NumberColumn(filled.to_numpy(zero_copy_only=False), valid))
        except ColumnRuleError as error:
            raise InvalidRecordError(f"record {ids[error.row]!r}: column {name!r} {error}") from None
    hint = "cast it to text, for example with .astype(str), or give mappings with RecordBatch(metadata=…)"
    raise InvalidRecordError(
        f"column {name!r} holds {kind}, which is no boolean, integer, float, text or timestamp with a zone; {hint}"
    )


def _timestamps(array: pa.Array, name: str, said: list[str]) -> pa.Array:
    """As `utc_text` writes them: nanoseconds are cut."""
    import pyarrow as pa

    if array.type.tz is None:
        raise InvalidRecordError(
            f"column {name!r} holds times without a zone; give one, for example with dt.tz_localize('UTC')"
        )
    missing = array.is_null().to_numpy(zero_copy_only=False)
    if array.type.unit == "ns":
        nanoseconds = array.cast(pa.int64()).fill_null(0).to_numpy()
        moments, cut = nanoseconds // 1000, bool((nanoseconds % 1000).any())
    else:
        moments, cut = array.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).fill_null(0).to_numpy(), False
    lost = "; nanoseconds were cut" if cut else ""
    said.append(f"{conversion_of(name, array.type)}{lost}")
    texts = np.datetime_as_string(moments.view("M8[us]"))
    return pa.array(
        [f"{text}Z" for text in texts.tolist()],
        type=pa.large_string(),
        mask=missing,
    )


def _text_column(array: pa.Array, valid: Any) -> TextColumn:
    _, offsets_buffer, data_buffer = array.buffers()
    offsets = (
        np.frombuffer(offsets_buffer, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
        if len(array)
        else np.zeros(1, np.int64)
    )
    data = np.empty(0, dtype=np.uint8) if data_buffer is None else np.frombuffer(data_buffer, dtype=np.uint8)
    column = TextColumn(offsets - offsets[0], data[offsets[0] : offsets[-1]], valid)
    # A place without a text may have bytes in Arrow; here it has none.
    hidden = valid is not None and bool((np.diff(column.offsets)[~valid] > 0).any())
    return TextColumn.of(column[:]) if hidden else column
