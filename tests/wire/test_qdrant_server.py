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
        made.put("/collections/docs", json={"vectors": {"size": 2, "distance": "Dot"}})
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
