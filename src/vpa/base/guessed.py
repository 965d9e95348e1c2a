"""Methods that newcomers know from other libraries, answered with ours.

Asked only once an attribute is not there, so that calls that are right cost nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Final

_UPSERT: Final = "upsert(records), or add_texts(texts) where the collection has an embedder"
_SEARCH: Final = "search(vector), or search(text=…) where the collection has an embedder"
_FIRST: Final = "scan(limit=10)"
_OPEN: Final = "open_collection(name), which makes it if there is none"
# What a collection can do, by its names elsewhere.
RECORD_VERBS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("add", "insert", "put", "add_records", "upload_points", "add_items", "upsert_points"), _UPSERT),
    **dict.fromkeys(
        ("add_documents", "add_text", "from_texts", "add_embeddings", "from_documents"), "add_texts(texts)"
    ),
    **dict.fromkeys(("query", "query_points", "similarity_search", "knn", "find", "near_vector", "near_text"), _SEARCH),
    "similarity_search_with_score": "search(…): every match has a score",
    **dict.fromkeys(("batch_search", "search_many", "query_batch"), "search_batch(vectors), or search_batch(texts=…)"),
    **dict.fromkeys(("peek", "head", "sample"), _FIRST),
    **dict.fromkeys(("scroll", "query_iterator", "iterator", "list", "all", "get_all", "iterate"), "scan(filter=…)"),
    **dict.fromkeys(("retrieve", "fetch", "get_by_ids", "fetch_objects"), "get(ids)"),
    **dict.fromkeys(("get_by_id", "fetch_one"), "get_one(id)"),
    **dict.fromkeys(("remove", "delete_points", "delete_by_ids", "drop_records"), "delete(ids), or delete(filter=…)"),
    **dict.fromkeys(("clear", "truncate", "delete_all"), "delete(filter={}, allow_all=True)"),
    **dict.fromkeys(
        ("update", "set_payload", "modify_metadata"), "update_metadata(ids, set={…}), or upsert for whole records"
    ),
    **dict.fromkeys(("size", "num_entities", "describe_index_stats"), "count()"),
    **dict.fromkeys(("describe", "schema", "field_names"), "fields(), and info for dimension and metric"),
    **dict.fromkeys(
        ("flush", "compact", "create_index", "persist", "commit", "load", "save"),
        "optimize(), once much was loaded; writes need no other call",
    ),
    **dict.fromkeys(("to_df", "to_dataframe", "dataframe"), "to_pandas()"),
    **dict.fromkeys(
        ("metadata", "config", "metric", "dimension", "embedding"), "info, which has metric, dimension and embedding"
    ),
    **dict.fromkeys(("drop", "delete_collection"), "db.drop_collection(name)"),
    **dict.fromkeys(
        ("scopes", "list_scopes", "tenants", "list_tenants", "namespaces", "list_namespaces"),
        "scan_batches(scope=ALL_SCOPES), whose batches have their scope",
    ),
    **dict.fromkeys(("tenant", "namespace", "with_tenant", "using_tenant"), "within(vpa.Scope(tenant, namespace))"),
}
# What a match and the matches of a search are called elsewhere.
MATCH_NAMES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("payload", "meta", "properties", "entity"), "metadata"),
    **dict.fromkeys(("page_content", "content", "document", "body"), "text"),
    **dict.fromkeys(("similarity", "relevance", "certainty"), "score"),
    **dict.fromkeys(("values", "embedding"), "vector, with include_vectors=True"),
    **dict.fromkeys(("to_dict", "dict", "model_dump"), "to_json()"),
}
MATCHES_NAMES: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("points", "matches", "results", "hits", "objects", "records"), "the sequence itself: for match in matches"
    ),
    **dict.fromkeys(("scores", "similarities"), "[match.score for match in matches]"),
    **dict.fromkeys(("distances",), "[match.distance for match in matches]"),
    **dict.fromkeys(("texts", "documents"), "[match.text for match in matches]"),
    **dict.fromkeys(("metadatas", "metadata", "payloads"), "[match.metadata for match in matches]"),
    **dict.fromkeys(("to_dict", "dict", "to_list", "to_pandas", "model_dump"), "to_json()"),
}
# What a manager can do besides.
STORE_VERBS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("get_or_create_collection", "ensure_collection", "recreate_collection", "create_index"), _OPEN),
    **dict.fromkeys(
        ("get_collection", "get_index", "use_collection", "index"), "collection(name), or open_collection(name)"
    ),
    **dict.fromkeys(("delete_collection", "remove_collection", "delete_index"), "drop_collection(name)"),
    **dict.fromkeys(("collections", "get_collections", "list_indexes", "list"), "list_collections()"),
    **dict.fromkeys(("has_collection", "collection_exists"), "list_collections(), and name in them"),
    **dict.fromkeys(
        ("rename_collection", "copy_collection", "rename"), "vpa.migrate(db, db, collection=…, to_collection=…)"
    ),
    **dict.fromkeys(("heartbeat", "ping", "is_ready", "is_healthy"), "health()"),
    **dict.fromkeys(("stats", "describe"), "get_statistics()"),
    **dict.fromkeys(("open",), "connect()"),
    **dict.fromkeys(("aclose", "stop", "shutdown"), "close()"),
}
DOCUMENT_VERBS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("search", "query", "retrieve", "ask", "similarity_search"), "search_knowledge(query)"),
    **dict.fromkeys(("add", "insert", "add_text", "add_texts"), "add_document(content=…), or add_documents(documents)"),
    **dict.fromkeys(("delete", "remove"), "delete_document(document_id), or delete_documents(filter=…)"),
    **dict.fromkeys(("erase", "purge"), "forget(source=…), or forget(metadata=…)"),
    **dict.fromkeys(("get", "fetch"), "get_document(document_id)"),
    **dict.fromkeys(("list", "documents", "all"), "list_documents()"),
    **dict.fromkeys(("stats", "get_statistics"), "get_system_stats()"),
    **dict.fromkeys(("connect", "open", "start"), "initialize()"),
    **dict.fromkeys(("close", "aclose", "stop"), "shutdown()"),
}
FILTER_VERBS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("between", "range"), '(F("x") >= low) & (F("x") <= high)'),
    **dict.fromkeys(("startswith", "prefix"), "starts_with(prefix)"),
    **dict.fromkeys(("in_", "isin", "one_of", "any_of", "within"), "is_in(values)"),
    **dict.fromkeys(("nin", "notin", "not_in_", "none_of"), "not_in(values)"),
    **dict.fromkeys(("eq", "equals", "equal", "is_"), 'F("x") == value'),
    **dict.fromkeys(("ne", "not_equals"), 'F("x") != value'),
    **dict.fromkeys(("gt", "gte", "lt", "lte", "ge", "le"), 'the operators: F("x") > value, F("x") <= value'),
    **dict.fromkeys(("is_null", "isnull", "is_none", "isna"), "missing()"),
    **dict.fromkeys(("not_null", "notnull", "is_not_null"), "exists()"),
    **dict.fromkeys(("has", "includes", "has_any"), "contains(value), or contains_any(*values)"),
    **dict.fromkeys(
        ("like", "ilike", "match", "regex", "endswith", "icontains"),
        "starts_with(prefix) or iequals(value); there is no other test of parts of a text",
    ),
    **dict.fromkeys(("lower", "upper", "casefold"), "iequals(value)"),
}


MODULE_NAMES: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("Client", "PersistentClient", "EphemeralClient", "HttpClient", "AsyncHttpClient", "AsyncClient", "Database"),
        "connect(url)",
    ),
    **dict.fromkeys(("VectorStore", "VectorDatabase", "open", "create", "client"), "connect(url)"),
    **dict.fromkeys(("PointStruct", "Point", "Vector", "Item", "Entity", "Document"), "Record(id, vector=…)"),
    **dict.fromkeys(("Filter", "FieldCondition", "Field", "Key", "where"), 'F("field") == value, or a mapping'),
    **dict.fromkeys(("Distance", "VectorParams", "Similarity"), "Metric"),
    **dict.fromkeys(("RAG", "EnhancedRAG", "create_rag_system", "create_rag"), "create_enhanced_rag_system()"),
    **dict.fromkeys(("embedding_functions", "EmbeddingFunction", "Embeddings"), "as_embedder(model)"),
    "VPAVectorStore": "vpa.integrations.langchain.VPAVectorStore (or .llamaindex)",
    "VPADocumentStore": "vpa.integrations.haystack.VPADocumentStore",
}


class Guessed:
    """Answers the name of an attribute that there is not with what it is called here."""

    __slots__ = ()
    # By what a newcomer may have typed, what does that here.
    _GUESSES: ClassVar[Mapping[str, str]] = {}
    # What to write in place of `object[key]`.
    _ITEM: ClassVar[str] = "its parts are attributes, .id and so on"

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> None:
            raise unknown_attribute(self, name, guesses=type(self)._GUESSES)

        def __getitem__(self, key: object) -> None:
            raise TypeError(f"{type(self).__name__!r} object is not subscriptable: {type(self)._ITEM}")


def unknown_attribute(owner: object, name: str, *, guesses: Mapping[str, str]) -> AttributeError:
    """What to raise for `owner.name`."""
    kind = type(owner).__name__
    if (meant := guesses.get(name)) is None and not name.startswith("_"):
        near = difflib.get_close_matches(name, [known for known in dir(owner) if not known.startswith("_")], n=1)
        meant = near[0] if near else None
    said = f"{kind!r} object has no attribute {name!r}"
    return AttributeError(said if meant is None else f"{said}; here it is {meant}", name=name, obj=owner)


def unknown_name(name: str, *, module: str, known: Sequence[str]) -> AttributeError:
    """What to raise for a name that a module does not have."""
    near = difflib.get_close_matches(name, known, n=1)
    meant = MODULE_NAMES.get(name) or (near[0] if near else None)
    said = f"module {module!r} has no attribute {name!r}"
    return AttributeError(said if meant is None else f"{said}; here it is {meant}", name=name)
