"""Keyword search on Milvus Lite: a sparse vector beside the vector, where the collection was made with keywords."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pymilvus import DataType, MilvusClient

from deployments import RunningStores
from stores.word_cases import OTHER, check_changes, check_ranking, check_scopes, check_statistics, found, records, texts
from vpa.base import errors
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.config import VectorDatabaseConfig

IN_PROCESS, SERVER = "milvus lite in process", "milvus lite over gRPC"


@pytest.fixture
async def db(stores: RunningStores) -> AsyncIterator[VectorDatabaseManager]:
    async with VectorDatabaseManager(stores.config(SERVER)) as manager:
        yield manager


def _described(stores: RunningStores, name: str) -> dict[str, Any]:
    client = MilvusClient(stores.config(SERVER).url)
    about: dict[str, Any] = client.describe_collection(name)
    about["indexes"] = client.list_indexes(name)
    client.close()
    return about


async def test_words_follow_what_is_written_changed_and_deleted(db: VectorDatabaseManager) -> None:
    await check_changes(await db.create_collection("changes", dimension=2, metric="dot", keywords="english"))
    await db.drop_collection("changes")


@pytest.mark.parametrize("place", [IN_PROCESS, SERVER])
async def test_answers_are_those_of_the_embedded_engine(stores: RunningStores, tmp_path: Path, place: str) -> None:
    async with (
        VectorDatabaseManager(stores.config(place)) as db,
        VectorDatabaseManager(VectorDatabaseConfig(path=str(tmp_path))) as embedded,
    ):
        how: dict[str, Any] = {"dimension": 2, "metric": "dot", "keywords": "english"}
        docs, same = await db.create_collection("ranked", **how), await embedded.create_collection("ranked", **how)
        await check_ranking(docs, same)
        assert (await docs.search(text="rusty pumps", mode="keyword", top_k=3, exact=True)).exact
        await db.drop_collection("ranked")


@pytest.mark.parametrize("options", [{}, {"partitions": 16}, {"index_type": "HNSW"}, {"index_type": "IVF_SQ8"}])
async def test_scopes_are_apart_with_every_index(db: VectorDatabaseManager, options: dict[str, Any]) -> None:
    how: dict[str, Any] = {"dimension": 2, "metric": "dot", "keywords": "english", "store_options": options}
    docs = await db.create_collection("scopes", **how)
    await check_scopes(docs)
    both = await docs.search([1, 1], text="pump", mode="hybrid", scope=OTHER)
    assert both.ids == ["r1"]
    await db.drop_collection("scopes")


async def test_statistics_of_as_many_terms_as_are_ever_kept_come_back(db: VectorDatabaseManager) -> None:
    docs = await db.create_collection("counted", dimension=2, keywords="english")
    await check_statistics(db, docs)
    await db.drop_collection("counted")


async def test_a_collection_without_keywords_has_no_field_for_them_and_cannot_get_it(
    stores: RunningStores, db: VectorDatabaseManager
) -> None:
    plain = await db.create_collection("plain", dimension=2, metric="dot")
    worded = await db.create_collection("worded", dimension=2, metric="dot", keywords="english")
    assert await _fields(stores, "plain") == (["v"], ["v"])
    assert await _fields(stores, "worded") == (["v", "w"], ["v", "w"])
    with pytest.raises(errors.ConfigurationError, match=r"made without .* with keywords= and copy .*vpa migrate"):
        await plain.create_keyword_index("english")
    # A search for words says the same: what it would advise elsewhere does not help here.
    with pytest.raises(errors.ConfigurationError, match=r"vpa migrate … --keywords english"):
        await plain.search(text="pump", mode="keyword")
    await plain.upsert(records(["a pump"]))
    assert (await plain.search(vector=[1, 0])).ids == ["r0"]
    await worded.upsert(records(["die Pumpen"]))
    await worded.create_keyword_index("german")
    assert await found(worded, "Pumpe") == ["r0"]
    await db.drop_collection("plain")
    await db.drop_collection("worded")


async def _fields(stores: RunningStores, name: str) -> tuple[list[str], list[str]]:
    about = _described(stores, name)
    kinds = (DataType.FLOAT_VECTOR, DataType.SPARSE_FLOAT_VECTOR)
    return [one["name"] for one in about["fields"] if one["type"] in kinds], sorted(about["indexes"])


async def test_what_lites_memory_holds_is_put_in_order_before_words_are_searched(
    db: VectorDatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = await db.create_collection("memory", dimension=2, metric="dot", keywords="english")
    client, flushed = db._store.driver._client, 0  # type: ignore[union-attr]
    flush = client.flush

    async def counted(name: str) -> None:
        nonlocal flushed
        flushed += 1
        await flush(name)

    monkeypatch.setattr(client, "flush", counted)
    seen = []
    # What was there before this manager is not known; then from 200 rows on.
    for count in (10, 150, 60, 0):
        await docs.upsert(records(texts(count)))
        assert await found(docs, "fan")
        seen.append(flushed)
    assert seen == [1, 1, 2, 2]
    await db.drop_collection("memory")
