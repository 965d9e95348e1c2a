"""Records as an Arrow table with a typed column for each top-level key of the metadata.

A key whose values are all booleans, integers, numbers, texts, or lists of one of them has a column of that type;
integers beside floats become floats where all are exact as such. Any other key has its values as JSON text. A value
that is missing or None is null. With Arrow imported by whoever calls. `column_of` and `key_of` say what the column of a
key is called, so that `RecordBatch.from_table` reads what `to_arrow` wrote.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from vpa.base.arrays import FloatMatrix
from vpa.base.records import RecordBatch
from vpa.base.scope import Scope
from vpa.base.sparse import sparse_to_json

if TYPE_CHECKING:
    import pyarrow as pa

PREFIX: Final = "metadata."
JSON_PREFIX: Final = "json."
# The system fields of a record, as JSON text; a field of the user's that is called so has "metadata." before it.
SYSTEM: Final = "vpa.system"
# Its sparse vector, likewise.
SPARSE: Final = "vpa.sparse"
_OWN: Final = (SYSTEM, SPARSE, "tenant", "namespace", "id", "vector", "text", "metadata", "system")
_EXACT: Final = 2**53  # Up to here every integer is a float64.
_LIST: Final = "list"
_JSON: Final = "json"
_MIXED: Final = frozenset({"int", "float"})


class MetadataTypes:
    """Which kinds of values each top-level key has, in the order in which the keys came."""

    def __init__(self) -> None:
        self._kinds: dict[str, set[str]] = {}

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Note what these records have."""
        for row in rows:
            for key, value in row.items():
                _note(value, self._kinds.setdefault(key, set()))

    def keys(self) -> list[str]:
        """Every key so far."""
        return list(self._kinds)

    def column(self, key: str, rows: Sequence[Mapping[str, Any]]) -> pa.Array:
        """The values of `key`, null where a record has none."""
        import pyarrow as pa

        kind = self._kind(key)
        values = [row.get(key) for row in rows]
        if kind == _JSON:
            values = [None if value is None else json.dumps(value, ensure_ascii=False) for value in values]
        return pa.array(values, _types()[kind])

    def is_json(self, key: str) -> bool:
        """Whether the values of `key` are written as JSON."""
        return self._kind(key) == _JSON

    def type_of(self, key: str) -> pa.DataType:
        """Of the column of `key`."""
        return _types()[self._kind(key)]

    def _kind(self, key: str) -> str:
        kinds = self._kinds[key]
        lists = {kind for kind in kinds if kind.startswith(_LIST)}
        if lists and lists != kinds:
            return _JSON
        elements = {kind.removeprefix(_LIST) for kind in kinds} - {""}
        if elements == _MIXED:
            elements = {"float"}
        if len(elements) > 1 or _JSON in elements or "wide" in elements:
            elements = {"int"} if elements in ({"wide"}, {"wide", "int"}) else {_JSON}
        [element] = elements or {"str"}
        return _JSON if element == _JSON else f"{_LIST if lists else ''}{element}"


def column_of(key: str, *, is_json: bool) -> str:
    """What the column of a key is called beside id, vector and text: as the key, unless that says something else."""
    if is_json:
        return JSON_PREFIX + key
    return PREFIX + key if key in _OWN or key.startswith((PREFIX, JSON_PREFIX)) else key


def key_of(column: str) -> tuple[str, bool]:
    """The key that `column_of` was given, and whether the values are JSON."""
    if column.startswith(JSON_PREFIX) and len(column) > len(JSON_PREFIX):
        return column.removeprefix(JSON_PREFIX), True
    return (column.removeprefix(PREFIX) if len(column) > len(PREFIX) else column), False


def _note(value: Any, kinds: set[str]) -> None:
    if value is None:
        return
    if isinstance(value, list | tuple):
        kinds.add(_LIST)
        kinds.update(_LIST + _kind_of(element) for element in value if element is not None)
    else:
        kinds.add(_kind_of(value))


def _kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int" if -_EXACT <= value <= _EXACT else "wide"
    if isinstance(value, float):
        return "float"
    return "str" if isinstance(value, str) else _JSON


def _types() -> dict[str, Any]:
    import pyarrow as pa

    plain = {"bool": pa.bool_(), "int": pa.int64(), "float": pa.float64(), "str": pa.string()}
    return {**plain, **{_LIST + name: pa.list_(kind) for name, kind in plain.items()}, _JSON: pa.string()}


def vector_column(vectors: FloatMatrix) -> pa.Array:
    """`(n, d) float32` as a fixed-size list of d numbers a row."""
    import pyarrow as pa

    matrix = np.ascontiguousarray(vectors, dtype=np.float32)
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), matrix.shape[1])


def arrow_table(batches: Sequence[RecordBatch], *, dimension: int, vectors: bool, scopes: bool) -> pa.Table:
    """Columns id, vector, text, then the metadata; with `scopes` tenant and namespace before them.

    Where records have system fields, as the chunks of documents do, "vpa.system" has them as JSON.

    A key that is called as one of these columns has the column "metadata.<key>", one with values of several kinds, or
    with mappings, "json.<key>".
    """
    import pyarrow as pa

    types = MetadataTypes()
    rows: list[Mapping[str, Any]] = []
    for batch in batches:
        rows += [{}] * len(batch) if batch.metadata is None else list(batch.metadata)
    types.add(rows)
    columns: dict[str, Any] = {}
    if scopes:
        places = [batch.scope or Scope() for batch in batches for _ in batch.ids]
        columns["tenant"] = pa.array([place.tenant for place in places], pa.string())
        columns["namespace"] = pa.array([place.namespace for place in places], pa.string())
    columns["id"] = pa.array([name for batch in batches for name in batch.ids], pa.string())
    if vectors:
        parts = [batch.vectors for batch in batches if batch.vectors is not None]
        columns["vector"] = vector_column(np.concatenate([np.empty((0, dimension), np.float32), *parts]))
    texts = [batch.texts or [None] * len(batch) for batch in batches]
    columns["text"] = pa.array([text for part in texts for text in part], pa.string())
    system = [dict(row) for batch in batches for row in batch.system or [{}] * len(batch)]
    if any(system):
        columns[SYSTEM] = pa.array(
            [json.dumps(row, ensure_ascii=False) if row else None for row in system], pa.string()
        )
    sparse = [sparse_to_json(row) for batch in batches for row in batch.sparse or [None] * len(batch)]
    if any(sparse):
        columns[SPARSE] = pa.array([None if row is None else json.dumps(row) for row in sparse], pa.string())
    for key in types.keys():  # noqa: SIM118 - no mapping
        columns[column_of(key, is_json=types.is_json(key))] = types.column(key, rows)
    return pa.table(columns)
