"""Sparse vectors of callers on Qdrant: declared when a collection is made, beside those of words."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

import vpa
from vpa import Record
from vpa.base import errors
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.config import VectorDatabaseConfig
from wire.qdrant_server import qdrant_server


async def test_both_stand_beside_the_vector_of_a_point(tmp_path: Path) -> None:
    with qdrant_server(tmp_path, key="secret") as url:
        config = VectorDatabaseConfig(provider="qdrant", url=url, api_key="secret")
        async with (
            VectorDatabaseManager(config) as db,
            httpx.AsyncClient(base_url=url, headers={"api-key": "secret"}) as client,
        ):
            docs = await db.create_collection("docs", dimension=2, keywords="en", sparse=True)
            await docs.upsert([Record("a", vector=[1, 0], text="pumps", sparse={3: 0.1, 9: -2.0})])
            about = (await client.get("/collections/docs")).json()["result"]["config"]
            assert set(about["params"]["sparse_vectors"]) == {"_vpa_terms", "_vpa_sparse"}
            assert json.loads(about["metadata"]["vpa"])["sparse"] is True
            body = {"limit": 1, "with_vector": True, "with_payload": True}
            [point] = (await client.post("/collections/docs/points/scroll", json=body)).json()["result"]["points"]
            assert point["vector"]["_vpa_sparse"]["indices"] == [3, 9]
            assert point["payload"]["_vpa_sparse"] == [[3, 9], [0.1, -2.0]]
            assert (await docs.search(text="pump", mode="keyword")).ids == ["a"]
            assert [match.score for match in await docs.search(sparse={9: 1.0})] == [-2.0]
            # Words are written anew without them, and they stay.
            await docs.create_keyword_index("de")
            assert [match.score for match in await docs.search(sparse={9: -1.0})] == [2.0]


async def test_weights_of_either_sign_are_ranked(tmp_path: Path) -> None:
    async with vpa.connect(f"qdrant://{tmp_path / 'q'}") as db:
        docs = await db.create_collection("docs", dimension=2, sparse=True)
        weights = [-1.0, 0.5, -3.0, 2.0]
        await docs.upsert([Record(str(n), vector=[1, n], sparse={4: weight}) for n, weight in enumerate(weights)])
        answer = await docs.search(sparse={4: 1.0}, top_k=3, exact=True)
        assert (answer.ids, answer.exact) == (["3", "1", "0"], True)


async def test_a_collection_without_them_is_not_searched_by_them(tmp_path: Path) -> None:
    async with vpa.connect(f"qdrant://{tmp_path / 'q'}") as db:
        docs = await db.create_collection("docs", dimension=2)
        with pytest.raises(errors.ConfigurationError, match=r"create_collection\(sparse=True\)"):
            await docs.search(sparse={4: 1.0})
        with pytest.raises(errors.ConfigurationError, match="sparse is True or False"):
            await db.create_collection("more", dimension=2, sparse="yes")  # type: ignore[arg-type]
