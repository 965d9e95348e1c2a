"""One layout for every store that has no language as rich as our filters: tokens, companions, a payload.

A record becomes a list of *tokens* (hashes that stand for "this path has this value"), for each path its least and
greatest number and string (*companions*), and a *payload*, the record as JSON text: the only thing that is read back.
A filter becomes membership of tokens and comparisons with companions. A provider spells those in its own language.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

from vpa.base.arrays import FloatMatrix
from vpa.base.errors import InvalidRecordError, ProviderError
from vpa.base.metadata import Scalar, kind_of, leaves
from vpa.base.records import Record, RecordBatch
from vpa.base.scope import Scope
from vpa.filters.ast import Field

MAX_TOKENS: Final = 4000
TOKEN_LENGTH: Final = 24
_EXACT_INTEGERS: Final = 2.0**53
_LARGEST_INTEGER: Final = 2.0**63


@lru_cache(maxsize=65_536)
def token(kind: str, *parts: str) -> str:
    """24 hexadecimal digits (BLAKE2b, 96 bits) that stand for the parts; parts hold no NUL, so no two run together."""
    return blake2b("\0".join((kind, *parts)).encode(), digest_size=TOKEN_LENGTH // 2).hexdigest()


def _space(target: Field) -> str:
    return "y" if target.system else "m"


def value_token(target: Field, value: Scalar) -> str:
    """Stands for "some value of this field equals `value`": 2 and 2.0 share one, 1, True and "1" do not."""
    kind = kind_of(value)
    return token("=", kind[0], _space(target), target.path, _canonical(value))


def presence_token(target: Field) -> str:
    """Stands for "the field, or something below it, has a value"."""
    return token("?", _space(target), target.path)


def kind_token(target: Field, kind: str) -> str:
    """Stands for "the field has values of this kind"; without it, companions of an older record may be left over."""
    return token("#", kind[0], _space(target), target.path)


def companion_name(target: Field) -> str:
    """Under which name a field's companions are stored."""
    return token("<", _space(target), target.path)[:16]


@lru_cache(maxsize=4096)
def scope_token(scope: Scope) -> str:
    """Stands for "the record is in this scope"."""
    return token("@", scope.tenant, scope.namespace)


EVERY: Final = token("*")


def _canonical(value: Scalar) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else str(value)


@lru_cache(maxsize=4096)
def _scope_prefix(scope: Scope) -> str:
    return token("k", scope.tenant, scope.namespace)[:8]


def record_key(scope: Scope, record_id: str) -> str:
    """The native key: a UUID of version 8 (RFC 9562), 32 bits of the scope, then 90 of scope and id.

    Keys of one scope stand together, so that a scan in key order goes scope by scope.
    """
    rest = blake2b(f"{scope.tenant}\0{scope.namespace}\0{record_id}".encode(), digest_size=12).hexdigest()
    variant = "89ab"[int(rest[7], 16) & 3]
    return f"{_scope_prefix(scope)}-{rest[:4]}-8{rest[4:7]}-{variant}{rest[8:11]}-{rest[11:23]}"


def scope_range(scope: Scope) -> tuple[str, str]:
    """A text below, and one above, every key of a scope."""
    prefix = _scope_prefix(scope)
    return prefix, f"{prefix}~"


def native_name(name: str, *, allowed: str, separator: str, shortest: int = 1, longest: int = 45) -> str:
    """A collection's name as a store takes it: itself where it can be, else spelled with `separator` and a hash."""
    spelled = "".join(letter if letter in allowed else separator for letter in name)
    if spelled == name and shortest <= len(name) <= longest and name[-1] not in "-_":
        return name
    return f"{spelled[: longest - 9].rstrip('-_')}{separator}{token('name', name)[:8]}"


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
        """The native keys."""
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


def number_is_exact(value: float) -> bool:
    """Whether comparing float64 companions with `value` is the same as comparing the true 64-bit integers and floats."""
    return abs(value) < _EXACT_INTEGERS or abs(value) > _LARGEST_INTEGER


@dataclass(frozen=True, slots=True)
class Decoded:
    """A record read back, with the scope that it says it is in."""

    record: Record
    scope: Scope


def decode(payload: object, *, key: str) -> Decoded:
    """Read a payload; raises ProviderError if the store returns something else under `key` than what was stored there."""
    try:
        if not isinstance(payload, str):
            raise TypeError(f"a payload is text, not {type(payload).__name__}")
        stored = json.loads(payload)
        scope = Scope(*stored["scope"])
        record = Record(
            stored["id"],
            vector=None,
            text=stored.get("text"),
            metadata=stored.get("metadata") or {},
            system=stored.get("system") or {},
        )
    except (ValueError, TypeError, KeyError) as error:
        raise ProviderError(
            f"the store returned a record under {key!r} that vpa did not write, or that was changed by others"
        ) from error
    if record_key(scope, record.id) != key:
        raise ProviderError(f"the store returned record {record.id!r} under the key {key!r}, which is not its own")
    return Decoded(record, scope)


WORDS: Final = 5
_WORD_BYTES: Final = 6
MAX_WORD_BYTES: Final = WORDS * _WORD_BYTES - 1


def words(text: str) -> tuple[int, ...]:
    """The first 30 UTF-8 bytes as five big-endian numbers of 48 bits: their order is that of the text, up to 29 bytes."""
    data = text.encode()[: WORDS * _WORD_BYTES].ljust(WORDS * _WORD_BYTES, b"\0")
    starts = range(0, len(data), _WORD_BYTES)
    return tuple(int.from_bytes(data[start : start + _WORD_BYTES], "big") for start in starts)


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
