"""Conditions of other notations in ours, as JSON objects."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from vpa.base import showing

Ours = dict[str, Any]
_SHOWN: Final = 400  # Characters of a translated filter in an error.
_NO_PATTERN: Final = (
    "vpa compares whole texts and their beginnings ($eq, $iequals, $starts_with), not patterns inside them"
)
_COMPARISONS: Final[Mapping[str, str]] = {
    spelling: ours
    for ours, spellings in {
        "$eq": "== = === eq equal equals is match term",
        "$ne": "!= <> ne neq notequal notequals isnot",
        "$gt": "> gt greaterthan after",
        "$gte": ">= => gte ge greaterthanequal greaterthanorequal greaterthanequals from",
        "$lt": "< lt lessthan before",
        "$lte": "<= =< lte le lessthanequal lessthanorequal lessthanequals to",
        "$in": "in isin",
        "$nin": "nin notin containsnone except",
        "$contains": "contains contain has includes arraycontains jsoncontains",
        "$contains_any": "containsany any arraycontainsany jsoncontainsany matchany overlap hasany",
        "$contains_all": "containsall all arraycontainsall jsoncontainsall matchall hasall",
        "$starts_with": "startswith prefix beginswith",
        "$iequals": "iequals iexact ieq equalsignorecase",
        "$exists": "exists isnotnull",
        "like": "like",
        "ilike": "ilike",
        "regex": "regex regexp rlike ~",
        "pattern": "icontains textmatch textmatchinsensitive notregex matchphrase iregex notlike text phrase",
        "between": "between",
        "missing": "isnull isempty missing null notexists",
        "size": "size len length arraylength",
    }.items()
    for spelling in spellings.split()
}


class UntranslatableError(Exception):
    """A foreign condition that our filters cannot say; the message says what they have instead."""


def meaning(operator: object) -> str | None:
    """Our operator (or `like`, `ilike`, `regex`, `between`, `missing`, `size`) for a foreign spelling."""
    name = getattr(operator, "value", operator)
    spelling = (name if isinstance(name, str) else "").strip().lower().lstrip("$")
    return _COMPARISONS.get(spelling) or _COMPARISONS.get(spelling.replace("_", "").replace(" ", "").replace("-", ""))


def leaf(path: object, operator: object, value: Any = None) -> Ours:
    """One condition in ours; raises UntranslatableError."""
    field = ".".join(str(part) for part in path) if isinstance(path, list | tuple) else str(path)
    kind, value = meaning(operator), _plain(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise UntranslatableError(f"{value} is no number that vpa stores")
    match kind:
        case None:
            raise UntranslatableError(
                f"vpa has no operator like {showing.shown(getattr(operator, 'value', operator), limit=40)}"
            )
        case "regex" | "like" | "ilike":
            return {field: _text_test(kind, value)}
        case "pattern":
            raise UntranslatableError(_NO_PATTERN)
        case "between":
            if not isinstance(value, list) or len(value) != 2:
                raise UntranslatableError('a range is {"$gte": least, "$lte": greatest}')
            return {field: {"$gte": value[0], "$lte": value[1]}}
        case "missing":
            return {field: {"$exists": value is False}}
        case "size":
            raise UntranslatableError("vpa has no condition on the length of a list")
        case "$exists":
            return {field: {"$exists": value is not False}}
        case "$eq" | "$ne" if isinstance(value, list):
            return {field: {"$in" if kind == "$eq" else "$nin": value}}
        case "$eq" if value != "*":
            return {field: value}
        case "$in" | "$nin" | "$contains_any" | "$contains_all" if not isinstance(value, list):
            return {field: {kind: [value]}}
    return {field: {kind: value}}


def joined(parts: Iterable[Ours], *, by: str = "$and") -> Ours:
    """Several conditions in one; by `$and`, in one object where no key comes twice."""
    every = list(parts)
    listed = [part for part in every if part]
    if by != "$and" and len(listed) < len(every):
        raise UntranslatableError("an empty condition in it holds for every record")
    if not listed:
        return {}
    if by == "$not":
        return {"$not": joined(listed)}
    if by == "$nor":
        return {"$not": listed[0]} if len(listed) == 1 else {"$nor": listed}
    if len(listed) == 1:
        return listed[0]
    keys = [key for part in listed for key in part]
    if by == "$and" and len(set(keys)) == len(keys):
        return {key: value for part in listed for key, value in part.items()}
    return {by: listed}


def shown(ours: Ours) -> str:
    """As JSON; as Python where a value is none of JSON."""
    try:
        text = json.dumps(ours, ensure_ascii=False)
    except Exception:  # noqa: BLE001 - whatever a caller's value raises, it has a text that is none of JSON
        text = showing.shown(ours, limit=_SHOWN + 1)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + " …"


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    return value


def _text_test(kind: str, value: Any) -> Any:
    """A pattern that asks for a whole text or its beginning; any other has no translation."""
    if not isinstance(value, str):
        raise UntranslatableError(_NO_PATTERN)
    if kind == "regex":
        begins, text = value.startswith("^"), value.removeprefix("^")
        ends = text.endswith("$") and not text.endswith(".*$")
        text = text.removesuffix("$").removesuffix(".*")
        if begins and text and not set(text) & set(r".^$*+?{}[]\|()"):
            return text if ends else {"$starts_with": text}
        raise UntranslatableError(_NO_PATTERN)
    text = value.rstrip("%*")
    if not text or set(text) & set("%*_?\\") or (text != value and kind == "ilike"):
        raise UntranslatableError(_NO_PATTERN)
    if text != value:
        return {"$starts_with": text}
    return text if kind == "like" else {"$iequals": text}
