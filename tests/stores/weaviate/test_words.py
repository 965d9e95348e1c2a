"""Keyword search on Weaviate, the real server and the double with the flaw that the real one has: names of terms in a
property, ranked by its BM25.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from deployments import WEAVIATE_IS_BUILT, RunningStores
from stores.word_cases import OTHER, check_changes, check_ranking, check_scopes, check_statistics, found, records, texts
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.weaviate import ranking
from vpa.stores.weaviate.words import WORDS

SERVERS = [*(["weaviate server"] if WEAVIATE_IS_BUILT else []), "weaviate 1.34"]


@pytest.fixture(params=SERVERS)
async def db(request: pytest.FixtureRequest, stores: RunningStores) -> AsyncIterator[VectorDatabaseManager]:
    async with VectorDatabaseManager(stores.config(request.param)) as manager:
        yield manager


async def _class(db: VectorDatabaseManager, docs: Collection) -> Any:
    return await db._store.driver._collection(docs.info).config.get()  # type: ignore[union-attr]


async def test_words_follow_what_is_written_changed_and_deleted(db: VectorDatabaseManager) -> None:
    await check_changes(await db.create_collection("changes", dimension=2, metric="dot", keywords="english"))
    await db.drop_collection("changes")


async def test_answers_are_those_of_the_embedded_engine(
    db: VectorDatabaseManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with VectorDatabaseManager(VectorDatabaseConfig(path=str(tmp_path))) as embedded:
        how: dict[str, Any] = {"dimension": 2, "metric": "dot", "keywords": "english"}
        docs, same = await db.create_collection("ranked", **how), await embedded.create_collection("ranked", **how)
        await check_ranking(docs, same)
        # As where most records hold some term of the question: what has a rare one is found none the less.
        monkeypatch.setattr(ranking, "_LISTED", 20)
        answer = await docs.search(text="fan motor part7", mode="keyword", top_k=3)
        assert answer.ids == (await same.search(text="fan motor part7", mode="keyword", top_k=3)).ids
        await db.drop_collection("ranked")


async def test_scopes_are_apart(db: VectorDatabaseManager) -> None:
    await check_scopes(await db.create_collection("scopes", dimension=2, metric="dot", keywords="english"))
    await db.drop_collection("scopes")


async def test_statistics_of_as_many_terms_as_are_ever_kept_come_back(db: VectorDatabaseManager) -> None:
    docs = await db.create_collection("counted", dimension=2, keywords="english")
    await check_statistics(db, docs)
    await db.drop_collection("counted")


async def test_a_keyword_index_is_built_over_what_is_there(db: VectorDatabaseManager) -> None:
    docs = await db.create_collection("built", dimension=2, metric="dot")
    await docs.upsert(records(["a pump", None, *texts(30)]))
    await docs.upsert(records(["many pumps"]), scope=OTHER)
    before = await _class(db, docs)
    assert WORDS not in {one.name for one in before.properties}
    assert (before.inverted_index_config.bm25.k1, before.inverted_index_config.bm25.b) == (1.2, 0.75)
    await docs.create_keyword_index("english")
    after = await _class(db, docs)
    assert {one.name for one in after.properties} - {one.name for one in before.properties} == {WORDS}
    assert (after.inverted_index_config.bm25.k1, after.inverted_index_config.bm25.b) == (1.5, 0.75)
    assert await found(docs, "pumps", scope=OTHER) == ["r0"]
    assert (await found(docs, "pump"))[0] == "r0"
    assert (await docs.get(["r0"]))[0].text == "a pump"
    await docs.create_keyword_index("german")
    assert await found(docs, "pumps", scope=OTHER) == ["r0"]
    assert (await docs.search(vector=[1, 0], filter={"n": 0})).ids == ["r0"]
    await db.drop_collection("built")


async def test_classes_without_keywords_are_as_they_were(db: VectorDatabaseManager) -> None:
    docs = await db.create_collection("plain", dimension=2, metric="dot")
    await docs.upsert(records(["a pump"]))
    about = await _class(db, docs)
    assert {one.name for one in about.properties} >= {"vpa_t", "vpa_payload"}
    assert WORDS not in {one.name for one in about.properties}
    assert about.inverted_index_config.bm25.k1 == 1.2
    await db.drop_collection("plain")


@pytest.mark.skipif(not WEAVIATE_IS_BUILT, reason="the real Weaviate is not built here: make weaviate")
@pytest.mark.parametrize("late", [False, True])
async def test_among_tenants_each_has_words_of_its_own(stores: RunningStores, late: bool) -> None:
    async with VectorDatabaseManager(stores.config("weaviate server")) as db:
        how: dict[str, Any] = {"dimension": 2, "metric": "dot", "store_options": {"multi_tenancy": True}}
        docs = await db.create_collection("tenants", **how, keywords=None if late else "english")
        if late:
            await docs.upsert(records(["a pump", "a valve"]), scope=OTHER)
            await docs.create_keyword_index("english")
            assert await found(docs, "valves", scope=OTHER) == ["r1"]
            await docs.delete(ids=["r0", "r1"], scope=OTHER)
        await check_scopes(docs)
        await db.drop_collection("tenants")
