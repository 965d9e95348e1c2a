"""Filters as SQL over the flattened metadata. Every path and literal is a parameter; no user text goes into the SQL.

The column `m` is `{"m<path>": [values], "y<system field>": [value], "p<path>": true for every path that exists}`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from vpa.base.metadata import Scalar, leaves
from vpa.base.scope import Scope
from vpa.filters import Filter
from vpa.filters.ast import ALWAYS, And, Comparison, Constant, Eq, Exists, Field, In, Not, Or, Range

_OPERATORS: Final = {Comparison.GT: ">", Comparison.GTE: ">=", Comparison.LT: "<", Comparison.LTE: "<="}


def flatten(metadata: Mapping[str, Any], system: Mapping[str, Scalar]) -> str:
    """The JSON of column `m`; its own text, because jsonb changes some numbers."""
    flat: dict[str, Any] = {}
    for path, values in leaves(metadata):
        flat[f"m{path}"] = [_canonical(value) for value in values]
        flat |= dict.fromkeys((f"p{above}" for above in _and_above(path)), True)
    for name, value in system.items():
        if value is not None:
            flat[f"y{name}"] = [_canonical(value)]
    return dump(flat)


def _and_above(path: str) -> Iterator[str]:
    yield path
    while "." in path:
        path = path[: path.rindex(".")]
        if path:
            yield path


dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _canonical(value: Scalar) -> Scalar:
    # Numbers are decimals in jsonb: an integral float as its integer, so that 1e22 and 10**22 are one, and -0.0 is 0.
    return int(value) if isinstance(value, float) and value.is_integer() else value


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
            case Exists(field):
                if field.system:
                    return f"(m ? {self.bind(_key(field))})"
                return f"(m @> {self.bind(dump({'p' + field.path: True}))}::jsonb)"
            case Range(field, comparison, value):
                path = f"$.{json.dumps(_key(field), ensure_ascii=False)}[*] ? (@ {_OPERATORS[comparison]} $v)"
                literal = dump({"v": _canonical(value)})
                return f"jsonb_path_exists(m, {self.bind(path)}::text::jsonpath, {self.bind(literal)}::jsonb)"
        raise TypeError(f"not a filter: {node!r}")

    def _join(self, parts: Sequence[Filter], operator: str) -> str:
        return "(" + f" {operator} ".join(self._spell(part) for part in parts) + ")"


def _key(field: Field) -> str:
    return f"{'y' if field.system else 'm'}{field.path}"


def _member(field: Field, value: Scalar) -> str:
    return dump({_key(field): [_canonical(value)]})
