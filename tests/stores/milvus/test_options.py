"""Store options on Milvus Lite: its indexes, and what it would take by name and not do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymilvus import MilvusClient

from deployments import RunningStores
from stores.option_cases import DIMENSION, OTHER, check_answers, check_options, check_refused, fill, vectors
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.options import MilvusOptions


@pytest.fixture
async def db(stores: RunningStores) -> AsyncIterator[VectorDatabaseManager]:
    async with VectorDatabaseManager(stores.config("milvus lite over gRPC")) as manager:
        yield manager


def name_of(value: Any) -> str:
    return "-".join(map(str, value.values())) if isinstance(value, dict) else str(value)


INDEXES = [
    {"index_type": "FLAT"},
    {"index_type": "HNSW", "m": 8, "ef_construction": 64},
    {"index_type": "IVF_FLAT", "nlist": 8},
    {"index_type": "IVF_SQ8", "nlist": 8},
    {"index_type": "AUTOINDEX"},
]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("options", [*INDEXES, {"shards": 1, "replicas": 1}, {"partitions": 16}], ids=name_of)
async def test_options_are_taken_and_searches_mean_the_same(
    db: VectorDatabaseManager, options: dict[str, Any], metric: str
) -> None:
    own = {name: value for name, value in options.items() if name != "replicas"}  # Of these Lite says nothing.
    settings = {"index_type": "FLAT", "shards": 1, "consistency": "Strong", "partitions": 0, **own}
    await check_options(db, options, settings=settings, metric=metric)


@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize("options", INDEXES, ids=name_of)
async def test_an_index_that_is_built_gives_the_scores_of_the_vectors(
    db: VectorDatabaseManager, options: dict[str, Any], metric: str
) -> None:
    docs = await db.create_collection("built", dimension=DIMENSION, metric=metric, store_options=options)
    rows = vectors(400)
    await fill(docs, rows)
    client = MilvusClient(uri=str(db.config.url))
    client.flush("built")
    client.close()
    await check_answers(docs, rows, exact=True)
    await check_answers(docs, rows, exact=False)
    answer = await docs.search(vector=vectors(1)[0], top_k=3)
    assert answer.exact is (options["index_type"] == "FLAT")
    await db.drop_collection("built")


async def test_rows_in_partitions_are_found_in_their_scope_only(db: VectorDatabaseManager) -> None:
    docs = await db.create_collection("by-scope", dimension=DIMENSION, store_options={"partitions": 16})
    await fill(docs, vectors(20))
    await fill(docs, vectors(20, seed=3), scope=OTHER)
    assert await docs.update_metadata(ids=["r3"], set={"even": True}, scope=OTHER) == 1
    assert (await docs.get(["r3"]))[0].metadata == {"even": False}
    assert (await docs.get(["r3"], scope=OTHER))[0].metadata == {"even": True}
    await db.drop_collection("by-scope")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"index_type": "hnsw"}, "'index_type' of milvus is one of FLAT, HNSW, .*AUTOINDEX, not 'hnsw'"),
        ({"index_type": "FLAT", "m": 8}, "'m' of milvus belongs to index_type='HNSW'"),
        ({"index_typ": "FLAT"}, "no store option 'index_typ'; did you mean 'index_type'"),
        (
            {"index_type": "DISKANN"},
            r"index_type='DISKANN' \(allowed: FLAT, HNSW, IVF_FLAT, IVF_SQ8, AUTOINDEX\): the server is Milvus Lite",
        ),
        ({"index_type": "IVF_RABITQ", "nlist": 16}, r"index_type='IVF_RABITQ' \(allowed: FLAT, HNSW"),
        ({"shards": 2}, r"shards=2 \(allowed: 1\)"),
        ({"replicas": 2}, r"replicas=2 \(allowed: 1\)"),
        ({"mmap": True}, r"mmap=True \(allowed: False\)"),
        ({"consistency": "Bounded"}, r"consistency='Bounded' \(allowed: Strong\)"),
        ({"partitions": 64}, r"partitions=64 \(allowed: 16\)"),
        ({"provider": "qdrant", "m": 8}, "the store is milvus, and store_options are those of qdrant"),
    ],
    ids=name_of,
)
async def test_what_does_not_fit_is_refused(db: VectorDatabaseManager, options: dict[str, Any], message: str) -> None:
    await check_refused(db, options, message=message)


def test_what_a_server_is_told() -> None:
    from vpa.stores.milvus import options

    full = MilvusOptions(index_type="IVF_RABITQ", nlist=64, shards=2, replicas=2, mmap=True, consistency="Bounded")
    assert options.index_parameters(full, lite=False) == {
        "index_type": "IVF_RABITQ",
        "params": {"nlist": 64, "refine": True, "refine_type": "SQ8"},
    }
    assert options.creation_arguments(full) == {"consistency_level": "Bounded", "num_shards": 2}
    assert options.properties(full) == {"mmap.enabled": "true"}
    assert options.index_parameters(MilvusOptions(index_type="DISKANN"), lite=False) == {
        "index_type": "DISKANN",
        "params": {},
    }
    described = {
        "num_shards": 2,
        "num_partitions": 8,
        "consistency_level_name": "Bounded",
        "properties": {"mmap.enabled": "True"},
        "fields": [{"name": "scope", "is_partition_key": True}],
    }
    settings = options.settings_of(described, {"index_type": "IVF_RABITQ", "nlist": "64"}, 2)
    assert full.unmet(settings) == {}
    assert MilvusOptions(partitions=16).unmet(settings) == {"partitions": 8}
