"""Arguments that a call does not take, answered with those that are meant: in one place for all public calls.

Newcomers guess the names of other libraries. `argument_error` is asked only once Python refused a call, so that
signatures stay as they are written and calls that are right cost nothing.
"""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final, TypeVar

from vpa.base.errors import ArgumentError

C = TypeVar("C", bound=Callable[..., Any])
T = TypeVar("T")

_COUNT: Final = ("top_k", "k", "limit", "batch_size")
_CONDITION: Final = ("filter", "filters", "where")
_QUERY: Final = ("vector", "vectors", "query", "records")
_DIMENSION: Final = ("dimension",)
_METRIC: Final = ("metric",)
_VECTORS: Final = ("include_vectors",)
_COLLECTION: Final = ("collection", "collection_name", "index_name", "name")
_RECEIVERS: Final = ("self", "cls")
# By a name of other libraries, the names of ours that may be meant: the first that the call takes is named.
FOREIGN: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("limit", "k", "n", "n_results", "topk", "num_results", "size", "max_results", "top_k"), _COUNT),
    **dict.fromkeys(
        ("where", "filters", "filter", "expr", "query_filter", "metadata_filter", "conditions", "condition"), _CONDITION
    ),
    **dict.fromkeys(
        ("query_vector", "embedding", "query_embedding", "values", "vector"),
        ("vector", "embedding", "vectors", "records"),
    ),
    **dict.fromkeys(("query_embeddings", "query_vectors"), ("vectors", "vector", "records")),
    **dict.fromkeys(("query", "query_text"), ("query", "text", "texts", "vector")),
    **dict.fromkeys(("sparse_vector", "sparse_values", "sparse_embedding"), ("sparse",)),
    **dict.fromkeys(("query_texts", "queries"), ("texts", "text", "query")),
    **dict.fromkeys(("namespace", "tenant", "partition_key", "partition", "partition_name", "database"), ("scope",)),
    **dict.fromkeys(
        ("include_values", "include_vector", "include_embeddings", "with_vectors", "with_vector"), _VECTORS
    ),
    **dict.fromkeys(("include", "with_payload", "include_metadata", "output_fields", "return_properties"), _VECTORS),
    **dict.fromkeys(("documents", "contents"), ("documents", "texts", "content", "records")),
    **dict.fromkeys(("document", "page_content", "body", "text"), ("content", "text", "texts", "records")),
    **dict.fromkeys(("metadatas", "payload", "payloads", "meta", "properties"), ("metadata", "set", "records")),
    **dict.fromkeys(("points", "vectors", "items", "data", "objects", "entities", "texts"), ("records", "vectors")),
    **dict.fromkeys(
        (
            "dim",
            "dims",
            "vector_size",
            "ndim",
            "dimensions",
            "size",
            "embedding_dim",
            "embedding_dimension",
            "dimension",
        ),
        (*_DIMENSION, *_COUNT),
    ),
    **dict.fromkeys(
        ("distance", "distance_metric", "space", "similarity", "distance_fn", "metric_type", "similarity_fn"), _METRIC
    ),
    **dict.fromkeys(
        ("embedding_function", "embed_fn", "embedding_model", "embeddings_model", "model", "embeddings"),
        ("embedder", "embedding", "vectors", "vector", "records"),
    ),
    **dict.fromkeys(("id", "ids", "doc_id", "uuid", "uuids", "points_selector"), ("ids", "document_id", "records")),
    "document_ids": ("ids", "document_id"),
    **dict.fromkeys(("collection_name", "index", "index_name", "class_name", "table_name"), _COLLECTION),
    **dict.fromkeys(("threshold", "min_score", "score_cutoff", "score", "similarity_threshold"), ("score_threshold",)),
    **dict.fromkeys(("get_or_create", "if_not_exists"), ("exist_ok",)),
    **dict.fromkeys(("delete_all", "all", "force"), ("allow_all",)),
    "batch_size": _COUNT,
    **dict.fromkeys(("timeout", "timeout_s", "request_timeout"), ("timeout_seconds",)),
    **dict.fromkeys(("retries", "max_attempts"), ("max_retries",)),
    **dict.fromkeys(("token", "key", "password", "apikey"), ("api_key",)),
    **dict.fromkeys(
        ("uri", "host", "address", "endpoint", "path", "persist_directory", "persist_dir", "url", "client"),
        ("url", "manager", "place"),
    ),
    **dict.fromkeys(("offset", "page", "next_page_offset", "start_cursor", "after"), ("cursor",)),
    **dict.fromkeys(("field_name", "property", "column"), ("field",)),
}
# Arguments of other libraries that none of ours stands for.
_WITHOUT_EQUAL: Final[Mapping[str, str]] = {
    "distance_threshold": "score_threshold is the least score, and a higher score is better",
    "max_distance": "score_threshold is the least score, and a higher score is better",
    "overwrite": "drop_collection first, or open the one that exists with exist_ok=True",
    "recreate": "drop_collection first, or open the one that exists with exist_ok=True",
}
# What a verb does not do, and another does.
_OTHER_VERBS: Final[Mapping[tuple[str, tuple[str, ...]], str]] = {
    ("get", _CONDITION): "get takes ids; records by filter: scan(filter=…, limit=…)",
    ("get", _COUNT): "get takes ids; some records, whichever: scan(filter=…, limit=…)",
    ("scan", ("cursor",)): "scan begins at the beginning; page by page: scan_batches(batch_size=…, cursor=…)",
    ("upsert", _COUNT): "upsert parts what it is given itself",
    ("get", ("cursor",)): "get takes ids; records page by page: scan_batches(batch_size=…, cursor=…)",
}
# How the value of such an argument looks, where its name alone does not say it.
_SHAPES: Final[Mapping[str, str]] = {
    "scope": "scope=vpa.Scope(tenant, namespace)",
    "records": 'a list of vpa.Record or of mappings {"id": …, "vector": …, "text": …, "metadata": {…}}, or '
    "vpa.RecordBatch.from_columns(ids=…, vectors=…)",
    "include_vectors": "texts and metadata always come along",
    "cursor": "the cursor of an earlier batch",
    "url": "such as qdrant://host:6333, or embedded://./directory",
    "ids": "one id or a list of them",
    "manager": 'vpa.connect("embedded://./directory")',
    "place": 'a URL, such as "embedded://./directory", or a manager',
}


def argument_error(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> ArgumentError | None:
    """Why `function` does not take these arguments, with the names that it takes; None where it does."""
    signature = inspect.signature(function)
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        parameters = [name for name in signature.parameters if name not in _RECEIVERS]
        called = function.__qualname__.split(".")[-2] if function.__name__ == "__init__" else function.__name__
        unknown = next((name for name in kwargs if name not in signature.parameters), None)
        if unknown is not None:
            return ArgumentError(_unknown(called, unknown, parameters=parameters, passed=kwargs))
        return ArgumentError(_misfit(called, signature, error))
    return None


def unknown_argument(verb: str, keyword: str, *, taken: Sequence[str]) -> ArgumentError:
    """For a call that takes `taken`, which Python does not check itself."""
    return ArgumentError(_unknown(verb, keyword, parameters=list(taken), passed={}))


def _unknown(verb: str, keyword: str, *, parameters: list[str], passed: Mapping[str, Any]) -> str:
    meant = [name for name in FOREIGN.get(keyword.lower(), ()) if name in parameters]
    # One that was given as well is not what this one stands for.
    meant = [name for name in meant if name not in passed] or meant
    elsewhere = _OTHER_VERBS.get((verb, FOREIGN.get(keyword.lower(), ())))
    if not meant and elsewhere is not None:
        return f"no {keyword}: {elsewhere}"
    if not meant and keyword in _WITHOUT_EQUAL:
        return f"{verb} takes no {keyword}: {_WITHOUT_EQUAL[keyword]}"
    if not meant:
        meant = difflib.get_close_matches(keyword, parameters, n=1)
    if not meant:
        return f"{verb} takes no {keyword}; it takes {', '.join(parameters) or 'no arguments'}"
    shape = _SHAPES.get(meant[0])
    return f"{verb} takes {meant[0]}, not {keyword}" + (f": {shape}" if shape else "")


def _misfit(verb: str, signature: inspect.Signature, error: TypeError) -> str:
    positional = [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.kind is not parameter.KEYWORD_ONLY and parameter.name not in _RECEIVERS
    ]
    if "too many positional" not in str(error):
        return f"{verb}: {error}"
    taken = f"{', '.join(positional)} by position" if positional else "nothing by position"
    others = [name for name in signature.parameters if name not in positional and name not in _RECEIVERS]
    return f"{verb} takes {taken}; give the others by name: {', '.join(f'{name}=' for name in others)}"


def _takes_any(function: Callable[..., Any]) -> bool:
    """Whether it passes on keywords that it does not know."""
    return any(one.kind is one.VAR_KEYWORD for one in inspect.signature(function).parameters.values())


def explained(function: C) -> C:
    """The same function, of the same kind and signature; a call that does not fit raises ArgumentError."""

    @functools.wraps(function)
    def plain(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except TypeError:
            misfit = argument_error(function, args, kwargs)
            if misfit is None:
                raise
            raise misfit from None

    @functools.wraps(function)
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        return await plain(*args, **kwargs)

    @functools.wraps(function)
    async def iterated(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        async with aclosing(plain(*args, **kwargs)) as items:
            async for item in items:
                yield item

    if inspect.iscoroutinefunction(function):
        return awaited  # type: ignore[return-value]
    return iterated if inspect.isasyncgenfunction(function) else plain  # type: ignore[return-value]


def explains(kind: type[T]) -> type[T]:
    """The class, with its constructor and every public method of its own `explained`."""
    for name, member in list(vars(kind).items()):
        if name.startswith("_") and name != "__init__":
            continue
        if inspect.isfunction(member):
            setattr(kind, name, explained(member))
        elif isinstance(member, classmethod) and not _takes_any(member.__func__):
            setattr(kind, name, classmethod(explained(member.__func__)))
    return kind
