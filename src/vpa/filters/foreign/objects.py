"""Foreign filters that are objects of client libraries, lists or texts. No library is imported: an object is known by
the package of its class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from vpa.filters.foreign.mappings import translated
from vpa.filters.foreign.message import told
from vpa.filters.foreign.ours import Ours, UntranslatableError, joined, leaf
from vpa.filters.foreign.texts import of_text

_DEPTH: Final = 32
_OWNERS: Final[Mapping[str, str]] = {
    "qdrant_client": "a filter of qdrant-client",
    "weaviate": "a filter of weaviate-client",
    "langchain_core": "LangChain's structured query",
    "langchain": "LangChain's structured query",
    "llama_index": "LlamaIndex's MetadataFilters",
    "chromadb": "an expression of chromadb",
    "pinecone": "a filter of pinecone",
    "polars": "an expression of polars",
    "pyarrow": "an expression of Arrow",
    "pandas": "a pandas object",
    "sqlalchemy": "an expression of SQLAlchemy",
    "pymongo": "an object of PyMongo",
}


def of_value(condition: object) -> str | None:
    """The text of the error for what is no mapping, or None."""
    if isinstance(condition, str):
        return of_text(condition)
    if isinstance(condition, list | tuple) and condition and all(isinstance(part, Mapping) for part in condition):
        return told("a list of conditions", lambda: joined(translated(part) for part in condition))
    package = type(condition).__module__.partition(".")[0]
    if package in _OWNERS:
        return told(f"{_OWNERS[package]} ({type(condition).__name__})", lambda: _object(condition, level=0))
    if callable(condition) and not isinstance(condition, type):
        return told("a function (as LangChain's in-memory store takes it)", _no_function)
    return None


def _no_function() -> Ours:
    raise UntranslatableError("a store cannot run code; name the fields: F('year') >= 2020")


def _object(condition: Any, *, level: int) -> Ours:
    if level > _DEPTH:
        raise UntranslatableError("it is nested too deeply to be shown in ours")
    if isinstance(condition, Mapping):
        return translated(condition)
    translate = _BY_PACKAGE.get(type(condition).__module__.partition(".")[0])
    if translate is None:
        raise UntranslatableError("write it as F('year') >= 2020")
    return translate(condition, level + 1)


def _by_dump(condition: Any, level: int) -> Ours:
    """Models of pydantic whose fields are those of the notation in JSON."""
    return translated(condition.model_dump(mode="python", exclude_none=True))


def _qdrant(condition: Any, level: int) -> Ours:
    return _by_dump(condition, level)


def _langchain(condition: Any, level: int) -> Ours:
    if hasattr(condition, "comparator"):
        return leaf(condition.attribute, condition.comparator, condition.value)
    if hasattr(condition, "arguments"):
        parts = [_object(part, level=level) for part in condition.arguments]
        return joined(parts, by=_word(condition.operator))
    return {} if condition.filter is None else _object(condition.filter, level=level)


def _weaviate(condition: Any, level: int) -> Ours:
    if hasattr(condition, "filters"):
        return joined([_object(part, level=level) for part in condition.filters], by=_word(condition.operator))
    if not isinstance(condition.target, str):
        raise UntranslatableError("vpa has no references between records")
    operator = "missing" if str(condition.operator.value) == "IsNull" else condition.operator
    return leaf(condition.target, operator, condition.value)


def _llamaindex(condition: Any, level: int) -> Ours:
    if hasattr(condition, "filters"):
        parts = [_object(part, level=level) for part in condition.filters]
        return joined(parts, by=_word(getattr(condition, "condition", None) or "and"))
    return leaf(condition.key, getattr(condition, "operator", "eq"), condition.value)


def _by_dict(condition: Any, level: int) -> Ours:
    return translated(condition.to_dict())


def _word(operator: Any) -> str:
    word = str(getattr(operator, "value", operator)).lower()
    return {"and": "$and", "or": "$or", "not": "$not"}[word]


_BY_PACKAGE: Final[Mapping[str, Callable[[Any, int], Ours]]] = {
    "qdrant_client": _qdrant,
    "langchain_core": _langchain,
    "langchain": _langchain,
    "weaviate": _weaviate,
    "llama_index": _llamaindex,
    "chromadb": _by_dict,
    "pinecone": _by_dict,
}
