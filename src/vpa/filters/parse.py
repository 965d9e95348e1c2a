"""Filters in MongoDB-style JSON, read into the tree. Errors name the path inside the filter."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from vpa.base.errors import InvalidFilterError
from vpa.base.showing import shown
from vpa.filters import build, foreign
from vpa.filters.ast import (
    ALWAYS,
    MAX_DEPTH,
    MAX_LITERALS,
    And,
    Comparison,
    Field,
    Filter,
    In,
    Not,
    Or,
    children,
    depth,
)
from vpa.filters.expressions import F
from vpa.filters.normalize import NormalFilter, is_normal, mark_normal, normalize

FilterLike: TypeAlias = Filter | Mapping[str, Any] | None

_Builder: TypeAlias = Callable[[Field, object, str], Filter]


def _comparison(comparison: Comparison) -> _Builder:
    return lambda target, value, at: build.compare(target, comparison, value, at=at)


_OPERATORS: Final[dict[str, _Builder]] = {
    "$eq": lambda target, value, at: build.eq(target, value, at=at),
    "$ne": lambda target, value, at: build.ne(target, value, at=at),
    "$in": lambda target, value, at: build.is_in(target, value, at=at),
    "$nin": lambda target, value, at: build.not_in(target, value, at=at),
    "$contains": lambda target, value, at: build.eq(target, value, at=at),
    "$contains_any": lambda target, value, at: build.is_in(target, value, at=at),
    "$contains_all": lambda target, value, at: build.contains_all(target, value, at=at),
    "$starts_with": lambda target, value, at: build.starts_with(target, value, at=at),
    "$iequals": lambda target, value, at: build.equals_ignoring_case(target, value, at=at),
    "$exists": lambda target, value, at: build.exists(target, value, at=at),
    **{str(comparison): _comparison(comparison) for comparison in Comparison},
}
# A filter with more literals takes some milliseconds to parse.
_LONG: Final = 200
# Told apart at once: asking whether a value is a Mapping takes longer than counting it.
_PLAIN: Final = frozenset({str, int, float, bool})
_CONNECTIVES: Final = ("$and", "$or", "$nor", "$not")


def normal(condition: FilterLike) -> NormalFilter:
    """The normal form of what a caller wrote; free for a filter that came from here. Raises InvalidFilterError."""
    if isinstance(condition, Filter) and is_normal(condition):
        return NormalFilter(condition)
    return mark_normal(normalize(as_filter(condition)))


def is_long(condition: FilterLike) -> bool:
    """Whether parsing it takes so long that it should not be done on an event loop."""
    return condition is not None and _is_larger(condition, _LONG)


def _is_larger(condition: object, limit: int) -> bool:
    """Whether there are more than so many literals, or four times as many objects; looks at no more than that."""
    waiting = [condition]
    literals = objects = 0
    while waiting and literals <= limit and objects <= 4 * limit:
        node = waiting.pop()
        objects += 1
        if type(node) in _PLAIN:
            literals += 1
        elif isinstance(node, Mapping) and node:
            waiting += node.values()
        elif isinstance(node, list | tuple) and node:
            waiting += node
        elif isinstance(node, And | Or | Not):
            waiting += children(node)
        else:
            literals += len(node.values) if isinstance(node, In) else 1
    return literals > limit or objects > 4 * limit


def as_filter(condition: FilterLike) -> Filter:
    """Return the tree for an expression, a JSON object, or None (always); raises InvalidFilterError."""
    if condition is None:
        return ALWAYS
    if _is_larger(condition, MAX_LITERALS):
        # Counted before anything is built: a caller must not be able to buy seconds of work with one request.
        raise InvalidFilterError(f"the filter has more than {MAX_LITERALS} literals; split the call")
    if isinstance(condition, Filter):
        tree = condition
    elif isinstance(condition, Mapping):
        tree = _object(condition, at="", level=0)
    else:
        raise _no_filter(condition)
    if depth(tree) > MAX_DEPTH:
        raise InvalidFilterError(f"the filter is nested deeper than {MAX_DEPTH} levels; flatten it")
    return tree


def _no_filter(condition: object) -> InvalidFilterError:
    if isinstance(condition, F):
        return InvalidFilterError(f"{condition!r} is a field, not a condition; compare it: {condition!r} == value")
    notation = foreign.of_value(condition)
    if notation is not None:
        return _error("", notation)
    return InvalidFilterError(
        f"a filter is an F expression or a mapping, not {type(condition).__name__}: {shown(condition)}"
    )


def _object(condition: object, *, at: str, level: int) -> Filter:
    if not isinstance(condition, Mapping):
        raise _error(at, f"expected a filter object, not {shown(condition)}")
    if level > MAX_DEPTH:
        raise _error(at, f"the filter is nested deeper than {MAX_DEPTH} levels; flatten it")
    if not foreign.MARKS.isdisjoint(condition) and (notation := foreign.of_mapping(condition)):
        raise _error(at, notation)
    parts = tuple(_member(key, value, at=_below(at, key), level=level) for key, value in condition.items())
    if not parts:
        return ALWAYS
    return parts[0] if len(parts) == 1 else And(parts)


def _member(key: object, value: object, *, at: str, level: int) -> Filter:
    if key == "$not":
        return Not(_object(value, at=at, level=level + 1))
    if key in ("$and", "$or", "$nor"):
        return _connective(str(key), value, at=at, level=level)
    if isinstance(key, str) and key.startswith("$"):
        raise _unknown(key, at, value, path=None)
    return _condition(build.field(key, at=at), value, at=at, level=level)


def _connective(key: str, value: object, *, at: str, level: int) -> Filter:
    if not isinstance(value, list | tuple) or not value:
        raise _error(at, f"{key} takes a non-empty list of filters, not {shown(value)}")
    parts = tuple(_object(part, at=f"{at}[{i}]", level=level + 1) for i, part in enumerate(value))
    if key == "$and":
        return And(parts)
    return Or(parts) if key == "$or" else Not(Or(parts))


def _condition(target: Field, value: object, *, at: str, level: int) -> Filter:
    if not isinstance(value, Mapping):
        if isinstance(value, str) and value == foreign.WILDCARD:
            raise _error(at, foreign.of_wildcard(target.path))
        return build.eq(target, value, at=at)
    if not value:
        raise _error(at, 'an empty object is no condition; use {"$exists": true} to ask whether the field has a value')
    if not any(isinstance(key, str) and key.startswith("$") for key in value):
        name = next(iter(value))
        raise _error(
            at,
            foreign.of_operators(target.path, value)
            or f"a field is not compared with an object; use the path {_below(target.path, name)!r}, $in or "
            "$contains_all",
        )
    # Others' `$options` changes what stands beside it, so it is refused first.
    operators = sorted(value.items(), key=lambda item: item[0] != "$options") if "$options" in value else value.items()
    parts = tuple(_operator(target, key, operand, at=_below(at, key), level=level) for key, operand in operators)
    return parts[0] if len(parts) == 1 else And(parts)


def _operator(target: Field, key: object, operand: object, *, at: str, level: int) -> Filter:
    if key == "$not":
        if not isinstance(operand, Mapping) or not operand:
            raise _error(at, f"$not takes an object of operators here, not {shown(operand)}; use $ne for a value")
        if level >= MAX_DEPTH:
            raise _error(at, f"the filter is nested deeper than {MAX_DEPTH} levels; flatten it")
        return Not(_condition(target, operand, at=at, level=level + 1))
    builder = _OPERATORS.get(key) if isinstance(key, str) else None
    if builder is None:
        raise _unknown(key, at, operand, path=target.path)
    return builder(target, operand, at)


def holds_always(condition: FilterLike) -> bool:
    """Whether it holds for every record, as `{}`, `{"a": {"$nin": []}}` and None do; raises InvalidFilterError."""
    return normal(condition) == ALWAYS


def _unknown(key: object, at: str, operand: object, *, path: str | None) -> InvalidFilterError:
    known = sorted([*_OPERATORS, *_CONNECTIVES])
    text = key if isinstance(key, str) else shown(key)
    if text in _CONNECTIVES:
        return _error(at, f'{text} joins whole filters: {{"{text}": [{{"{path}": …}}, …]}}, above the field')
    meant = foreign.respelt(text)
    if meant in _OPERATORS and path is not None:
        return _error(at, f"unknown operator {text!r}; did you mean {meant}?")
    answer = foreign.of_operator(path, text, operand) if text.startswith("$") else None
    if answer is not None:
        return _error(at, answer)
    near = difflib.get_close_matches(text, known, n=1, cutoff=0.75)
    hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(known)}"
    return _error(at, f"unknown operator {shown(key)}{hint}")


def _below(at: str, key: object) -> str:
    name = key if isinstance(key, str) else shown(key)
    return f"{at}.{name}" if at else name


def _error(at: str, problem: str) -> InvalidFilterError:
    return InvalidFilterError(f"filter at {at or 'the top'}: {problem}")
