"""A FastAPI application over vpa: errors as HTTP answers, values as response models."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

import vpa
from vpa import errors
from vpa.integrations.http import STATUSES

fastapi = pytest.importorskip("fastapi")
httpx = pytest.importorskip("httpx")

from vpa.base.records import Match, Matches  # noqa: E402
from vpa.integrations.fastapi import install_error_handlers  # noqa: E402
from vpa.rag.documents import SearchResult  # noqa: E402


@pytest.fixture
async def client():  # type: ignore[no-untyped-def]
    app = fastapi.FastAPI()
    install_error_handlers(app)
    async with vpa.connect("mock://") as db, vpa.create_enhanced_rag_system() as rag:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert([vpa.Record("a", vector=[1, 0], text="t", metadata={"n": 1, "tags": ["x"], "at": {"b": 2}})])
        await rag.add_document(document_id="d", title="Cats", content="Cats sleep.", metadata={"year": 2024})

        @app.post("/search")
        async def search(filter: Annotated[dict[str, Any], fastapi.Body()]) -> list[Match]:
            return list(await docs.search(vector=[1, 0], filter=filter, include_vectors=True))

        @app.post("/matches")
        async def matches(filter: Annotated[dict[str, Any], fastapi.Body()]) -> Matches:
            return await docs.search(vector=[1, 0], filter=filter)

        @app.get("/bare")
        async def bare():  # type: ignore[no-untyped-def]
            found = await docs.search(vector=[1, 0], include_vectors=True)
            return {"found": found, "one": await docs.get_one("a"), "passages": await rag.search_knowledge("cats")}

        @app.get("/records")
        async def records() -> list[vpa.Record]:
            return await docs.get(["a"])

        @app.get("/ask")
        async def ask(q: str) -> list[SearchResult]:
            return await rag.search_knowledge(q)

        @app.get("/fail/{name}")
        async def fail(name: str) -> None:
            kind = getattr(errors, name)
            raise {
                "PartialWriteError": lambda: kind("m", written=[], failed={}),
                "VerificationError": lambda: kind("m", report=None),
                "RateLimitedError": lambda: kind("m", retry_after=1.2),
            }.get(name, lambda: kind("m"))()

        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            yield http


async def test_a_bad_filter_of_a_user_is_the_users_error(client: Any) -> None:
    answer = await client.post("/search", json={"n": {"$foo": 1}})
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_filter"
    assert "n.$foo" in answer.json()["message"]
    assert set(answer.json()) == {"code", "message"}


async def test_values_are_response_models(client: Any) -> None:
    [match] = (await client.post("/search", json={"n": 1})).json()
    assert (match["id"], match["vector"], match["metadata"]) == (
        "a",
        [1.0, 0.0],
        {"n": 1, "tags": ["x"], "at": {"b": 2}},
    )
    assert Match.from_json(match).score == 1.0
    unknown = (await client.post("/matches", json={"m": 1})).json()
    assert (unknown["items"], unknown["usage"]["unknown_fields"]) == ([], ["m"])
    [record] = (await client.get("/records")).json()
    assert vpa.Record.from_json(record).metadata["tags"] == ["x"]
    [result] = (await client.get("/ask", params={"q": "cats"})).json()
    assert SearchResult.from_json(result).document_id == "d"


async def test_the_description_of_the_service_names_them(client: Any) -> None:
    schemas = (await client.get("/openapi.json")).json()["components"]["schemas"]
    assert {"Match", "Matches", "Record", "SearchResult"} <= set(schemas)
    vector = schemas["Match"]["properties"]["vector"]
    assert {"type": "array", "items": {"type": "number"}} in vector["anyOf"]


@pytest.mark.parametrize("name", errors.__all__)
async def test_every_error_has_its_status_and_its_code(client: Any, name: str) -> None:
    answer = await client.get(f"/fail/{name}")
    kind = getattr(errors, name)
    assert (answer.status_code, answer.json()) == (STATUSES[kind.code], {"code": kind.code, "message": "m"})
    assert answer.headers.get("retry-after") == ("2" if name == "RateLimitedError" else None)


async def test_values_with_vectors_need_no_annotation(client: Any) -> None:
    answer = await client.get("/bare")
    assert answer.status_code == 200
    found = answer.json()
    assert found["found"]["items"][0]["vector"] == found["one"]["vector"] == [1.0, 0.0]
    assert found["passages"][0]["document_id"] == "d"
