"""Store options on Qdrant's engine behind our routes: the graph, codes, and what a server of one node cannot do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from deployments import RunningStores
from stores.option_cases import check_options, check_refused, fill, settings_of, vectors
from vpa.base.records import Record
from vpa.client.manager import VectorDatabaseManager


@pytest.fixture
async def db(stores: RunningStores) -> AsyncIterator[VectorDatabaseManager]:
    async with VectorDatabaseManager(stores.config("qdrant engine")) as manager:
        yield manager


CODES = [
    {"quantization": "scalar"},
    {"quantization": "scalar", "quantile": 0.95, "codes_in_memory": True},
    {"quantization": "binary", "codes_in_memory": False},
    {"quantization": "product"},
    {"quantization": "product", "compression": "x32"},
]
OTHERS = [
    {"m": 8, "ef_construct": 64},
    {"m": 0},
    {"on_disk": True, "graph_on_disk": True, "payload_on_disk": False},
    {"shard_number": 2},
    {"replication_factor": 1, "write_consistency_factor": 1},
]


def name_of(value: Any) -> str:
    return "-".join(map(str, value.values())) if isinstance(value, dict) else str(value)


@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize("options", CODES, ids=name_of)
async def test_codes_are_made_and_answers_are_scored_by_the_vectors(
    db: VectorDatabaseManager, options: dict[str, Any], metric: str
) -> None:
    await check_options(db, options, settings=options, metric=metric)


@pytest.mark.parametrize("options", OTHERS, ids=name_of)
async def test_options_are_taken_and_reported(db: VectorDatabaseManager, options: dict[str, Any]) -> None:
    await check_options(db, options, settings={"m": 16, "quantization": "none", **options})


async def test_without_a_graph_and_codes_every_search_is_exact(db: VectorDatabaseManager) -> None:
    for name, options, exact in (
        ("plain", {"m": 0}, True),
        ("coded", {"m": 0, "quantization": "scalar"}, False),
        ("graph", {"m": 4}, False),
    ):
        docs = await db.create_collection(name, dimension=2, store_options=options)
        await docs.upsert([Record(f"r{n}", vector=[1, n]) for n in range(9)])
        assert (await docs.search(vector=[1, 0], top_k=2)).exact is exact
        await db.drop_collection(name)


async def test_what_was_not_set_is_the_servers_default(db: VectorDatabaseManager) -> None:
    await db.create_collection("default", dimension=4)
    settings = await settings_of(db, "default")
    assert (settings["ef_construct"], settings["quantization"], settings["shard_number"]) == (100, "none", 1)
    await db.drop_collection("default")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ef_construct": 3}, "'ef_construct' of qdrant is an integer from 4 to 10000, not 3"),
        ({"quantisation": "scalar"}, "no store option 'quantisation'; did you mean 'quantization'"),
        ({"quantization": "rotational"}, "one of scalar, binary, product, not 'rotational'"),
        ({"quantization": "binary", "quantile": 0.9}, "'quantile' of qdrant belongs to quantization='scalar'"),
        ({"codes_in_memory": True}, "belongs to a quantization"),
        (
            {"replication_factor": 2},
            r"refuses the store options replication_factor=2 \(allowed: an integer from 1 to 1\): .* has 1 node",
        ),
        ({"write_consistency_factor": 2}, "a write cannot wait for 2 of 1 replicas"),
        ({"provider": "milvus", "index_type": "FLAT"}, "the store is qdrant, and store_options are those of milvus"),
    ],
    ids=name_of,
)
async def test_what_does_not_fit_is_refused(db: VectorDatabaseManager, options: dict[str, Any], message: str) -> None:
    await check_refused(db, options, message=message)


async def test_the_clients_local_mode_takes_none(stores: RunningStores) -> None:
    async with VectorDatabaseManager(stores.config("qdrant local mode")) as db:
        await check_refused(db, {"m": 8}, message="the client's local mode has no index to set")
        docs = await db.create_collection("local", dimension=2, store_options={})
        assert await settings_of(db, docs.name) == {}
        await db.drop_collection("local")


async def test_the_engine_has_codes_to_search_by(db: VectorDatabaseManager) -> None:
    docs = await db.create_collection("coded", dimension=32, store_options={"quantization": "scalar"})
    await fill(docs, vectors(60))
    assert (await settings_of(db, "coded"))["indexed_vectors"] == 60
    await db.drop_collection("coded")
