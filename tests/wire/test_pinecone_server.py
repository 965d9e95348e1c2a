"""The Pinecone test server refuses and imitates what the service is known to: otherwise a wrong adapter would pass."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from wire.pinecone_server import Behaviour, pinecone_server

HEADERS = {"api-key": "secret", "x-pinecone-api-version": "2026-07"}
SCHEMA = {"fields": {"_values": {"type": "dense_vector", "dimension": 2, "metric": "euclidean"}}}


class Index:
    def __init__(self, url: str, behaviour: Behaviour, schema: Any = SCHEMA) -> None:
        self.url, self.behaviour = url, behaviour
        made = httpx.post(f"{url}/indexes", json={"name": "docs", "schema": schema, "deployment": {}}, headers=HEADERS)
        self.host = made.json()["host"]

    def post(self, path: str, **body: Any) -> httpx.Response:
        return httpx.post(self.host + path, json=body, headers=HEADERS)

    def upsert(self, *rows: dict[str, Any]) -> httpx.Response:
        return self.post("/vectors/upsert", vectors=list(rows), namespace="n")

    def query(self, **options: Any) -> httpx.Response:
        return self.post("/query", **{"topK": 10, "vector": [1.0, 0.0], "namespace": "n", **options})

    def ids(self, condition: Any) -> set[str]:
        return {match["id"] for match in self.query(filter=condition).json()["matches"]}


@pytest.fixture
def index() -> Iterator[Index]:
    behaviour = Behaviour()
    with pinecone_server(behaviour=behaviour) as (url, _):
        yield Index(url, behaviour)


def row(name: str, values: Any = (1.0, 2.0), **metadata: Any) -> dict[str, Any]:
    return {"id": name, "values": list(values), "metadata": metadata}


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"api-key": "x"}, 401), ({"api-key": "secret", "x-pinecone-api-version": "2020-01"}, 400)],
)
def test_no_key_and_another_version_are_refused(index: Index, headers: dict[str, str], status: int) -> None:
    assert httpx.post(f"{index.host}/query", json={}, headers=headers).status_code == status
    assert httpx.get(f"{index.url}/indexes", headers=headers).status_code == status


def test_unknown_routes_and_fields_are_refused(index: Index) -> None:
    assert index.post("/nope").status_code == 404
    assert index.post("/query", topK=1, vector=[1, 0], where={}).status_code == 400


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(f"r{n}") for n in range(1001)], "1000"),
        ([row("é")], "ASCII"),
        ([row("a", **{"$k": 1})], r"\$"),
        ([row("a", nested={"x": 1})], "list of strings"),
        ([row("a", numbers=[1, 2])], "list of strings"),
        ([row("a", [0.0, 0.0])], "only zeros"),
        ([row("a", [1.0])], "dimension 1 does not match the dimension of the index 2"),
        ([row("a", text="x" * 41_000)], "40960"),
        ([row(f"r{n}", text="x" * 30_000) for n in range(80)], "too large"),
        ([row("x" * 513)], "512"),
    ],
)
def test_what_the_service_refuses_is_refused(index: Index, rows: list[dict[str, Any]], message: str) -> None:
    answer = index.upsert(*rows)
    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "message", "details"}
    assert pytest.importorskip("re").search(message, answer.json()["message"])


def test_a_null_is_stripped_and_numbers_come_back_as_floats(index: Index) -> None:
    index.upsert(row("a", gone=None, five=5))
    [match] = index.query(includeMetadata=True).json()["matches"]
    assert repr(match["metadata"]) == "{'five': 5.0}"


def test_matches_are_shuffled_and_distances_squared(index: Index) -> None:
    index.upsert(*(row(f"r{n}", [1.0, float(n)]) for n in range(10)))
    matches = index.query().json()["matches"]
    assert [match["score"] for match in matches] != sorted(match["score"] for match in matches)
    assert max(match["score"] for match in matches) == 81.0


def test_a_reply_over_four_megabytes_is_refused(index: Index) -> None:
    for start in range(0, 120, 40):
        index.upsert(*(row(f"r{n}", text="x" * 39_000) for n in range(start, start + 40)))
    assert index.query(topK=120, includeMetadata=True).status_code == 400
    assert index.query(topK=120).status_code == 200
    assert (
        index.post(
            "/vectors/fetch_by_metadata", filter={"text": {"$exists": True}}, limit=120, namespace="n"
        ).status_code
        == 400
    )


@pytest.mark.parametrize(
    "condition",
    [
        {},
        {"$gt": 1},
        {"a": [1]},
        {"a": {"$gt": "x"}},
        {"a": {"$like": "x"}},
        {"$or": []},
        {"a": {"$in": list(range(10_001))}},
    ],
)
def test_filters_that_are_malformed_are_refused(index: Index, condition: Any) -> None:
    index.upsert(row("a"))
    assert index.post("/vectors/fetch_by_metadata", filter=condition, namespace="n").status_code == 400
    if condition:
        assert index.query(filter=condition).status_code == 400


@pytest.mark.parametrize(("missing", "found"), [("match", {"with", "without"}), ("skip", {"with"})])
def test_a_missing_field_is_read_both_ways(index: Index, missing: str, found: set[str]) -> None:
    index.behaviour.missing = missing
    index.upsert(row("with", a="x", b="y"), row("without", b="y"))
    assert index.ids({"a": {"$ne": "z"}}) == index.ids({"a": {"$nin": ["z"]}}) == found
    assert index.ids({"$or": [{"a": "x"}, {"b": "y"}]}) == found
    assert index.ids({"a": {"$exists": False}}) == found - {"with"}


def test_each_kind_of_read_lags_on_its_own_and_only_queries_say_how_far(index: Index) -> None:
    index.behaviour.delays = {"query": 0.2, "fetch": 0.0, "list": 0.0}
    written = index.upsert(row("a"))
    position = int(written.headers["x-pinecone-request-lsn"])
    early = index.query()
    assert early.json()["matches"] == []
    assert int(early.headers["x-pinecone-max-indexed-lsn"]) < position
    fetched = httpx.get(f"{index.host}/vectors/fetch", params={"ids": "a", "namespace": "n"}, headers=HEADERS)
    assert list(fetched.json()["vectors"]) == ["a"]
    assert "x-pinecone-max-indexed-lsn" not in fetched.headers
    time.sleep(0.25)
    late = index.query()
    assert [match["id"] for match in late.json()["matches"]] == ["a"]
    assert int(late.headers["x-pinecone-max-indexed-lsn"]) == position


def test_updates_merge_and_never_make_a_record(index: Index) -> None:
    index.upsert(row("a", one=1))
    assert index.post("/vectors/update", id="a", setMetadata={"two": 2}, namespace="n").status_code == 200
    assert index.post("/vectors/update", id="nobody", setMetadata={"two": 2}, namespace="n").status_code == 200
    [match] = index.query(includeMetadata=True).json()["matches"]
    assert match["metadata"] == {"one": 1.0, "two": 2.0}
    counted = index.post("/vectors/update", filter={"one": 1}, setMetadata={}, dryRun=True, namespace="n")
    assert counted.json() == {"matchedRecords": 1}


def test_an_index_for_documents_takes_no_vectors_and_finds_nothing(index: Index) -> None:
    index.upsert(row("a"))
    index.behaviour.document_index = True
    assert index.upsert(row("b")).status_code == 400
    assert index.query().json()["matches"] == []


def test_a_missing_namespace_is_empty_to_a_query_and_unknown_to_a_delete(index: Index) -> None:
    assert index.query(namespace="nobody").json()["matches"] == []
    assert index.post("/vectors/delete", ids=["a"], namespace="nobody").status_code == 404


SPARSE = {
    "fields": {
        "_values": {"type": "dense_vector", "dimension": 2, "metric": "dotproduct"},
        "_sparse_values": {"type": "sparse_vector"},
    }
}


@pytest.fixture
def hybrid() -> Iterator[Index]:
    behaviour = Behaviour()
    with pinecone_server(behaviour=behaviour) as (url, _):
        yield Index(url, behaviour, SPARSE)


def worded(indices: list[int], values: list[float]) -> dict[str, Any]:
    return {**row("a"), "sparseValues": {"indices": indices, "values": values}}


@pytest.mark.parametrize(
    ("indices", "values"),
    [([1], []), ([], []), ([1, 1], [1.0, 1.0]), ([-1], [1.0]), ([2**32], [1.0]), (list(range(2049)), [1.0] * 2049)],
)
def test_sparse_values_that_are_malformed_are_refused(hybrid: Index, indices: list[int], values: list[float]) -> None:
    assert hybrid.upsert(worded(indices, values)).status_code == 400
    assert hybrid.query(sparseVector={"indices": indices, "values": values}).status_code == 400


def test_an_index_without_sparse_values_takes_and_ranks_none(index: Index) -> None:
    for answer in (index.upsert(worded([1], [1.0])), index.query(sparseVector={"indices": [1], "values": [1.0]})):
        assert answer.json()["message"] == "Index configuration does not support sparse values"


def test_products_of_both_parts_are_added_and_an_update_replaces_one(hybrid: Index) -> None:
    hybrid.upsert(worded([7, 9], [2.0, 1.0]))
    asked = {"indices": [7], "values": [3.0]}
    assert hybrid.query(sparseVector=asked).json()["matches"][0]["score"] == 7.0
    assert hybrid.query(vector=[0.0, 0.0], sparseVector=asked).json()["matches"][0]["score"] == 6.0
    hybrid.post("/vectors/update", id="a", sparseValues={"indices": [7], "values": [5.0]}, namespace="n")
    [match] = hybrid.query(vector=[0.0, 0.0], sparseVector=asked, includeValues=True).json()["matches"]
    assert (match["score"], match["sparseValues"]) == (15.0, {"indices": [7], "values": [5.0]})
    hybrid.upsert(row("a"))
    assert hybrid.query(vector=[0.0, 0.0], sparseVector=asked).json()["matches"][0]["score"] == 0.0
