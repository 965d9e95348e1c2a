"""A filter in another library's notation is named, and shown in ours: never evaluated, never silently empty."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from vpa.base.errors import InvalidFilterError
from vpa.filters import F, Filter, as_filter, normalize, to_json

A_AND_N = {"$and": [{"n": {"$gt": 3}}, {"x": "a"}]}

MAPPINGS: dict[str, tuple[str, Any, Any]] = {
    "haystack leaf": ("Haystack", {"field": "meta.n", "operator": "==", "value": 3}, {"n": 3}),
    "haystack not in": ("Haystack", {"field": "n", "operator": "not in", "value": [1, 2]}, {"n": {"$nin": [1, 2]}}),
    "haystack conditions": (
        "Haystack",
        {
            "operator": "AND",
            "conditions": [
                {"field": "meta.n", "operator": ">", "value": 3},
                {"operator": "NOT", "conditions": [{"field": "meta.x", "operator": "==", "value": "a"}]},
            ],
        },
        {"$and": [{"n": {"$gt": 3}}, {"$not": {"x": "a"}}]},
    ),
    "qdrant": (
        "Qdrant",
        {
            "must": [{"key": "n", "range": {"gte": 3, "lt": 9}}, {"key": "metadata.x", "match": {"value": "a"}}],
            "must_not": [{"is_empty": {"key": "y"}}],
            "should": [{"key": "t", "match": {"any": ["p", "q"]}}],
        },
        {
            "n": {"$gte": 3, "$lt": 9},
            "x": "a",
            "t": {"$in": ["p", "q"]},
            "$not": {"y": {"$exists": False}},
        },
    ),
    "qdrant condition": ("Qdrant", {"key": "n", "match": {"value": 3}}, {"n": 3}),
    "regex to the end": ("MongoDB", {"x": {"$regex": "^abc.*$"}}, {"x": {"$starts_with": "abc"}}),
    "regex whole": ("MongoDB", {"x": {"$regex": "^abc$"}}, {"x": "abc"}),
    "regex with options": ("$options", {"x": {"$regex": "^abc", "$options": "i"}}, None),
    "mem0 none of": ("mem0", {"NOT": [{"a": 1}, {"b": 2}]}, {"$nor": [{"a": 1}, {"b": 2}]}),
    "like escaped": ("PGVector", {"x": {"$like": "100\\%"}}, None),
    "search of texts": ("MongoDB", {"$text": {"$search": "x"}}, None),
    "qdrant two conditions": (
        "Qdrant",
        {"must": [{"key": "t", "match": {"value": "a"}, "values_count": {"gt": 2}}]},
        None,
    ),
    "qdrant empty inside": ("Qdrant", {"should": [{"must": []}, {"key": "n", "match": {"value": 3}}]}, None),
    "haystack text": ("Haystack", {"field": "content", "operator": "==", "value": "a"}, None),
    "haystack id": ("Haystack", {"field": "id", "operator": "in", "value": ["a"]}, None),
    "qdrant ids": ("Qdrant", {"must": [{"has_id": [1]}]}, None),
    "chroma document": ("Chroma", {"where_document": {"$contains": "ice"}}, None),
    "chroma document alone": ("Chroma", {"$contains": "ice"}, None),
    "chroma where": ("Chroma", {"where": {"n": {"$gt": 3}}}, {"n": {"$gt": 3}}),
    "weaviate": ("Weaviate", {"path": ["n"], "operator": "GreaterThanEqual", "valueInt": 3}, {"n": {"$gte": 3}}),
    "weaviate operands": (
        "Weaviate",
        {
            "operator": "Or",
            "operands": [
                {"path": ["n"], "operator": "Equal", "valueInt": 3},
                {"path": "x", "operator": "Like", "valueText": "ab*"},
            ],
        },
        {"$or": [{"n": 3}, {"x": {"$starts_with": "ab"}}]},
    ),
    "llamaindex": (
        "LlamaIndex",
        {"filters": [{"key": "n", "value": 3, "operator": ">"}, {"key": "x", "value": "a"}], "condition": "and"},
        {"n": {"$gt": 3}, "x": "a"},
    ),
    "llamaindex leaf": ("LlamaIndex", {"key": "n", "value": [3], "operator": "nin"}, {"n": {"$nin": [3]}}),
    "langchain": ("LangChain", {"comparator": "gte", "attribute": "n", "value": 3}, {"n": {"$gte": 3}}),
    "langchain operation": (
        "LangChain",
        {"operator": "not", "arguments": [{"comparator": "eq", "attribute": "n", "value": 3}]},
        {"$not": {"n": 3}},
    ),
    "mem0 range": ("mem0", {"n": {"gte": 3, "lt": 9}}, {"n": {"$gte": 3, "$lt": 9}}),
    "mem0 text": ("pattern", {"n": {"icontains": "x"}}, None),
    "mem0 wildcard": ("mem0", {"n": "*"}, {"n": {"$exists": True}}),
    "mem0 and": ("mem0", {"AND": [{"n": {"gt": 3}}, {"x": "a"}]}, {"n": {"$gt": 3}, "x": "a"}),
    "mem0 not": ("mem0", {"NOT": [{"n": "*"}]}, {"$not": {"n": {"$exists": True}}}),
    "lower case": ("dollar sign", {"or": [{"n": 3}, {"x": "a"}]}, {"$or": [{"n": 3}, {"x": "a"}]}),
    "elastic": ("Elasticsearch", {"bool": {"filter": [{"term": {"n": 3}}]}}, None),
    "like": ("PGVector", {"x": {"$like": "ab%"}}, {"x": {"$starts_with": "ab"}}),
    "like inside": ("patterns", {"x": {"$like": "%ab%"}}, None),
    "ilike": ("PGVector", {"x": {"$ilike": "ab"}}, {"x": {"$iequals": "ab"}}),
    "regex": ("MongoDB", {"x": {"$regex": "^ab"}}, {"x": {"$starts_with": "ab"}}),
    "regex inside": ("patterns", {"x": {"$regex": "a.*b"}}, None),
    "all": ("MongoDB", {"x": {"$all": ["a", "b"]}}, {"x": {"$contains_all": ["a", "b"]}}),
    "between": ("PGVector", {"n": {"$between": [1, 2]}}, {"n": {"$gte": 1, "$lte": 2}}),
    "not contains": ("Chroma", {"x": {"$not_contains": "a"}}, None),
    "element": ("MongoDB", {"x": {"$elemMatch": {"n": 1}}}, None),
}


def shown(message: str) -> Any:
    """The first JSON object behind the last words of the message."""
    _, _, rest = message.partition("here: ")
    rest = rest or message.partition("any value is ")[2]
    return json.JSONDecoder().raw_decode(rest)[0]


def refused(condition: Any) -> str:
    with pytest.raises(InvalidFilterError) as raised:
        as_filter(condition)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def assert_same(condition: Any, ours: Any) -> None:
    assert to_json(normalize(as_filter(condition))) == to_json(normalize(as_filter(ours)))


@pytest.mark.parametrize("case", MAPPINGS)
def test_a_foreign_mapping_is_named_and_shown_in_our_notation(case: str) -> None:
    owner, condition, ours = MAPPINGS[case]
    message = refused(condition)
    assert owner in message
    if ours is None:
        assert "the same" not in message
    else:
        assert_same(shown(message), ours)


@pytest.mark.parametrize("case", MAPPINGS)
def test_it_is_named_inside_another_filter_too_with_its_path(case: str) -> None:
    owner, condition, _ = MAPPINGS[case]
    message = refused({"$or": [{"a": 1}, condition]})
    assert owner in message
    assert "$or[1]" in message


TEXTS: dict[str, Any] = {
    "n > 3 and x == 'a'": {"n": {"$gt": 3}, "x": "a"},
    "n > 3 && x == 'a' || t in ['p', 'q']": {"$or": [{"n": {"$gt": 3}, "x": "a"}, {"t": {"$in": ["p", "q"]}}]},
    "(n >= 3 OR n < -1.5) AND NOT x = 'it''s'": {
        "$and": [{"$or": [{"n": {"$gte": 3}}, {"n": {"$lt": -1.5}}]}, {"$not": {"x": "it's"}}]
    },
    "metadata['n'] not in (1, 2)": {"$not": {"n": {"$in": [1, 2]}}},
    "x like 'ab%' and y is not null and z IS NULL": {
        "x": {"$starts_with": "ab"},
        "y": {"$exists": True},
        "z": {"$exists": False},
    },
    "n between 1 and 3": {"n": {"$gte": 1, "$lte": 3}},
    "ARRAY_CONTAINS_ANY(tags, ['a', 'b'])": {"tags": {"$in": ["a", "b"]}},
    "n gt 3 and x eq 'a'": {"n": {"$gt": 3}, "x": "a"},
    'and(eq("x", "a"), or(gt("n", 3), not(eq("y", true))))': {
        "x": "a",
        "$or": [{"n": {"$gt": 3}}, {"$not": {"y": True}}],
    },
    "3 < n and 'a' in tags": {"n": {"$gt": 3}, "tags": {"$contains": "a"}},
    "'a' not in tags": {"$not": {"tags": {"$contains": "a"}}},
    "10 >= price": {"price": {"$lte": 10}},
    "x <> 'a'": {"x": {"$ne": "a", "$exists": True}},
    "contains(name, 'foo')": None,
    "zip = 01234": None,
    "a = 1e400": None,
    "1 < n < 3": None,
    "a = b": None,
    "a in (b, 'c')": None,
    "eq(x, y)": None,
    "x like '%ab%'": None,
    "n >": None,
    "n = (((": None,
    "(" * 5000 + "n = 1": None,
}


@pytest.mark.parametrize("text", TEXTS)
def test_an_expression_in_text_is_named_and_shown_in_our_notation(text: str) -> None:
    message = refused(text)
    assert "an expression in text" in message
    assert len(message) < 1000
    if TEXTS[text] is None:
        assert "the same" not in message
    else:
        assert_same(shown(message), TEXTS[text])


def test_json_in_text_is_to_be_read_first() -> None:
    assert "json.loads" in refused('{"n": 3}')


def test_objects_of_client_libraries_are_named_and_shown() -> None:
    chromadb = pytest.importorskip("chromadb")
    pinecone = pytest.importorskip("pinecone")
    qdrant = pytest.importorskip("qdrant_client").models
    query = pytest.importorskip("langchain_core.structured_query")
    weaviate = pytest.importorskip("weaviate.classes.query").Filter
    above, equal = query.Comparison(comparator="gt", attribute="n", value=3), query.Comparator.EQ
    objects = {
        "qdrant-client": qdrant.Filter(
            must=[
                qdrant.FieldCondition(key="n", range=qdrant.Range(gt=3)),
                qdrant.FieldCondition(key="x", match=qdrant.MatchValue(value="a")),
            ]
        ),
        "LangChain": query.Operation(
            operator="and", arguments=[above, query.Comparison(comparator=equal, attribute="x", value="a")]
        ),
        "weaviate-client": weaviate.by_property("n").greater_than(3) & weaviate.by_property("x").equal("a"),
        "chromadb": (chromadb.K("n") > 3) & (chromadb.K("x") == "a"),
        "pinecone": pinecone.Field("n").gt(3) & (pinecone.Field("x") == "a"),
    }
    for owner, condition in objects.items():
        message = refused(condition)
        assert owner in message
        assert_same(shown(message), A_AND_N)
    condition = qdrant.FieldCondition(key="n", match=qdrant.MatchAny(any=[1, 2]))
    assert_same(shown(refused(condition)), {"n": {"$in": [1, 2]}})
    assert_same(shown(refused(query.StructuredQuery(query="", filter=above, limit=None))), {"n": {"$gt": 3}})


def test_llamaindex_filters_are_named_and_shown() -> None:
    # The library is large; its objects are known by the package of their class and by these attributes.
    kinds = {name: type(name, (), {"__module__": "llama_index.core.vector_stores.types"}) for name in ("One", "Many")}
    leaf, tree = kinds["One"](), kinds["Many"]()
    leaf.key, leaf.operator, leaf.value = "n", ">=", 3
    tree.filters, tree.condition = [leaf, {"key": "x", "value": "a", "operator": "=="}], "or"
    message = refused(tree)
    assert "LlamaIndex's MetadataFilters" in message
    assert_same(shown(message), {"$or": [{"n": {"$gte": 3}}, {"x": "a"}]})


def test_a_function_a_list_and_a_bare_field_are_told_what_to_write() -> None:
    assert "a function" in refused(lambda document: True)
    assert_same(shown(refused([{"n": 3}, {"field": "meta.x", "operator": "==", "value": "a"}])), {"n": 3, "x": "a"})
    assert "F('n') == value" in refused(F("n"))
    assert "joins whole filters" in refused({"n": {"$and": [{"$gt": 3}]}})


@pytest.mark.parametrize("operator", ["gte", "GTE", "$GTE"])
def test_an_operator_of_ours_in_another_spelling_is_corrected(operator: str) -> None:
    assert "$gte" in refused({"n": {operator: 3}})


def test_a_value_that_json_does_not_know_is_shown_as_python_writes_it() -> None:
    moment = datetime(2024, 5, 1, tzinfo=UTC)
    assert "datetime.datetime(2024" in refused({"field": "meta.at", "operator": ">", "value": moment})


@pytest.mark.parametrize(
    "condition",
    [
        {"field": {"$eq": "n"}, "operator": {"$eq": "=="}, "value": 3},
        {"operator": "Telekom"},
        {"key": "a", "operator": "acme", "value": 3},
        {"must": True, "should": "x"},
        {"filters": "blue", "query": "x", "where": "here"},
        {"AND": 1, "or": "x", "not": None},
        {"n": {"$eq": "*"}},
    ],
)
def test_metadata_that_is_called_like_a_part_of_a_notation_can_be_filtered(condition: dict[str, Any]) -> None:
    assert isinstance(as_filter(condition), Filter)


def test_no_hint_of_a_known_foreign_operator_is_a_guess_by_its_letters() -> None:
    for operator in ("$regex", "$like", "$ilike", "$between", "$all", "$size", "$type", "$elemMatch", "$not_contains"):
        assert not re.search("did you mean", refused({"n": {operator: "x"}}))
