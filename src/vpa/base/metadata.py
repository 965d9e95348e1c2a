"""What metadata may hold: checking, the canonical form, and the flat view of it that filters see."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePath
from typing import Any, Final, TypeAlias
from uuid import UUID

import numpy as np

from vpa.base.errors import InvalidRecordError
from vpa.base.moments import in_utc
from vpa.base.showing import shown

Scalar: TypeAlias = str | int | float | bool | None
Value: TypeAlias = "Scalar | list[Scalar] | dict[str, Value]"
Metadata: TypeAlias = dict[str, Value]

MAX_KEY_BYTES: Final = 128  # What every store takes; docs/semantics.md says so, and tests hold each store to it.
MAX_DEPTH: Final = 8
MAX_VALUES: Final = 1000
INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1

_HINTS: Final[tuple[tuple[type | tuple[type, ...], str], ...]] = (
    ((tuple, set, frozenset), "use a list"),
    ((date, time), "use an aware datetime or text"),
    (Decimal, "use a float, or text to keep it exact"),
    ((bytes, bytearray, memoryview), "use text, for example base64"),
    (np.ndarray, "use .tolist()"),
    (complex, "use two floats"),
    ((UUID, PurePath), "use str(value)"),
    (Fraction, "use a float, or text to keep it exact"),
    ((np.datetime64, np.timedelta64), "use an aware datetime, or text"),
)
# Of libraries that are not imported for it: by the name of the type.
_HINTS_BY_NAME: Final[Mapping[str, str]] = {
    "NAType": "a missing value is None",
    "NaTType": "a missing value is None",
    "Series": "use .tolist()",
    "Index": "use .tolist()",
    "DataFrame": "use RecordBatch.from_table",
    "Tensor": "use .tolist()",
}


class ValueRuleError(ValueError):
    """A value breaks a rule; says which, not where."""


def check_text(text: str) -> str:
    """Return `text` if every store can hold it, else raise ValueRuleError with the place."""
    if text.isascii():
        if "\0" in text:
            raise ValueRuleError(f"holds NUL at position {text.index(chr(0))}; remove it")
        return text
    if "\0" in text:
        raise ValueRuleError(f"holds NUL at position {text.index(chr(0))}; remove it")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueRuleError(f"holds a lone surrogate at position {error.start}; it is not valid Unicode") from None
    return text


def utc_text(moment: datetime) -> str:
    """An aware datetime as RFC 3339 in UTC with six fractional digits, so that text order is time order."""
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise ValueRuleError(
            "is a datetime without a time zone; use an aware one, for example datetime.now(UTC), or "
            "in pandas column.dt.tz_localize('UTC')"
        )
    try:
        return in_utc(moment)
    except OverflowError:
        raise ValueRuleError("is a datetime outside the years 1 to 9999 in UTC") from None


def canonical_scalar(value: object) -> Scalar:
    """Return the plain Python value that is stored for `value`; raise ValueRuleError if there is none."""
    if isinstance(value, enum.Enum):
        return canonical_scalar(value.value)
    if isinstance(value, np.generic) and not isinstance(value, np.datetime64 | np.timedelta64 | np.bytes_):
        value = value.item()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return check_text(str(value))
    if isinstance(value, int):
        if not INT_MIN <= value <= INT_MAX:
            raise ValueRuleError("is an integer beyond 64 bits; use a float or text")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueRuleError(f"is {value}; only finite numbers can be stored")
        return float(value)
    if isinstance(value, datetime) and type(value).__name__ != "NaTType":
        return utc_text(value)
    raise ValueRuleError(_refusal(value))


def _refusal(value: object) -> str:
    hint = _HINTS_BY_NAME.get(type(value).__name__)
    hint = hint or next((text for types, text in _HINTS if isinstance(value, types)), None)
    message = f"has type {type(value).__name__}, which is not str, int, float, bool, None, datetime, list or mapping"
    return f"{message}; {hint}" if hint else message


def kind_of(value: Scalar) -> str:
    """`"boolean"`, `"number"` or `"string"`: values of different kinds are never equal."""
    if isinstance(value, bool):
        return "boolean"
    return "string" if isinstance(value, str) else "number"


def canonical_metadata(metadata: Mapping[str, object]) -> Metadata:
    """Return a checked deep copy of `metadata` in plain Python values.

    Raises InvalidRecordError naming the key and the rule.
    """
    if type(metadata) is dict:
        plain = _plain_flat(metadata)
        if plain is not None:
            return plain
    if not isinstance(metadata, Mapping):
        raise InvalidRecordError(f"metadata must be a mapping, not {type(metadata).__name__}")
    counter = _Counter()
    result = counter.mapping(metadata, path="", depth=0)
    if counter.nested:
        _refuse_repeated_paths(result)
    return result


_SHORT_KEY = 32  # A key of so many characters is below MAX_KEY_BYTES however it is encoded: it is not measured.
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


def _plain_flat(metadata: dict[str, Any]) -> Metadata | None:
    """A copy, when everything is obviously fine (nearly always); None sends the caller the careful way."""
    if len(metadata) > MAX_VALUES:
        return None
    for key, value in metadata.items():
        if type(key) is not str or not 0 < len(key) <= _SHORT_KEY or key[0] in "$_" or not key.isascii() or "\0" in key:
            return None
        kind = type(value)
        if kind is str:
            if not value.isascii() or "\0" in value:
                return None
        elif kind is int:
            if not INT_MIN <= value <= INT_MAX:
                return None
        elif kind is float:
            if not math.isfinite(value):
                return None
        elif kind not in _PLAIN:
            return None
    return metadata.copy()


class _Counter:
    """Walks one record's metadata, counting values."""

    def __init__(self) -> None:
        self.values = 0
        self.nested = False

    def mapping(self, mapping: Mapping[Any, object], *, path: str, depth: int) -> Metadata:
        if depth > MAX_DEPTH:
            raise InvalidRecordError(f"metadata {path!r} is nested deeper than {MAX_DEPTH} levels; flatten it")
        return {
            check_key(key, path): self.value(value, path=join(path, key), depth=depth) for key, value in mapping.items()
        }

    def value(self, value: object, *, path: str, depth: int) -> Value:
        if isinstance(value, Mapping):
            self.nested = True
            return self.mapping(value, path=path, depth=depth + 1)
        if isinstance(value, list):
            return self.list_of(value, path=path)
        self.count(1)
        return self.scalar(value, path=path)

    def list_of(self, values: list[object], *, path: str) -> list[Scalar]:
        self.count(len(values))
        for element in values:
            if isinstance(element, list | tuple | Mapping):
                raise InvalidRecordError(
                    f"metadata {path!r} is a list that holds a {type(element).__name__}; lists hold plain values only"
                )
        result = [self.scalar(element, path=path) for element in values]
        kinds = sorted({kind_of(element) for element in result if element is not None})
        if len(kinds) > 1:
            raise InvalidRecordError(
                f"metadata {path!r} is a list that mixes {' and '.join(kinds)} values; use one kind"
            )
        return result

    def scalar(self, value: object, *, path: str) -> Scalar:
        try:
            return canonical_scalar(value)
        except ValueRuleError as error:
            raise InvalidRecordError(f"metadata {path!r} {error}") from None

    def count(self, number: int) -> None:
        self.values += number
        if self.values > MAX_VALUES:
            raise InvalidRecordError(f"metadata has more than {MAX_VALUES} values; store long data in text")


def check_key(key: object, path: str = "") -> str:
    """Return a metadata key, or raise InvalidRecordError with the rule that it breaks."""
    where = f" under {path!r}" if path else ""
    if isinstance(key, str) and isinstance(key, enum.Enum):
        key = key.value
    if not isinstance(key, str):
        raise InvalidRecordError(f"metadata key {shown(key)}{where} must be a string, not {type(key).__name__}")
    if not key:
        raise InvalidRecordError(f"metadata has an empty key{where}; keys are non-empty strings")
    try:
        check_text(key)
    except ValueRuleError as error:
        raise InvalidRecordError(f"metadata key {shown(key)}{where} {error}") from None
    if len(key.encode()) > MAX_KEY_BYTES:
        raise InvalidRecordError(f"metadata key {key[:40]!r}…{where} is longer than {MAX_KEY_BYTES} UTF-8 bytes")
    if key.startswith(("$", "_vpa")):
        raise InvalidRecordError(f"metadata key {shown(key)}{where} is reserved: keys do not start with '$' or '_vpa'")
    return str(key)


def join(path: str, key: object) -> str:
    """The dotted path of `key` below `path`."""
    return f"{path}.{key}" if path else str(key)


def _refuse_repeated_paths(metadata: Metadata) -> None:
    seen: set[str] = set()
    for path in _all_paths(metadata, ""):
        if path in seen:
            raise InvalidRecordError(
                f"metadata has the path {path!r} twice (a key with dots and a nested key); rename one"
            )
        seen.add(path)


def _all_paths(mapping: Mapping[str, Value], path: str) -> Iterator[str]:
    for key, value in mapping.items():
        here = join(path, key)
        yield here
        if isinstance(value, dict):
            yield from _all_paths(value, here)


def leaves(metadata: Mapping[str, Value], path: str = "") -> Iterator[tuple[str, list[Scalar]]]:
    """Yield `(dotted path, values)` for each path whose set of values is not empty; `None` is no value."""
    for key, value in metadata.items():
        here = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            yield from leaves(value, here)
        elif isinstance(value, list):
            present: list[Scalar] = [element for element in value if element is not None]
            if present:
                yield here, present
        elif value is not None:
            yield here, [value]


def canonical_system(system: Mapping[str, object]) -> dict[str, Scalar]:
    """Return a checked copy of a `Record.system` mapping: flat, scalars only."""
    result: dict[str, Scalar] = {}
    for key, value in system.items():
        try:
            result[check_key(key)] = canonical_scalar(value)
        except ValueRuleError as error:
            raise InvalidRecordError(f"system field {shown(key)} {error}") from None
    return result
