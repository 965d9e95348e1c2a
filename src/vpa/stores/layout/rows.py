"""A record as it is stored: *tokens*, hashes that stand for "this path has this value", for each path its least and
greatest number and string (*companions*), and a *payload*, the record as JSON text: the only thing that is read back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from vpa.base.arrays import FloatMatrix
from vpa.base.errors import InvalidRecordError
from vpa.base.metadata import Scalar, kind_of, leaves
from vpa.base.records import RecordBatch
from vpa.base.scope import Scope
from vpa.filters.ast import Field
from vpa.stores.layout.tokens import (
    EVERY,
    companion_name,
    kind_token,
    presence_token,
    record_key,
    scope_token,
    value_token,
)

# Tokens of one record: Milvus holds 4,096 values in an array.
MAX_TOKENS: Final = 4000


@dataclass(frozen=True, slots=True)
class Row:
    """One record as it is stored. Companions: `(least, greatest)` by `companion_name`."""

    key: str
    id: str
    tokens: list[str]
    numbers: dict[str, tuple[float, float]]
    strings: dict[str, tuple[str, str]]
    payload: str
    native: dict[str, Any] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """About what it takes on the wire, without the vector."""
        words = sum(len(low) + len(high) + 150 for low, high in self.strings.values())
        return 200 + len(self.payload) + 28 * len(self.tokens) + 90 * len(self.numbers) + words


@dataclass(frozen=True, slots=True)
class Rows:
    """Records of one scope, ready to be written; `vectors` `(n, d) float32`, or None to leave the stored ones alone."""

    scope: Scope
    rows: Sequence[Row]
    vectors: FloatMatrix | None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice) -> Rows:
        return Rows(self.scope, self.rows[part], None if self.vectors is None else self.vectors[part])

    @property
    def keys(self) -> list[str]:
        """The native key of each row, in order."""
        return [row.key for row in self.rows]

    @property
    def ids(self) -> list[str]:
        """The ids that the user gave."""
        return [row.id for row in self.rows]


def encode(batch: RecordBatch, *, scope: Scope, native_fields: Sequence[str] = ()) -> Rows:
    """The rows of a checked batch; raises InvalidRecordError for a record that has too many values to index."""
    rows = [
        _row(
            batch.ids[position],
            scope=scope,
            text=None if batch.texts is None else batch.texts[position],
            metadata={} if batch.metadata is None else batch.metadata[position],
            system={} if batch.system is None else batch.system[position],
            native_fields=native_fields,
        )
        for position in range(len(batch))
    ]
    return Rows(scope, rows, batch.vectors)


def _row(
    record_id: str,
    *,
    scope: Scope,
    text: str | None,
    metadata: Mapping[str, Any],
    system: Mapping[str, Scalar],
    native_fields: Sequence[str],
) -> Row:
    index = _Index(scope)
    native: dict[str, Any] = {}
    for path, values in leaves(metadata):
        index.add(Field(path), values)
        if path in native_fields:
            native[path] = values if len(values) > 1 else values[0]
    for name, value in system.items():
        if value is not None:
            index.add(Field(name, system=True), [value])
    if len(index.tokens) > MAX_TOKENS:
        raise InvalidRecordError(
            f"record {record_id!r} has metadata with {len(index.tokens)} things to index (values, paths and the paths "
            f"above them), at most {MAX_TOKENS} are possible on this store; use fewer or less deep keys"
        )
    stored: dict[str, Any] = {"id": record_id, "scope": [scope.tenant, scope.namespace]}
    optional: dict[str, Any] = {"text": text, "metadata": metadata or None, "system": system or None}
    stored |= {name: part for name, part in optional.items() if part is not None}
    return Row(
        record_key(scope, record_id),
        record_id,
        list(index.tokens),
        index.numbers,
        index.strings,
        _dump(stored),
        native,
    )


_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class _Index:
    """Collects tokens and companions of one record."""

    def __init__(self, scope: Scope) -> None:
        self.tokens: dict[str, None] = {EVERY: None, scope_token(scope): None}
        self.numbers: dict[str, tuple[float, float]] = {}
        self.strings: dict[str, tuple[str, str]] = {}

    def add(self, target: Field, values: Sequence[Scalar]) -> None:
        fixed = _fixed_tokens(target.path, system=target.system)
        self.tokens |= fixed.presence
        for value in values:
            self.tokens[value_token(target, value)] = None
        kind = kind_of(values[0])
        if kind == "boolean":
            return
        self.tokens[fixed.number if kind == "number" else fixed.string] = None
        least, greatest = (min(values), max(values)) if len(values) > 1 else (values[0], values[0])  # type: ignore[type-var]
        if kind == "number":
            self.numbers[fixed.companion] = (_float(least), _float(greatest))
        else:
            self.strings[fixed.companion] = (str(least), str(greatest))


@dataclass(frozen=True, slots=True)
class _FixedTokens:
    """What every record with values under one path shares."""

    presence: dict[str, None]
    number: str
    string: str
    companion: str


@lru_cache(maxsize=4096)
def _fixed_tokens(path: str, *, system: bool) -> _FixedTokens:
    target = Field(path, system=system)
    return _FixedTokens(
        dict.fromkeys(map(presence_token, _and_above(target))),
        kind_token(target, "number"),
        kind_token(target, "string"),
        companion_name(target),
    )


def _and_above(target: Field) -> Iterator[Field]:
    yield target
    path = target.path
    while not target.system and "." in path:
        path = path[: path.rindex(".")]
        if path:
            yield Field(path)


def _float(value: Any) -> float:
    return float(value) + 0.0  # -0.0 becomes 0.0


def parts(
    rows: Rows, *, max_records: int, max_bytes: int, vector_bytes: int, bytes_of_number: int = 0
) -> Iterable[Rows]:
    """Divide by number of records and by bytes; a single record may be larger, the store will say so."""
    start, size = 0, 0
    for position, row in enumerate(rows.rows):
        weight = row.size_bytes + vector_bytes + bytes_of_number * len(row.numbers)
        if position > start and (position - start >= max_records or size + weight > max_bytes):
            yield rows[start:position]
            start, size = position, 0
        size += weight
    if start < len(rows):
        yield rows[start:]
