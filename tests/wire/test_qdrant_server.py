"""The Qdrant test server refuses what the engine alone would let pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from wire.qdrant_server import qdrant_server

POINT = "00000000-0000-8000-8000-000000000001"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    with (
        qdrant_server(tmp_path, key="secret") as url,
        httpx.Client(base_url=url, headers={"api-key": "secret"}) as made,
    ):
        made.put("/collections/docs", json={"vectors": {"size": 2, "distance": "Dot"}, "sparse_vectors": {"words": {}}})
        made.put("/collections/docs/index", json={"field_name": "t", "field_schema": "keyword"})
        made.put(
            "/collections/docs/points",
            json={"points": [{"id": POINT, "vector": [1, 0], "payload": {"t": ["a"], "u": 1}}]},
        )
        yield made


def test_keys_are_asked_for_and_readers_do_not_write(client: httpx.Client) -> None:
    assert client.get("/collections", headers={"api-key": "wrong"}).status_code == 401
    assert client.get("/collections", headers={"api-key": "reader"}).status_code == 200
    assert client.delete("/collections/docs", headers={"api-key": "reader"}).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/collections/docs", {"vectors": {"size": 2, "distance": "Dot"}}, 409),
        ("PUT", "/collections/new", {"vectors": {"size": 0, "distance": "Dot"}}, 422),
        ("GET", "/collections/nope", None, 404),
        ("POST", "/collections/nope/points/count", {}, 404),
        ("GET", "/nope", None, 404),
        ("PUT", "/collections/docs/points", {"points": [{"id": POINT, "vector": [1, 0, 0]}]}, 400),
        ("PUT", "/collections/docs/points", {"points": [{"id": "no uuid", "vector": [1, 0]}]}, 400),
        ("POST", "/collections/docs/points/query", {"query": {"nearest": [1]}, "limit": 1}, 400),
        ("POST", "/collections/docs/points/query", {"query": {"nearest": [1, 0]}, "limit": 0}, 422),
        ("POST", "/collections/docs/points/scroll", {"limit": 1, "order": "x"}, 400),
        ("POST", "/collections/docs/points/count", {"filter": {"must": [{"key": "u", "match": {"value": 1}}]}}, 400),
        ("POST", "/collections/docs/points/count", {"filter": {"must": [{"key": "t", "match": {"value": 1.5}}]}}, 400),
        ("POST", "/collections/docs/points/count", {"filter": {"musst": []}}, 400),
    ],
)
def test_what_the_server_refuses_is_refused(
    client: httpx.Client, method: str, path: str, body: Any, status: int
) -> None:
    assert client.request(method, path, json=body).status_code == status


def test_a_body_over_32_megabytes_is_refused(client: httpx.Client) -> None:
    assert client.post("/collections/docs/points/count", content=b" " * (33 << 20)).status_code == 400


def test_overwriting_a_payload_does_not_make_a_point(client: httpx.Client) -> None:
    other = POINT[:-1] + "2"
    body = {"operations": [{"overwrite_payload": {"payload": {"t": ["b"]}, "points": [POINT, other]}}]}
    assert client.post("/collections/docs/points/batch", json=body).status_code == 200
    found = client.post("/collections/docs/points", json={"ids": [POINT, other], "with_payload": True}).json()["result"]
    assert [(one["id"], one["payload"]) for one in found] == [(POINT, {"t": ["b"]})]


def put(client: httpx.Client, **words: Any) -> int:
    points = [{"id": POINT, "vector": {"": [1, 0], "words": words}}]
    return client.put("/collections/docs/points", json={"points": points}).status_code


def ranked(client: httpx.Client, *indices: int) -> list[tuple[str, float]]:
    query = {"indices": list(indices), "values": [1.0] * len(indices)}
    body = {"query": query, "using": "words", "limit": 9, "with_vector": [""]}
    return [
        (one["id"][-1], one["score"])
        for one in client.post("/collections/docs/points/query", json=body).json()["result"]["points"]
    ]


def test_sparse_vectors_are_checked_as_the_server_does(client: httpx.Client) -> None:
    assert put(client, indices=[1, 1], values=[1, 1]) == 422
    assert put(client, indices=[1, 2], values=[1]) == 422
    assert put(client, indices=[-1], values=[1]) == 400
    assert put(client, indices=[1], values=[None]) == 400
    other = [{"id": POINT, "vector": {"": [1, 0], "other": {"indices": [], "values": []}}}]
    assert client.put("/collections/docs/points", json={"points": other}).status_code == 400
    assert put(client, indices=[2, 1], values=[1, 2]) == 200
    assert ranked(client, 1, 3) == [("1", 2.0)]
    assert ranked(client, 3) == []
    body = {"query": {"indices": [1], "values": [1]}, "using": "other", "limit": 1}
    assert client.post("/collections/docs/points/query", json=body).status_code == 400


def test_an_upsert_without_words_leaves_none_and_an_update_needs_the_point(client: httpx.Client) -> None:
    assert put(client, indices=[1], values=[1]) == 200
    client.put("/collections/docs/points", json={"points": [{"id": POINT, "vector": [1, 0]}]})
    assert ranked(client, 1) == []
    words = {"words": {"indices": [1], "values": [3]}}
    points = [{"id": POINT[:-1] + "2", "vector": words}, {"id": POINT, "vector": words}]
    assert client.put("/collections/docs/points/vectors", json={"points": points}).status_code == 404
    assert ranked(client, 1) == [("1", 3.0)]
    assert client.post("/collections/docs/points/count", json={}).json()["result"]["count"] == 1


def test_sparse_vectors_of_two_names_are_ranked_apart(client: httpx.Client) -> None:
    kinds = {"vectors": {"size": 2, "distance": "Dot"}, "sparse_vectors": {"words": {}, "own": {}}}
    client.put("/collections/two", json=kinds)
    vector = {"": [1, 0], "words": {"indices": [1], "values": [2]}, "own": {"indices": [1], "values": [-3]}}
    client.put("/collections/two/points", json={"points": [{"id": POINT, "vector": vector}]})
    for using, score in (("words", 2.0), ("own", -3.0)):
        body = {"query": {"indices": [1], "values": [1]}, "using": using, "limit": 1, "with_vector": [""]}
        [point] = client.post("/collections/two/points/query", json=body).json()["result"]["points"]
        assert (point["score"], point["vector"]) == (score, [1.0, 0.0])
