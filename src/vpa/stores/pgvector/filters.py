"""Filters as SQL over the flattened metadata. Every path and literal is a parameter; no user text goes into the SQL.

The column `m` is `{"m<path>": [values], "y<system field>": [value], "p<path>": true for every path above others,
"c<path>" and "z<system field>": [texts, case-folded, where that changes them]}`. Texts of the metadata that name a
moment stand in it as that moment.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from vpa.base.metadata import Scalar, leaves
from vpa.base.moments import compared, folded
from vpa.base.scope import Scope
from vpa.filters import Filter
from vpa.filters.ast import (
    ALWAYS,
    And,
    Comparison,
    Constant,
    Eq,
    EqIgnoringCase,
    Exists,
    Field,
    In,
    Not,
    Or,
    Range,
    StartsWith,
)

_OPERATORS: Final = {Comparison.GT: ">", Comparison.GTE: ">=", Comparison.LT: "<", Comparison.LTE: "<="}


def flatten(metadata: Mapping[str, Any], system: Mapping[str, Scalar]) -> str:
    """The JSON of column `m`; its own text, because jsonb changes some numbers. Written piece by piece: it is what
    loading takes longest for.
    """
    parts: list[str] = []
    for path, values in leaves(metadata):
        names = _names(path)
        if isinstance(values[0], str):
            seen = [compared(str(value)) for value in values]
            parts.append(f"{names.member}[{','.join(map(_quoted, seen))}]")
            small = [fold for value, one in zip(values, seen, strict=True) if (fold := folded(str(value))) != one]
            if small:
                parts.append(f"{names.fold}[{','.join(map(_quoted, small))}]")
        else:
            parts.append(f"{names.member}[{','.join(map(_number, values))}]")
        if names.above:
            parts.append(names.above)
    for name, value in system.items():
        if value is not None:
            parts.append(f"{_quoted('y' + name)}:[{dump(_canonical(value))}]")
            if isinstance(value, str) and value.casefold() != value:
                parts.append(f"{_quoted('z' + name)}:[{_quoted(value.casefold())}]")
    return "{" + ",".join(parts) + "}"


class _Names(NamedTuple):
    """The keys of one path, with their colons, and what says that those above it are there."""

    member: str
    fold: str
    above: str


@functools.lru_cache(maxsize=1024)
def _names(path: str) -> _Names:
    above = ",".join(f"{_quoted('p' + one)}:true" for one in _above(path))
    return _Names(f"{_quoted('m' + path)}:", f"{_quoted('c' + path)}:", above)


def _above(path: str) -> Iterator[str]:
    while "." in path:
        path = path[: path.rindex(".")]
        if path:
            yield path


_quoted: Final = json.encoder.encode_basestring
dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _canonical(value: Scalar) -> Scalar:
    # Numbers are decimals in jsonb: an integral float as its integer, so that 1e22 and 10**22 are one, and -0.0 is 0.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _number(value: Scalar) -> str:
    if isinstance(value, float) and not value.is_integer():
        return float.__repr__(value)
    return dump(_canonical(value))


def _seen(value: Scalar) -> Scalar:
    return compared(value) if isinstance(value, str) else _canonical(value)


class Statement:
    """Collects parameters; `where` returns a condition that refers to them."""

    def __init__(self) -> None:
        self.parameters: list[Any] = []

    def bind(self, value: Any) -> str:
        """The placeholder of one parameter."""
        self.parameters.append(value)
        return f"${len(self.parameters)}"

    def where(self, node: Filter, scope: Scope | None) -> str:
        """The condition for a normalised filter within a scope, or in all of them."""
        parts = []
        if scope is not None:
            parts.append(f"tenant = {self.bind(scope.tenant)} AND namespace = {self.bind(scope.namespace)}")
        if node is not ALWAYS:
            parts.append(self._spell(node))
        return " AND ".join(parts) or "true"

    def _spell(self, node: Filter) -> str:
        match node:
            case Constant(value):
                return "true" if value else "false"
            case And(parts):
                return self._join(parts, "AND")
            case Or(parts):
                return self._join(parts, "OR")
            case Not(part):
                return f"NOT {self._spell(part)}"
            case Eq(field, value):
                return f"(m @> {self.bind(_member(field, value))}::jsonb)"
            case In(field, values):
                return f"(m @> ANY({self.bind([_member(field, value) for value in values])}::text[]::jsonb[]))"
            case EqIgnoringCase(field, value):
                return self._equal_ignoring_case(field, value)
            case StartsWith(field, prefix):
                path = f"$.{json.dumps(_key(field), ensure_ascii=False)}[*] ? (@ starts with $v)"
                return self._exists(path, prefix if field.system else compared(prefix))
            case Exists(field):
                if field.system:
                    return f"(m ? {self.bind(_key(field))})"
                below = self.bind(dump({"p" + field.path: True}))
                return f"(m ? {self.bind(_key(field))} OR m @> {below}::jsonb)"
            case Range(field, comparison, value):
                path = f"$.{json.dumps(_key(field), ensure_ascii=False)}[*] ? (@ {_OPERATORS[comparison]} $v)"
                return self._exists(path, _canonical(value) if field.system else _seen(value))
        raise TypeError(f"not a filter: {node!r}")

    def _equal_ignoring_case(self, field: Field, value: str) -> str:
        small = value.casefold() if field.system else folded(value)
        folds = f"{'z' if field.system else 'c'}{field.path}"
        found = self.bind([dump({_key(field): [small]}), dump({folds: [small]})])
        return f"(m @> ANY({found}::text[]::jsonb[]))"

    def _exists(self, path: str, literal: Scalar) -> str:
        return f"jsonb_path_exists(m, {self.bind(path)}::text::jsonpath, {self.bind(dump({'v': literal}))}::jsonb)"

    def _join(self, parts: Sequence[Filter], operator: str) -> str:
        return "(" + f" {operator} ".join(self._spell(part) for part in parts) + ")"


def _key(field: Field) -> str:
    return f"{'y' if field.system else 'm'}{field.path}"


def _member(field: Field, value: Scalar) -> str:
    return dump({_key(field): [_canonical(value) if field.system else _seen(value)]})
