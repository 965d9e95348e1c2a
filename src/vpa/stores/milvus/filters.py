"""Predicates as Milvus expressions: `like` over the tokens of a record in one text, comparisons with JSON companions.
No user text goes in.

Over a list of texts, `array_contains` takes Milvus Lite twice as long as the search; over one text, `like` takes
nothing that shows.
"""

from __future__ import annotations

from typing import Final

from vpa.base.scope import Scope
from vpa.filters.ast import Comparison
from vpa.stores.layout.driver import Where
from vpa.stores.layout.predicate import AllOf, AnyOf, Bound, Has, Lacks, Predicate
from vpa.stores.layout.sharing import DEFAULT_SCOPE
from vpa.stores.layout.tokens import list_token, scope_text

KEY: Final = "id"
NUMBER: Final = "k"
SCOPE: Final = "scope"
TOKENS: Final = "t"
COMPANIONS: Final = "c"
# Text companions are the first 100 UTF-8 bytes in hexadecimal digits, whose order is that of the bytes.
TEXT_BYTES: Final = 100
_OPERATORS: Final = {Comparison.GT: ">", Comparison.GTE: ">=", Comparison.LT: "<", Comparison.LTE: "<="}


def companion(name: str, kind: str, *, greatest: bool) -> str:
    """The key of a companion; `kind` is "n" or "s"."""
    return f"{name}{kind}{'' if greatest else 'l'}"


def text_companion(text: str) -> str:
    """What stands for a text."""
    return text.encode()[:TEXT_BYTES].hex()


def scope_value(scope: Scope) -> str:
    """What stands in the field of the scope; nothing for the default one."""
    return "" if scope == DEFAULT_SCOPE else scope_text(scope)


def spell(where: Where, *, low: int | None = None, high: int | None = None) -> str:
    """The expression; empty for every record of every scope."""
    parts = []
    if where.scope is not None:
        parts.append(f'{SCOPE} == "{scope_value(where.scope)}"')
    predicate = where.predicate
    if predicate is not None:
        parts.append(_spell(predicate))
    if low is not None:
        parts.append(f"{NUMBER} >= {low}")
    if high is not None:
        parts.append(f"{NUMBER} <= {high}")
    return " and ".join(parts)


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
        case Bound():
            return _bound(predicate)


def _any(tokens: tuple[str, ...]) -> str:
    return "(" + " or ".join(f'{TOKENS} like "%{token}%"' for token in tokens) + ")"


def _bound(bound: Bound) -> str:
    greatest = _compare(bound, greatest=True)
    if bound.greatest:
        return greatest
    several = _any((list_token(bound.name),))
    return f"(((not {several}) and {greatest}) or ({several} and {_compare(bound, greatest=False)}))"


def _compare(bound: Bound, *, greatest: bool) -> str:
    if isinstance(bound.value, str):
        key, literal = companion(bound.name, "s", greatest=greatest), f'"{text_companion(bound.value)}"'
    else:
        key, literal = companion(bound.name, "n", greatest=greatest), repr(bound.value)
    return f'({COMPANIONS}["{key}"] {_OPERATORS[bound.comparison]} {literal})'
