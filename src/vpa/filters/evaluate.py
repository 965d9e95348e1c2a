"""The meaning of a filter, on one record: short, slow and obvious. Every store is judged by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import ge, gt, le, lt
from typing import Any, Final

from vpa.base.metadata import Scalar, Value, kind_of, leaves
from vpa.base.moments import compared, folded
from vpa.filters.ast import (
    And,
    Comparison,
    Constant,
    Eq,
    EqIgnoringCase,
    Exists,
    Field,
    Filter,
    In,
    Not,
    Or,
    Range,
    StartsWith,
)

_ORDER: Final[dict[Comparison, Callable[[Any, Any], bool]]] = {
    Comparison.GT: gt,
    Comparison.GTE: ge,
    Comparison.LT: lt,
    Comparison.LTE: le,
}


def matches(node: Filter, metadata: Mapping[str, Value], system: Mapping[str, Scalar] | None = None) -> bool:
    """Whether a record with this canonical metadata satisfies the filter."""
    return which_hold((node,), metadata, system)[0]


def which_hold(
    nodes: Sequence[Filter], metadata: Mapping[str, Value], system: Mapping[str, Scalar] | None = None
) -> list[bool]:
    """`matches` for several filters; the metadata, which takes most of the time, is flattened once for all of them."""
    fields = {Field(path): values for path, values in leaves(metadata)}
    fields |= {Field(name, system=True): [value] for name, value in (system or {}).items() if value is not None}
    return [_holds(node, fields) for node in nodes]


def _holds(node: Filter, fields: Mapping[Field, list[Scalar]]) -> bool:
    match node:
        case Constant(value):
            return value
        case And(parts):
            return all(_holds(part, fields) for part in parts)
        case Or(parts):
            return any(_holds(part, fields) for part in parts)
        case Not(part):
            return not _holds(part, fields)
        case Eq(field, value):
            return any(_equal(found, value, field) for found in fields.get(field, ()))
        case In(field, values):
            return any(_equal(found, value, field) for found in fields.get(field, ()) for value in values)
        case Range(field, comparison, value):
            return any(
                kind_of(found) == kind_of(value) and _ORDER[comparison](_seen(found, field), _seen(value, field))
                for found in fields.get(field, ())
            )
        case StartsWith(field, prefix):
            return any(text.startswith(_seen(prefix, field)) for text in _texts(field, fields))
        case EqIgnoringCase(field, value):
            return any(_folded(text, field) == _folded(value, field) for text in _texts(field, fields))
        case Exists(field):
            return any(_is_at_or_below(present, field) for present in fields)
    raise TypeError(f"not a filter: {node!r}")


def _equal(present: Scalar, value: Scalar, field: Field) -> bool:
    return kind_of(present) == kind_of(value) and bool(_seen(present, field) == _seen(value, field))


def _seen(value: Scalar, field: Field) -> Any:
    # System fields hold ids: two texts that name one moment are two of them.
    return compared(value) if isinstance(value, str) and not field.system else value


def _folded(text: str, field: Field) -> str:
    return text.casefold() if field.system else folded(text)


def _texts(field: Field, fields: Mapping[Field, list[Scalar]]) -> list[str]:
    return [_seen(value, field) for value in fields.get(field, ()) if isinstance(value, str)]


def _is_at_or_below(present: Field, field: Field) -> bool:
    if present.system is not field.system:
        return False
    return present.path == field.path or (not field.system and present.path.startswith(field.path + "."))
