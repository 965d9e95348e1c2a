"""Words in PostgreSQL: an index that is made anew while another manager writes."""

from __future__ import annotations

import asyncio

from deployments import RunningStores
from vpa import Record
from vpa.client.manager import VectorDatabaseManager


async def test_what_is_written_while_the_language_changes_has_words_of_the_new_one(stores: RunningStores) -> None:
    config = stores.config("pgvector")
    async with VectorDatabaseManager(config) as here, VectorDatabaseManager(config) as other:
        docs = await here.create_collection("anew", dimension=2, keywords="english")
        try:
            theirs = await other.collection("anew")
            await theirs.upsert([Record("first", vector=[1, 0], text="viele Pumpen")])
            making = asyncio.create_task(docs.create_keyword_index("german"))
            written = ["first"]
            while not making.done():
                name = f"r{len(written)}"
                await theirs.upsert([Record(name, vector=[1, len(written)], text="viele Pumpen")])
                written.append(name)
                await asyncio.sleep(0.1)
            await making
            assert len(written) > 10
            found = await docs.search(text="Pumpe", mode="keyword", top_k=1000)
            assert sorted(found.ids) == sorted(written)
        finally:
            await here.drop_collection("anew")


async def test_a_table_without_words_gets_a_column_and_an_index(stores: RunningStores) -> None:
    async with VectorDatabaseManager(stores.config("pgvector")) as db:
        docs = await db.create_collection("later", dimension=2)
        try:
            await docs.upsert([Record(f"r{n}", vector=[1, n], text=f"pump {n}") for n in range(2500)])
            await docs.upsert([Record("none", vector=[1, 1])])
            await docs.create_keyword_index("english")
            assert len(await docs.search(text="pumps", mode="keyword", top_k=5000)) == 2500
            database = db._store._database  # type: ignore[union-attr]
            sql = f"SELECT count(*) AS n FROM {database.table('later')} WHERE w IS NULL"
            assert (await database.fetch("count", sql, []))[0]["n"] == 0
            await docs.upsert([Record(f"n{n}", vector=[1, n], text="new valve") for n in range(300)])
            assert len(await docs.search(text="valve", mode="keyword", top_k=1000)) == 300
        finally:
            await db.drop_collection("later")
