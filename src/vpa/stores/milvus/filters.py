"""Predicates as Milvus expressions: array membership of hex tokens, comparisons with JSON companions. No user text goes
in.
"""

from __future__ import annotations

from typing import Final

from vpa.filters.ast import Comparison
from vpa.stores.layout.driver import Where
from vpa.stores.layout.predicate import AllOf, AnyOf, Bound, Has, Lacks, Predicate
from vpa.stores.layout.tokens import scope_token

KEY: Final = "id"
NUMBER: Final = "k"
SCOPE: Final = "s"
TOKENS: Final = "t"
COMPANIONS: Final = "c"
# Text companions are the first 100 UTF-8 bytes in hexadecimal digits, whose order is that of the bytes.
TEXT_BYTES: Final = 100
_OPERATORS: Final = {Comparison.GT: ">", Comparison.GTE: ">=", Comparison.LT: "<", Comparison.LTE: "<="}


def companion(name: str, kind: str, greatest: bool) -> str:
    """The key of a companion; `kind` is "n" or "s"."""
    return f"{name}{kind}{'g' if greatest else 'l'}"


def text_companion(text: str) -> str:
    """What stands for a text."""
    return text.encode()[:TEXT_BYTES].hex()


def spell(where: Where, *, low: int | None = None, high: int | None = None) -> str:
    """The expression; empty for every record of every scope."""
    parts = []
    if where.scope is not None:
        parts.append(f'{SCOPE} == "{scope_token(where.scope)}"')
    if where.predicate is not None:
        parts.append(_spell(where.predicate))
    if low is not None:
        parts.append(f"{NUMBER} >= {low}")
    if high is not None:
        parts.append(f"{NUMBER} <= {high}")
    return " and ".join(parts)


def keys(names: list[str]) -> str:
    """Membership of the primary key."""
    return f"{KEY} in [{_quoted(tuple(names))}]"


def _quoted(tokens: tuple[str, ...]) -> str:
    return ", ".join(f'"{token}"' for token in tokens)


def _spell(predicate: Predicate) -> str:
    match predicate:
        case AllOf(parts):
            return "(" + " and ".join(_spell(part) for part in parts) + ")"
        case AnyOf(parts):
            return "(" + " or ".join(_spell(part) for part in parts) + ")"
        case Has(tokens):
            return _any(tokens)
        case Lacks(tokens):
            return f"(not {_any(tokens)})"
        case Bound(name, greatest, comparison, str(text)):
            key = companion(name, "s", greatest)
            return f'({COMPANIONS}["{key}"] {_OPERATORS[comparison]} "{text_companion(text)}")'
        case Bound(name, greatest, comparison, number):
            key = companion(name, "n", greatest)
            return f'({COMPANIONS}["{key}"] {_OPERATORS[comparison]} {number!r})'


def _any(tokens: tuple[str, ...]) -> str:
    if len(tokens) == 1:
        return f"array_contains({TOKENS}, {_quoted(tokens)})"
    return f"array_contains_any({TOKENS}, [{_quoted(tokens)}])"
