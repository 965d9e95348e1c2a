"""Foreign operators on one field: without the dollar sign, of MongoDB, Chroma, Pinecone, LangChain's PGVector."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from vpa.filters.foreign.message import told
from vpa.filters.foreign.ours import Ours, UntranslatableError, joined, leaf, meaning, shown

WILDCARD: Final = "*"
# Of the spellings that are known, those that are no likely keys of a nested mapping.
_BARE: Final = re.compile(
    r"eq|ne|gte?|lte?|n?in|not_?in|i?contains|contains_(any|all)|i?like|regex|between|exists|starts_?with|iequals"
    r"|[=!]=|[<>]=?"
)
_OWNERS: Final[Mapping[str, str]] = {
    "$regex": "MongoDB's and Chroma's",
    "$not_regex": "Chroma's",
    "$not_contains": "Chroma's",
    "$options": "MongoDB's",
    "$all": "MongoDB's",
    "$size": "MongoDB's",
    "$type": "MongoDB's",
    "$mod": "MongoDB's",
    "$elemMatch": "MongoDB's",
    "$text": "MongoDB's",
    "$where": "MongoDB's",
    "$expr": "MongoDB's",
    "$like": "LangChain's (PGVector)",
    "$ilike": "LangChain's (PGVector)",
    "$between": "LangChain's (PGVector)",
    "$match_phrase": "Pinecone's",
    "$match_all": "Pinecone's",
    "$match_any": "Pinecone's",
}
_REFUSED: Final[Mapping[str, str]] = {
    "$not_contains": '"does not contain" is {"$ne": value}, for one value of a list',
    "$elemMatch": "a comparison holds if some value of a list satisfies it; write the condition on the field itself",
    "$options": "for any case there is $iequals",
    "$type": "vpa has no condition on a value's type; a comparison holds for values of its own kind only",
    "$mod": "vpa has no arithmetic in filters",
    "$where": "vpa runs no code in filters",
    "$expr": "vpa compares a field with values, not with other fields",
    "$text": "filters see the metadata; the text is searched by its meaning",
    "$match_phrase": "filters see the metadata; the text is searched by its meaning",
    "$match_all": "filters see the metadata; the text is searched by its meaning",
    "$match_any": "filters see the metadata; the text is searched by its meaning",
}


def of_wildcard(path: str) -> str:
    """For `{"n": "*"}`, which elsewhere asks whether the field has a value."""
    return (
        f"'*' as a wildcard is mem0's notation; vpa has no wildcards: any value is {shown({path: {'$exists': True}})}, "
        f"the text '*' itself {shown({path: {'$eq': '*'}})}"
    )


def respelt(operator: str) -> str | None:
    """Our operator that a name without or with other underscores, case or dollar sign means: `$containsAny`, `gte`."""
    return None if operator in _OWNERS else meaning(operator)


def of_operators(path: str, value: Mapping[Any, Any]) -> str | None:
    """For `{"gte": 3}` under a field: operators without the dollar sign; None where a key is no operator."""
    if not all(isinstance(key, str) and _BARE.fullmatch(key.lower()) for key in value):
        return None
    return told("a condition without dollar signs (as mem0, Qdrant and others write it)", lambda: on_field(path, value))


def of_operator(path: str | None, operator: str, operand: Any) -> str | None:
    """For an operator that others have, on the field `path` (None: where a field should stand); None for a typo."""
    if path is None:
        if operator in ("$contains", "$not_contains", "$regex", "$not_regex"):
            return f"{operator} without a field is Chroma's where_document: filters see the metadata, not the text"
        if operator in _REFUSED:
            return f"{operator} ({_OWNERS.get(operator, 'of others')}) is no operator here; {_REFUSED[operator]}"
        return f"{operator} stands below a field: {shown({'field': {operator: 1}})}" if meaning(operator) else None
    owner = _OWNERS.get(operator)
    if owner is None and meaning(operator) is None:
        return None
    whose = f" ({owner})" if owner else ""
    try:
        if operator in _REFUSED:
            raise UntranslatableError(_REFUSED[operator])
        return f"unknown operator {operator!r}{whose}; the same condition here: {shown(leaf(path, operator, operand))}"
    except UntranslatableError as error:
        return f"unknown operator {operator!r}{whose}; {error}"


def on_field(path: str, value: Mapping[Any, Any]) -> Ours:
    """The conditions on one field, in ours; raises UntranslatableError."""
    if len(value) > 1 and any(str(key).lstrip("$").lower() in ("regex", "options") for key in value):
        raise UntranslatableError("vpa has no patterns with options; for any case there is $iequals, for whole texts")
    parts = [leaf(path, key, operand) for key, operand in value.items()]
    if len(parts) > 1 and all(isinstance(part[path], dict) for part in parts):
        merged: Ours = {}
        for part in parts:
            merged |= part[path]
        if len(merged) == sum(len(part[path]) for part in parts):
            return {path: merged}
    return joined(parts)
