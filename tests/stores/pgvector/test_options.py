"""Store options on PostgreSQL itself: indexes and what they are over, partitions, tables without a log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from deployments import RunningStores
from stores.option_cases import (
    DIMENSION,
    check_answers,
    check_options,
    check_refused,
    distances,
    fill,
    settings_of,
    vectors,
)
from vpa.client.manager import VectorDatabaseManager

HNSW = {"index": "hnsw", "index_over": "vector", "m": 16, "ef_construction": 64, "index_valid": True}


@pytest.fixture
async def db(stores: RunningStores) -> AsyncIterator[VectorDatabaseManager]:
    async with VectorDatabaseManager(stores.config("pgvector")) as manager:
        yield manager


@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ({"index": "none"}, {"index": "none", "partitions": 0, "unlogged": False}),
        ({"index": "hnsw"}, HNSW),
        ({"index": "hnsw", "m": 70}, HNSW | {"m": 70, "ef_construction": 140}),
        ({"index": "hnsw", "m": 8, "ef_construction": 40}, HNSW | {"m": 8, "ef_construction": 40}),
        ({"index": "hnsw", "index_over": "halfvec"}, HNSW | {"index_over": "halfvec"}),
        ({"index": "hnsw", "index_over": "bit"}, HNSW | {"index_over": "bit"}),
        ({"index": "hnsw", "build_workers": 0}, HNSW),
        ({"index": "hnsw", "build_memory_mb": 64}, HNSW),
        ({"index": "ivfflat", "lists": 3}, {"index": "none"}),
        ({"index": "ivfflat", "index_over": "bit"}, {"index": "none"}),
        ({"partitions": 4}, {"index": "none", "partitions": 4}),
        ({"index": "hnsw", "partitions": 3}, HNSW | {"partitions": 3}),
        ({"index": "ivfflat", "index_over": "halfvec", "partitions": 2}, {"partitions": 2}),
        ({"unlogged": True}, {"unlogged": True}),
        ({"unlogged": True, "partitions": 2, "index": "hnsw"}, HNSW | {"unlogged": True, "partitions": 2}),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else str(value),
)
async def test_options_are_taken_and_searches_mean_the_same(
    db: VectorDatabaseManager, options: dict[str, Any], settings: dict[str, Any], metric: str
) -> None:
    await check_options(db, options, settings=settings, metric=metric)


@pytest.mark.parametrize(
    ("options", "dimension", "message"),
    [
        ({"index": "hnsw", "m": 101}, 8, r"'m' of pgvector is an integer from 2 to 100, not 101"),
        ({"index": "hnsw", "m": 30, "ef_construction": 40}, 8, r"'ef_construction' of pgvector is at least twice m"),
        ({"index": "ivfflat", "m": 8}, 8, r"'m' of pgvector belongs to index='hnsw'"),
        ({"index": "hsnw"}, 8, r"'index' of pgvector is one of none, hnsw, ivfflat, not 'hsnw'"),
        ({"index": "HNSW"}, 8, r"'index' of pgvector is one of none, hnsw, ivfflat, not 'HNSW'; did you mean 'hnsw'\?"),
        ({"index": "hnsw", "M": 8}, 8, r"no store option 'M'; did you mean 'm'\? known: "),
        ({"indx": "hnsw"}, 8, r"no store option 'indx'; did you mean 'index'\? known: index, index_over"),
        ({"shard_number": 2}, 8, r"no store option 'shard_number'; known: index, .*build_workers"),
        ({"provider": "qdrant", "m": 8}, 8, r"the store is pgvector, and store_options are those of qdrant"),
        ({"index": "hnsw"}, 4001, r"index='hnsw': .*over vector or halfvec does not hold 4001 .*: bit"),
        ({"index": "hnsw", "index_over": "vector"}, 2001, r"index_over='vector': .*collection: halfvec, bit"),
    ],
)
async def test_what_does_not_fit_is_refused_with_what_does(
    db: VectorDatabaseManager, options: dict[str, Any], dimension: int, message: str
) -> None:
    await check_refused(db, options, message=message, dimension=dimension)


async def test_the_connections_index_is_the_default_and_the_collections_own_option_wins(stores: RunningStores) -> None:
    async with VectorDatabaseManager(stores.config("pgvector with hnsw")) as db:
        await db.create_collection("by-default", dimension=4)
        plain = await db.create_collection("by-option", dimension=4, store_options={"index": "none"})
        assert (await settings_of(db, "by-default"))["index"] == "hnsw"
        await plain.optimize()
        assert (await settings_of(db, "by-option"))["index"] == "none"
        assert (await plain.search(vector=[1, 0, 0, 0])).exact
        for name in ("by-default", "by-option"):
            await db.drop_collection(name)


async def test_ivfflat_takes_its_lists_from_the_rows_when_they_are_there(db: VectorDatabaseManager) -> None:
    rows = vectors(2500)
    docs = await db.create_collection("inverted", dimension=DIMENSION, store_options={"index": "ivfflat"})
    await fill(docs, rows[:1200])
    await db._store.indexed(docs.info)  # type: ignore[union-attr]
    settings = await settings_of(db, "inverted")
    assert (settings["index"], settings["lists"]) == ("ivfflat", 1)
    await fill(docs, rows)
    await db._store.indexed(docs.info)  # type: ignore[union-attr]
    assert (await settings_of(db, "inverted"))["lists"] == 2
    found = await docs.search(vector=rows[7])
    assert (found.ids[0], found.exact) == ("r7", False)
    await db.drop_collection("inverted")


async def test_an_unlogged_table_is_logged_after_optimize_and_its_index_is_there(db: VectorDatabaseManager) -> None:
    for options in ({"unlogged": True, "index": "hnsw"}, {"unlogged": True, "partitions": 3, "index": "ivfflat"}):
        docs = await db.create_collection("loading", dimension=DIMENSION, store_options=options)
        await fill(docs, vectors(50))
        assert (await settings_of(db, "loading"))["unlogged"] is True
        await docs.optimize()
        settings = await settings_of(db, "loading")
        assert (settings["unlogged"], settings["index"]) == (False, options["index"])
        await check_answers(docs, vectors(50), exact=False)
        await docs.optimize()
        await db.drop_collection("loading")


async def test_partitions_of_two_collections_do_not_meet(db: VectorDatabaseManager) -> None:
    names = ["parts", "parts-0", "parts_0"]
    for name in names:
        await db.create_collection(name, dimension=4, store_options={"partitions": 2})
    assert set(names) <= set(await db.list_collections())
    for name in names:
        await db.drop_collection(name)


async def test_signs_alone_do_not_decide(db: VectorDatabaseManager) -> None:
    rows = np.abs(vectors(300))  # All signs are equal: only the vectors themselves say which is nearer.
    docs = await db.create_collection(
        "signs", dimension=DIMENSION, store_options={"index": "hnsw", "index_over": "bit"}
    )
    await fill(docs, rows)
    query = np.abs(vectors(1, seed=15)[0])
    expected = np.argsort(distances(rows, query, "cosine"))[:10]
    assert (await docs.search(vector=query, top_k=10)).ids == [f"r{n}" for n in expected]
    await db.drop_collection("signs")
