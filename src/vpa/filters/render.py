"""Writes a tree back as JSON: for explain, for cache keys, and to check that both notations agree."""

from __future__ import annotations

import json
from typing import Any

from vpa.filters.ast import (
    And,
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


def to_json(node: Filter) -> dict[str, Any]:
    """A JSON object that `parse.as_filter` reads back as a filter with the same meaning.

    System fields appear under `$system`, which is for reading only: a filter from outside cannot name them.
    """
    match node:
        case Constant(value):
            return {} if value else {"$nor": [{}]}
        case And(parts):
            return {"$and": [to_json(part) for part in parts]}
        case Or(parts):
            return {"$or": [to_json(part) for part in parts]}
        case Not(Exists(field)):
            return _condition(field, {"$exists": False})
        case Not(part):
            return {"$not": to_json(part)}
        case Eq(field, value):
            return _condition(field, {"$eq": value})
        case In(field, values):
            return _condition(field, {"$in": list(values)})
        case Range(field, comparison, value):
            return _condition(field, {str(comparison): value})
        case StartsWith(field, prefix):
            return _condition(field, {"$starts_with": prefix})
        case EqIgnoringCase(field, value):
            return _condition(field, {"$iequals": value})
        case Exists(field):
            return _condition(field, {"$exists": True})
    raise TypeError(f"not a filter: {node!r}")


def _condition(field: Field, condition: dict[str, Any]) -> dict[str, Any]:
    return {"$system": {field.path: condition}} if field.system else {field.path: condition}


def canonical_text(node: Filter) -> str:
    """Text that is equal for equal trees only; tells `1`, `1.0`, `"1"` and `true` apart. Rendered once per node."""
    known: str | None = getattr(node, "_canonical_text", None)
    if known is not None:
        return known
    text = json.dumps(to_json(node), ensure_ascii=False, separators=(",", ":"))
    object.__setattr__(node, "_canonical_text", text)
    return text
