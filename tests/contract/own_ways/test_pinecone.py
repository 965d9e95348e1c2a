"""What is particular to Pinecone: collections of others, native fields, reads that lag behind writes, retries, sizes of
requests.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import vpa
from contract.own_ways.shared import VECTORS, check_a_collection_of_others, check_native_fields
from deployments import PROVIDERS, RunningStores
from vpa import ALL_SCOPES, F, Record, Scope
from vpa.base import errors
from vpa.base.records import CollectionInfo
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.layout import tokens
from vpa.stores.pinecone.convert import info_of, tags_of
from wire.pinecone_server import Behaviour, pinecone_server


async def _made_by_the_client(config: Any) -> None:
    from pinecone import AsyncPinecone, ServerlessSpec

    client = AsyncPinecone("secret", host=config.url)
    spec = ServerlessSpec(cloud="aws", region="us-east-1")
    model = await client.indexes.create(name="theirs", dimension=3, metric="cosine", spec=spec)
    index = await client.index(host=model.host)
    rows = [
        {"id": f"id{n}", "values": VECTORS[n].tolist(), "metadata": {"n": n, "text": f"text {n}"}} for n in range(6)
    ]
    await index.upsert(vectors=rows, show_progress=False)
    await index.close()
    await client.close()


async def test_a_collection_of_others_is_read_and_brought_in(stores: RunningStores, tmp_path: Path) -> None:
    config = stores.config(PROVIDERS["pinecone"])
    await _made_by_the_client(config)
    await check_a_collection_of_others(config, tmp_path, counted=False)


async def _fields_seen_by_the_client(config: Any) -> dict[str, Any]:
    from pinecone import AsyncPinecone

    async with AsyncPinecone(api_key=config.api_key, host=config.url) as client:
        model = await client.indexes.describe("native")
        async with await client.index(host=model.host) as index:
            [namespace] = [one.name async for page in index.list_namespaces() for one in page.namespaces]
            answer = await index.query(vector=[1.0, 0.0, 0.0], top_k=1, include_metadata=True, namespace=namespace)
            return dict(answer.matches[0].metadata)


async def test_native_fields_are_there_for_the_stores_own_tools(stores: RunningStores) -> None:
    # Pinecone's updates remove nothing.
    await check_native_fields(stores.config(PROVIDERS["pinecone"]), _fields_seen_by_the_client, removes=False)


async def test_what_pinecone_writes_is_read_at_once_though_it_lags() -> None:
    behaviour = Behaviour(delays={"query": 0.15, "fetch": 0.3, "list": 0.2, "stats": 5.0})
    with pinecone_server(behaviour=behaviour) as (url, _):
        async with VectorDatabaseManager(VectorDatabaseConfig(provider="pinecone", url=url, api_key="secret")) as db:
            docs = await db.create_collection("docs", dimension=3)
            for number in range(2):
                await docs.upsert([Record("a", vector=VECTORS[number], metadata={"n": number})])
                assert await docs.count(filter={"n": number}) == 1
                assert (await docs.get(["a"]))[0].metadata == {"n": number}
                assert (await docs.search(vector=VECTORS[number], top_k=1))[0].metadata == {"n": number}
                assert [batch.ids async for batch in docs.scan_batches(scope=vpa.ALL_SCOPES)] == [["a"]]
            assert await docs.delete(ids=["a"]) == 1
            assert await docs.get(["a"]) == []
            assert await docs.count() == 0
            assert list(await docs.search(vector=VECTORS[0])) == []


@pytest.mark.parametrize("retry_after", ["0.1", None])
async def test_pinecone_is_asked_again_by_its_client_only(retry_after: str | None) -> None:
    behaviour = Behaviour()
    with pinecone_server(behaviour=behaviour) as (url, _):
        async with VectorDatabaseManager(VectorDatabaseConfig(provider="pinecone", url=url, api_key="secret")) as db:
            docs = await db.create_collection("docs", dimension=3)
            behaviour.rate_limited, behaviour.retry_after = 2, retry_after
            assert await docs.count() == 0
            behaviour.rate_limited = 1000
            with pytest.raises(errors.RateLimitedError):
                await docs.count()
            assert 1000 - behaviour.rate_limited == 4


async def test_many_numbers_a_record_still_fit_into_pinecones_requests() -> None:
    with pinecone_server() as (url, _):
        async with VectorDatabaseManager(VectorDatabaseConfig(provider="pinecone", url=url, api_key="secret")) as db:
            docs = await db.create_collection("docs", dimension=3)
            rows = [
                Record(f"r{n}", vector=[1, n, 0], metadata={f"k{i}": n * i / 7 for i in range(12)}) for n in range(600)
            ]
            assert await docs.upsert(rows) == 600
            assert await docs.count(filter=F("k3") > 100) == sum(n * 3 / 7 > 100 for n in range(600))


async def test_scopes_whose_keys_stand_in_one_place_are_scanned_whole(
    stores: RunningStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_scope_prefix", lambda scope: "0badcafe")
    async with VectorDatabaseManager(stores.config("pinecone, missing fields match nothing")) as db:
        docs = await db.create_collection("together", dimension=2)
        scopes = [Scope(), Scope("t1"), Scope("t2")]
        for scope in scopes:
            await docs.upsert([Record(f"r{n}", vector=[1, n]) for n in range(30)], scope=scope)
        seen = [
            (batch.scope, record.id)
            async for batch in docs.scan_batches(scope=ALL_SCOPES, batch_size=7)
            for record in batch
        ]
        assert len(seen) == 90
        assert len(set(seen)) == 90
        await db.drop_collection("together")


def test_a_description_that_became_shorter_is_read_where_tags_are_merged() -> None:
    longer = CollectionInfo(name="docs", dimension=2, metric="dot", native_fields=["a" * 400])  # type: ignore[arg-type]
    shorter = CollectionInfo(name="docs", dimension=2, metric="dot")  # type: ignore[arg-type]
    merged = {**tags_of(longer), **tags_of(shorter)}
    assert len(merged) > len(tags_of(shorter))
    assert info_of(merged) == shorter
    assert info_of(tags_of(longer)) == longer
