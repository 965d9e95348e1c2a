"""Foreign filters that are mappings: Haystack, Qdrant, Chroma, Weaviate, LlamaIndex, LangChain, mem0."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from vpa.filters.foreign.message import told
from vpa.filters.foreign.operators import on_field
from vpa.filters.foreign.ours import Ours, UntranslatableError, joined, leaf, meaning

_CONNECTIVES: Final[Mapping[str, str]] = {"and": "$and", "or": "$or", "not": "$not", "nor": "$nor"}
_QDRANT_CLAUSES: Final = ("must", "should", "must_not", "min_should")
_QDRANT_CONDITIONS: Final = ("match", "range", "values_count", "geo_radius", "geo_bounding_box", "geo_polygon")
_QDRANT_OTHERS: Final = ("is_empty", "is_null", "has_id", "has_vector", "nested")
# Keys of a filter that may make it a foreign one; everything else is not looked at.
MARKS: Final = frozenset(
    {"operator", "comparator", "filters", "key", "where", "where_document", "#document", "#id", "query", "bool"}
    | {*_QDRANT_CLAUSES, *_QDRANT_OTHERS}
    | {case(name) for name in _CONNECTIVES for case in (str.lower, str.upper)}
)

# Fields of Haystack's documents that are no metadata.
_HAYSTACK_OWN: Final = ("id", "content", "embedding", "sparse_embedding", "blob")
# Chroma's own words, which no field is called.
_NO_FIELDS: Final = frozenset({"where_document", "#document", "#id"})


def of_mapping(condition: Mapping[Any, Any]) -> str | None:
    """The text of the error for a filter in a known notation, or None."""
    if any(_is_operator_object(condition[key]) for key in (MARKS - _NO_FIELDS) & condition.keys()):
        # `{"query": {"$in": […]}}` is a field of that name, and our own notation.
        return None
    for owner, recognised, translate in _NOTATIONS:
        if recognised(condition):
            return told(owner, lambda translate=translate: translate(condition))  # type: ignore[misc]
    return None


def _is_operator_object(value: object) -> bool:
    """Whether it is what a field is compared by: every key is an operator."""
    return isinstance(value, Mapping) and bool(value) and all(isinstance(key, str) and key[:1] == "$" for key in value)


def translated(condition: Any) -> Ours:
    """Any of the notations, nested ones too, in ours; raises UntranslatableError."""
    if not isinstance(condition, Mapping):
        raise UntranslatableError("a part of it is no condition")
    for _, recognised, translate in _NOTATIONS:
        if recognised(condition):
            return translate(condition)
    return joined(_member(key, value) for key, value in condition.items())


def _member(key: Any, value: Any) -> Ours:
    if isinstance(value, list | tuple) and (word := str(key).lstrip("$").lower()) in _CONNECTIVES:
        # A key NOT with a list, as mem0 has it, holds where none of them does.
        return _connected("nor" if word == "not" else word, value)
    if isinstance(value, Mapping):
        return on_field(str(key), value)
    return leaf(key, "exists", True) if value == "*" else leaf(key, "eq", value)


def _connected(word: Any, parts: Any) -> Ours:
    by = _CONNECTIVES[str(getattr(word, "value", word)).strip().lower()]
    listed = list(parts) if isinstance(parts, list | tuple) else [parts]
    return joined((translated(part) for part in listed), by=by)


def _is_connective(value: object) -> bool:
    return isinstance(value, str) and value.strip().lower() in _CONNECTIVES


def _are_objects(value: object) -> bool:
    parts = value if isinstance(value, list | tuple) else [value]
    return bool(parts) and all(isinstance(part, Mapping) for part in parts)


def _is_haystack(condition: Mapping[Any, Any]) -> bool:
    if _are_objects(condition.get("conditions")) and _is_connective(condition.get("operator")):
        return True
    return {"field", "operator", "value"} == set(condition) and meaning(condition["operator"]) is not None


def _haystack(condition: Mapping[Any, Any]) -> Ours:
    if "conditions" in condition:
        return _connected(condition["operator"], condition["conditions"])
    if condition["field"] in _HAYSTACK_OWN:
        raise UntranslatableError("filters see the metadata, not the text, the id or the vector of a record")
    return leaf(str(condition["field"]).removeprefix("meta."), condition["operator"], condition["value"])


def _is_langchain(condition: Mapping[Any, Any]) -> bool:
    if {"comparator", "attribute", "value"} <= set(condition):
        return True
    return isinstance(condition.get("arguments"), list | tuple) and _is_connective(condition.get("operator"))


def _langchain(condition: Mapping[Any, Any]) -> Ours:
    if "arguments" in condition:
        return _connected(condition["operator"], condition["arguments"])
    return leaf(condition["attribute"], condition["comparator"], condition["value"])


def _is_weaviate(condition: Mapping[Any, Any]) -> bool:
    if isinstance(condition.get("operands"), list | tuple) and _is_connective(condition.get("operator")):
        return True
    valued = any(str(key).startswith("value") for key in condition)
    return {"path", "operator"} <= set(condition) and valued and meaning(condition["operator"]) is not None


def _weaviate(condition: Mapping[Any, Any]) -> Ours:
    if "operands" in condition:
        return _connected(condition["operator"], condition["operands"])
    [value] = [value for key, value in condition.items() if str(key).startswith("value")]
    return leaf(condition["path"], condition["operator"], value)


def _is_llamaindex(condition: Mapping[Any, Any]) -> bool:
    if isinstance(condition.get("filters"), list | tuple) and _are_objects(condition["filters"]):
        return set(condition) <= {"filters", "condition"}
    return {"key", "operator", "value"} == set(condition) and meaning(condition["operator"]) is not None


def _llamaindex(condition: Mapping[Any, Any]) -> Ours:
    if "filters" not in condition:
        return leaf(condition["key"], condition.get("operator") or "eq", condition.get("value"))
    parts = [_llamaindex(part) for part in condition["filters"]]
    word = str(getattr(condition.get("condition"), "value", condition.get("condition")) or "and").lower()
    return joined(parts, by="$nor" if word == "not" else _CONNECTIVES[word])


def _is_qdrant(condition: Mapping[Any, Any]) -> bool:
    if any(_are_objects(condition.get(clause)) for clause in _QDRANT_CLAUSES):
        return set(condition) <= set(_QDRANT_CLAUSES)
    if isinstance(condition.get("key"), str) and set(condition) - {"key"} <= set(_QDRANT_CONDITIONS):
        return any(isinstance(condition.get(name), Mapping) for name in _QDRANT_CONDITIONS)
    return len(condition) == 1 and any(isinstance(condition.get(name), Mapping | list) for name in _QDRANT_OTHERS)


def _qdrant(condition: Mapping[Any, Any]) -> Ours:
    parts = []
    for clause, by in (("must", "$and"), ("should", "$or"), ("must_not", "$nor")):
        if below := condition.get(clause):
            listed = below if isinstance(below, list | tuple) else [below]
            parts.append(joined((_qdrant(part) for part in listed), by=by))
    if condition.get("min_should"):
        raise UntranslatableError("vpa has no 'at least so many of these conditions'")
    return joined([*parts, *_qdrant_leaves(condition)])


def _qdrant_leaves(condition: Mapping[Any, Any]) -> list[Ours]:
    if empty := condition.get("is_empty") or condition.get("is_null"):
        return [leaf(_payload(empty["key"]), "missing")]
    if "has_id" in condition:
        raise UntranslatableError("ids are no field of a filter; use ids=, or get")
    if not set(_QDRANT_CLAUSES).isdisjoint(condition):
        return []
    path = _payload(condition["key"])
    asked = {key for key, value in condition.items() if value is not None} - {"key"}
    if not asked or not asked <= {"match", "range"}:
        raise UntranslatableError("vpa has no such condition of Qdrant")
    parts = [leaf(path, key, bound) for key, bound in (condition.get("range") or {}).items() if bound is not None]
    for kind, value in (condition.get("match") or {}).items():
        parts.append(leaf(path, {"value": "eq", "any": "in", "except": "nin"}.get(kind, kind), value))
    if len(parts) > 1:
        return [{path: {key: bound for part in parts for key, bound in part[path].items()}}]
    return parts


def _payload(path: object) -> str:
    # LangChain and others put the metadata below this key of the payload.
    return str(path).removeprefix("metadata.").removesuffix("[]")


def _is_chroma(condition: Mapping[Any, Any]) -> bool:
    if any(name in condition for name in ("#document", "#id")):
        return True
    if isinstance(condition.get("where_document"), Mapping):
        return set(condition) <= {"where", "where_document"}
    return set(condition) == {"where"} and isinstance(condition["where"], Mapping)


def _chroma(condition: Mapping[Any, Any]) -> Ours:
    if set(condition) == {"where"}:
        return translated(condition["where"])
    raise UntranslatableError("filters see the metadata, not the text or the id of a record")


def _is_elastic(condition: Mapping[Any, Any]) -> bool:
    return len(condition) == 1 and any(isinstance(condition.get(name), Mapping) for name in ("query", "bool"))


def _elastic(condition: Mapping[Any, Any]) -> Ours:
    raise UntranslatableError("conditions are written on the metadata's fields alone")


def _is_mem0(condition: Mapping[Any, Any]) -> bool:
    return any(_are_objects(condition.get(word)) for word in ("AND", "OR", "NOT"))


def _is_bare(condition: Mapping[Any, Any]) -> bool:
    return any(_are_objects(condition.get(word)) for word in ("and", "or", "nor", "not"))


def _worded(condition: Mapping[Any, Any]) -> Ours:
    return joined(
        _member(key, value)
        if isinstance(value, list | tuple) or str(key).lower() not in _CONNECTIVES
        else _connected(key, value)
        for key, value in condition.items()
    )


_NOTATIONS: Final[tuple[tuple[str, Callable[[Mapping[Any, Any]], bool], Callable[[Mapping[Any, Any]], Ours]], ...]] = (
    ("Haystack's notation of filters", _is_haystack, _haystack),
    ("LangChain's notation of filters", _is_langchain, _langchain),
    ("Weaviate's notation of filters", _is_weaviate, _weaviate),
    ("LlamaIndex's notation of filters", _is_llamaindex, _llamaindex),
    ("Qdrant's notation of filters", _is_qdrant, _qdrant),
    ("Chroma's notation (where, where_document)", _is_chroma, _chroma),
    ("Elasticsearch's notation of queries", _is_elastic, _elastic),
    ("mem0's notation of filters", _is_mem0, _worded),
    ("a connective without its dollar sign", _is_bare, _worded),
)
