"""Store options on Weaviate's own server where it is built, and on the double of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from weaviate.classes.tenants import Tenant, TenantActivityStatus

import servers
import vpa
from deployments import WEAVIATE_IS_BUILT, RunningStores
from stores.option_cases import DIMENSION, check_answers, check_options, check_refused, distances, fill, vectors
from vpa.base.scope import ALL_SCOPES, Scope
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.config import VectorDatabaseConfig, parse_url
from vpa.stores.weaviate.tenants import tenant_of

SERVERS = (["weaviate server"] if WEAVIATE_IS_BUILT else []) + ["weaviate 1.34"]
real = pytest.mark.skipif(not WEAVIATE_IS_BUILT, reason="the real Weaviate is not built here: make weaviate")


@pytest.fixture(params=SERVERS)
async def db(request: pytest.FixtureRequest, stores: RunningStores) -> AsyncIterator[VectorDatabaseManager]:
    async with VectorDatabaseManager(stores.config(request.param)) as manager:
        yield manager


def name_of(value: Any) -> str:
    return "-".join(map(str, value.values())) if isinstance(value, dict) else str(value)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize(
    "options",
    [
        {"index_type": "hnsw", "max_connections": 8, "ef_construction": 32},
        {"index_type": "flat"},
        {"index_type": "flat", "quantization": "bq"},
        {"index_type": "flat", "quantization": "rq"},
        {"quantization": "none", "replication_factor": 1},
        {"quantization": "pq"},
        {"quantization": "bq"},
        {"quantization": "sq"},
        {"index_type": "hnsw", "quantization": "rq"},
    ],
    ids=name_of,
)
async def test_options_are_taken_and_searches_mean_the_same(
    db: VectorDatabaseManager, options: dict[str, Any], metric: str
) -> None:
    await check_options(db, options, settings={"quantization": "none", **options}, metric=metric)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_connections": 3}, "'max_connections' of weaviate is an integer from 4 to 2047, not 3"),
        ({"index_type": "flat", "quantization": "pq"}, "a flat index of weaviate has the quantization none, bq or rq"),
        ({"index_type": "flat", "ef_construction": 64}, "belongs to index_type='hnsw' or 'dynamic'"),
        ({"index_typ": "flat"}, "no store option 'index_typ'; did you mean 'index_type'"),
        (
            {"replication_factor": 2},
            r"refuses the store options replication_factor=2: .*1 available, 2 requested",
        ),
        (
            {"index_type": "dynamic"},
            r"refuses the store options index_type='dynamic': .*async indexing",
        ),
        ({"provider": "pgvector", "index": "hnsw"}, "the store is weaviate, and store_options are those of pgvector"),
    ],
    ids=name_of,
)
async def test_what_does_not_fit_is_refused(db: VectorDatabaseManager, options: dict[str, Any], message: str) -> None:
    await check_refused(db, options, message=message)


async def test_a_flat_index_without_codes_is_always_exact(db: VectorDatabaseManager) -> None:
    for options, exact in (({"index_type": "flat"}, True), ({"index_type": "flat", "quantization": "bq"}, False)):
        docs = await db.create_collection("flat", dimension=DIMENSION, store_options=options)
        await fill(docs, vectors(20))
        assert (await docs.search(vector=vectors(1)[0], top_k=5)).exact is exact
        await db.drop_collection("flat")


@real
async def test_an_exact_search_does_not_go_by_codes(stores: RunningStores) -> None:
    rows, query = np.abs(vectors(1500)), np.abs(vectors(1, seed=15)[0])  # All signs are equal: bq sees no difference.
    async with VectorDatabaseManager(stores.config("weaviate server")) as db:
        docs = await db.create_collection("coded", dimension=DIMENSION, store_options={"quantization": "bq"})
        await fill(docs, rows)
        expected = np.argsort(distances(rows, query, "cosine"))[:10]
        assert (await docs.search(vector=query, top_k=10, exact=True)).ids == [f"r{n}" for n in expected]
        answer = await docs.search(vector=query, top_k=10)
        own = distances(rows, query, "cosine")
        assert [match.distance for match in answer] == pytest.approx([own[int(i[1:])] for i in answer.ids], abs=1e-5)
        await db.drop_collection("coded")


@real
async def test_a_dynamic_index_needs_asynchronous_indexing(tmp_path: Path) -> None:
    with servers.running(servers.weaviate(tmp_path, ASYNC_INDEXING="true")) as url:
        config = VectorDatabaseConfig(**parse_url(url), api_key="secret")
        async with VectorDatabaseManager(config) as db:
            options = {"index_type": "dynamic", "max_connections": 16, "quantization": "rq"}
            docs = await db.create_collection("growing", dimension=DIMENSION, store_options=options)
            settings = (await db.get_statistics())["collections"]["growing"]["settings"]
            assert {name: settings[name] for name in options} == options
            await fill(docs, vectors(60))
            await check_answers(docs, vectors(60), exact=True)
            await check_answers(docs, vectors(60), exact=False)


@real
@pytest.mark.parametrize(
    "options",
    [{"multi_tenancy": True}, {"multi_tenancy": True, "index_type": "flat", "quantization": "bq"}],
    ids=name_of,
)
async def test_each_scope_has_a_tenant(stores: RunningStores, options: dict[str, Any]) -> None:
    async with VectorDatabaseManager(stores.config("weaviate server")) as db:
        await check_options(db, options, settings=options)


@real
async def test_a_scope_without_a_tenant_is_empty_and_scans_go_tenant_by_tenant(stores: RunningStores) -> None:
    scopes = [Scope("t", f"n{number}") for number in range(7)]
    async with VectorDatabaseManager(stores.config("weaviate server")) as db:
        docs = await db.create_collection("rented", dimension=DIMENSION, store_options={"multi_tenancy": True})
        assert [record async for record in docs.scan(scope=ALL_SCOPES)] == []
        nowhere = {"scope": Scope("none", "yet")}
        assert await docs.count(**nowhere) == await docs.delete(ids=["a"], **nowhere) == 0
        assert await docs.delete(filter={"even": True}, **nowhere) == 0
        assert await docs.get(["a"], **nowhere) == []
        assert (await docs.search(vector=vectors(1)[0], **nowhere)).ids == []
        for number, scope in enumerate(scopes):
            await fill(docs, vectors(10, seed=number), scope=scope)
        await docs.delete(filter={"even": True}, scope=scopes[3])
        found: dict[Scope, list[str]] = {}
        async for batch in docs.scan_batches(scope=ALL_SCOPES, batch_size=4):
            assert batch.scope is not None
            found.setdefault(batch.scope, []).extend(batch.ids)
        assert {scope: len(ids) for scope, ids in found.items()} == {
            scope: 5 if scope == scopes[3] else 10 for scope in scopes
        }
        cursor, resumed = None, 0
        async for batch in docs.scan_batches(scope=ALL_SCOPES, batch_size=4):
            cursor = batch.cursor
            break
        async for batch in docs.scan_batches(scope=ALL_SCOPES, batch_size=4, cursor=cursor):
            resumed += len(batch)
        assert resumed == 65 - 4
        assert (await vpa.check(docs)).ok
        await db.drop_collection("rented")


@real
async def test_a_tenant_is_found_by_its_scope_and_an_inactive_one_is_woken_by_reads(stores: RunningStores) -> None:
    acme, other = Scope("acme"), Scope("other", "n")
    async with VectorDatabaseManager(stores.config("weaviate server")) as db:
        docs = await db.create_collection("sleeping", dimension=DIMENSION, store_options={"multi_tenancy": True})
        for scope in (acme, other):
            await fill(docs, vectors(10), scope=scope)
        tenants = db._store.driver.client.collections.get("Sleeping").tenants  # type: ignore[union-attr]
        assert set(await tenants.get()) == {tenant_of(acme), tenant_of(other)}
        for read in (
            lambda: docs.search(vector=vectors(1)[0], scope=acme),
            lambda: docs.count(scope=acme),
            lambda: docs.get(["r1"], scope=acme),
        ):
            await tenants.update(Tenant(name=tenant_of(acme), activity_status=TenantActivityStatus.INACTIVE))
            await tenants.update(Tenant(name=tenant_of(other), activity_status=TenantActivityStatus.INACTIVE))
            assert await read()
            found = {name: one.activity_status for name, one in (await tenants.get()).items()}
            assert found == {
                tenant_of(acme): TenantActivityStatus.ACTIVE,
                tenant_of(other): TenantActivityStatus.INACTIVE,
            }
        await db.drop_collection("sleeping")
