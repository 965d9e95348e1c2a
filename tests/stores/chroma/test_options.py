"""Store options on Chroma's own server and on its engine in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from deployments import RunningStores
from stores.option_cases import check_options, check_refused, settings_of
from vpa.base.errors import ConfigurationError
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.options import ChromaOptions


@pytest.fixture(params=["chromadb server", "chromadb in process"])
async def db(request: pytest.FixtureRequest, stores: RunningStores) -> AsyncIterator[VectorDatabaseManager]:
    async with VectorDatabaseManager(stores.config(request.param)) as manager:
        yield manager


def name_of(value: Any) -> str:
    return "-".join(map(str, value.values())) if isinstance(value, dict) else str(value)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize(
    "options",
    [
        {"index_type": "hnsw"},
        {"max_neighbors": 8, "ef_construction": 50, "ef_search": 120, "sync_threshold": 500},
        {"max_neighbors": 16, "ef_search": 100},
    ],
    ids=name_of,
)
async def test_options_are_taken_and_searches_mean_the_same(
    db: VectorDatabaseManager, options: dict[str, Any], metric: str
) -> None:
    default = {"index_type": "hnsw", "ef_construction": 200, "max_neighbors": 32, "ef_search": 200}
    await check_options(db, options, settings=default | options, metric=metric, may_miss=True)


async def test_a_server_of_one_node_that_passes_over_spann_is_caught(db: VectorDatabaseManager) -> None:
    # Chroma 1.5.9 answers 200 and makes an HNSW graph with its defaults.
    await check_refused(
        db,
        {"index_type": "spann", "search_nprobe": 64},
        message=r"index_type='spann' \(allowed: 'hnsw'\): this server made the collection with index_type='hnsw'",
    )
    await db.create_collection("plain", dimension=2)
    assert (await settings_of(db, "plain"))["index_type"] == "hnsw"
    await db.drop_collection("plain")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        # A graph without neighbours ends the process of Chroma 1.5.9 at the first write.
        ({"max_neighbors": 0}, "'max_neighbors' of chromadb is an integer from 2 to 1024, not 0"),
        ({"search_nprobe": 8}, "'search_nprobe' of chromadb belongs to index_type='spann'"),
        ({"index_type": "spann", "sync_threshold": 100}, "'sync_threshold' of chromadb belongs to index_type='hnsw'"),
        ({"index_type": "spann", "ef_search": 201}, "'ef_search' of chromadb is at most 200 with index_type='spann'"),
        ({"m": 8}, "no store option 'm'; .*known: index_type, max_neighbors"),
    ],
    ids=name_of,
)
def test_what_does_not_fit_is_refused_before_anything_is_asked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        ChromaOptions.parse(options)
