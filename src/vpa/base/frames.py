"""Tables of others as batches: arrays, Arrow, pandas, polars; by columns, without a Python object a value."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike

from vpa.base.arrays import FloatMatrix, VectorFormatError, as_float32
from vpa.base.errors import ConfigurationError, InvalidQueryError, InvalidRecordError
from vpa.base.ids import new_id
from vpa.base.mappings import FOREIGN_PARTS
from vpa.base.metadata import ValueRuleError
from vpa.base.records import RecordBatch
from vpa.base.scope import Scope, check_scope
from vpa.base.showing import shown
from vpa.base.tables import Column, ColumnRuleError, MetadataColumns, NumberColumn, TextColumn, as_column
from vpa.base.typed import PREFIX, SPARSE, SYSTEM, key_of

_LIKE_ID: Final = frozenset({"id", "ids", "uuid", "doc_id", "document_id", "record_id", "key", "pk", "primary_key"})
_PLACE: Final = ("tenant", "namespace")

if TYPE_CHECKING:
    import pyarrow as pa

_LOOKED_AT: Final = 1000  # Values of a column, to say which types it mixes.


def batch_from_columns(
    ids: Sequence[str] | None, vectors: ArrayLike, *, columns: Mapping[str, Any], texts: Sequence[str | None] | None
) -> RecordBatch:
    """What RecordBatch.from_columns does, in a module that is imported when it is called."""
    matrix = _matrix(vectors)
    if not isinstance(columns, Mapping):
        raise InvalidRecordError(
            'metadata of columns is one mapping with a list for each key, as in {"year": years}, not '
            f"{shown(columns)}; for a mapping a record use RecordBatch(ids=…, vectors=…, metadata=…)"
        )
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
            raise InvalidRecordError(_missing(name, names, option="vector" if name == vector_column else "id"))
    id_column = id_column or "id"
    ids = _ids(arrow.column(id_column), id_column) if id_column in names else [new_id() for _ in range(len(arrow))]
    matrix = _vectors(arrow.column(vector_column), ids, vector_column) if vectors is None else _matrix(vectors)
    said: list[str] = []
    texts = None
    if text_column is not None and text_column in names:
        texts = _typed(arrow.column(text_column), ids, text_column, said)
        if not isinstance(texts, TextColumn):
            raise InvalidRecordError(
                f"column {text_column!r} holds {arrow.column(text_column).type}, not text; cast it, or give text=None"
            )
    elif text_column is not None and (like := _like("text", names)) is not None:
        said.append(f"{like}: kept as a field of the metadata; text={like!r} makes it the text")
    rest = [name for name in names if name not in (id_column, vector_column, text_column, SYSTEM, SPARSE)]
    scope = _scope(arrow) if set(_PLACE) <= set(rest) else None
    if scope is not None:
        rest = [name for name in rest if name not in _PLACE]
        said.append(f"tenant, namespace: the scope of the records ({scope.tenant!r}, {scope.namespace!r}), no fields")
    _check_apart(rest)
    # `to_arrow` writes such names for fields that are called as a column of its own.
    said += [f"{name}: the field {key_of(name)[0]!r}" for name in rest if key_of(name)[0] != name]
    if (exported := _exported(arrow, rest, ids)) is not None:
        return RecordBatch(ids=ids, vectors=matrix, texts=texts, **exported, scope=scope, conversions=tuple(said))
    batch = batch_from_columns(ids, matrix, columns=_columns(arrow, rest, ids, said), texts=texts)
    if apart := _apart(arrow, rest, ids):
        batch = replace(batch, metadata=_merged(batch.metadata or (), apart))
    if SYSTEM in names:
        batch = replace(batch, system=[row or {} for row in _from_json(arrow.column(SYSTEM), ids, SYSTEM)])
    if SPARSE in names:
        batch = replace(batch, sparse=_from_json(arrow.column(SPARSE), ids, SPARSE))
    return replace(batch, scope=scope, conversions=tuple(said))


def _columns(arrow: pa.Table, names: Sequence[str], ids: Sequence[str], said: list[str]) -> dict[str, Any]:
    """Those that become columns of ours, by their keys."""
    columns: dict[str, Any] = {}
    for name in names:
        key, is_json = key_of(name)
        if not is_json and not _is_list_of_plain(arrow.column(name).type):
            columns[key] = _typed(arrow.column(name), ids, name, said)
    return columns


def _check_apart(names: Sequence[str]) -> None:
    """No two columns are one field of the metadata."""
    columns: dict[str, str] = {}
    for name in names:
        key, _ = key_of(name)
        if key in columns:
            raise InvalidRecordError(f"the columns {columns[key]!r} and {name!r} are one field; rename one of them")
        columns[key] = name


def _apart(arrow: pa.Table, names: Sequence[str], ids: Sequence[str]) -> dict[str, list[Any]]:
    """The values of lists and of JSON, by their keys: they have no columns of ours."""
    values: dict[str, list[Any]] = {}
    for name in sorted(names):
        key, is_json = key_of(name)
        if is_json:
            values[key] = _from_json(arrow.column(name), ids, name)
        elif _is_list_of_plain(arrow.column(name).type):
            values[key] = arrow.column(name).to_pylist()
    return values


def _merged(rows: Sequence[Mapping[str, Any]], apart: Mapping[str, list[Any]]) -> list[Mapping[str, Any]]:
    return [
        {**row, **{key: values[n] for key, values in apart.items() if values[n] is not None}}
        for n, row in enumerate(rows)
    ]


def _from_json(column: pa.ChunkedArray, ids: Sequence[str], name: str) -> list[Any]:
    values: list[Any] = []
    for row, text in enumerate(column.to_pylist()):
        try:
            values.append(None if text is None else json.loads(text))
        except (ValueError, TypeError, RecursionError):
            raise InvalidRecordError(
                f"record {ids[row]!r}: column {name!r} holds {shown(text)}, which is no JSON; a field of that name is "
                f"in the column {PREFIX + name!r}"
            ) from None
    return values


def _scope(arrow: pa.Table) -> Scope:
    """That of the columns tenant and namespace, as `to_arrow(scope=ALL_SCOPES)` writes them."""
    pairs = set(zip(*(arrow.column(name).to_pylist() for name in _PLACE), strict=True))
    instead = "; a field of such a name is in a column 'metadata.tenant' or 'metadata.namespace'"
    if len(pairs) > 1:
        raise InvalidRecordError(
            f"the table has records of {len(pairs)} scopes in its columns tenant and namespace: write one scope after "
            f"the other, or leave the two columns out{instead}"
        )
    [(tenant, namespace)] = pairs
    try:
        return check_scope(Scope(tenant, namespace))
    except InvalidQueryError as error:
        raise InvalidRecordError(f"the columns tenant and namespace: {error.message}{instead}") from None


def _exported(arrow: pa.Table, names: Sequence[str], ids: Sequence[str]) -> dict[str, Any] | None:
    """Metadata, system fields and sparse vectors of a file that `export_parquet` wrote, read with another library; else
    None.
    """
    import pyarrow as pa

    parts = [name for name in names if name in ("metadata", "system", "sparse")]
    if not {"metadata", "system"} <= set(parts) or any(
        not name.startswith(PREFIX) for name in names if name not in parts
    ):
        return None
    kinds = [arrow.column(name).type for name in parts]
    if not all(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind) for kind in kinds):
        return None
    read = {name: _from_json(arrow.column(name), ids, name) for name in parts}
    return {name: [value or {} for value in values] for name, values in read.items()}


def _like(part: str, names: Sequence[str]) -> str | None:
    """The first column whose name is what other libraries call a part of a record."""
    return next((name for name in names if FOREIGN_PARTS.get(name.lower()) == part), None)


def _missing(name: str, names: Sequence[str], *, option: str) -> str:
    like = _like(option, names)
    said = f"the table has no column {name!r}, it has {', '.join(names) or 'none'}; "
    if like is None:
        return f"{said}say which it is with id= and vector= of RecordBatch.from_table"
    return f"{said}write RecordBatch.from_table(table, {option}={like!r})"


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
