"""Mistakes with the asynchronous API: both type checkers report every marked line, and no other."""

from __future__ import annotations

import vpa
from vpa import Record


async def verbs(docs: vpa.Collection) -> None:
    await docs.search(vector=[1, 2], topk=3)  # wrong
    await docs.search(vector=[1, 2], top_k="3")  # wrong
    await docs.search(vector=[1, 2], filter="n > 1")  # wrong
    await docs.search(vector=[1, 2], where={"n": 1})  # wrong
    await docs.search(vector=[1, 2], scope="acme")  # wrong
    await docs.search(vector=[1, 2], score_threshold="high")  # wrong
    await docs.upsert(5)  # wrong
    await docs.upsert([Record("a", [1, 2])])  # wrong
    await docs.upsert([Record("a", vector=[1, 2], meta={})])  # wrong
    await docs.upsert([Record("a", vector=[1, 2], text=5)])  # wrong
    await docs.delete(id="a")  # wrong
    await docs.get(5)  # wrong
    await docs.update_metadata(ids=["a"], metadata={"n": 1})  # wrong
    await docs.upser([])  # wrong


async def results(docs: vpa.Collection) -> None:
    first: str = (await docs.count())[0]  # wrong
    for one in await docs.upsert([]):  # wrong
        print(one)
    hits = docs.search(vector=[1, 2])
    print(hits.ids)  # wrong
    found = await docs.search(vector=[1, 2])
    print(found.id)  # wrong
    print(found[0].similarity)  # wrong
    number: int = await docs.get(["a"])  # wrong
    for record in docs.scan():  # wrong
        print(record, first, number)
    await docs.scan()  # wrong
    docs.info.dimension = 5  # wrong
    print((await docs.explain())["missing"])  # wrong


async def connections() -> None:
    with vpa.connect("mock://"):  # wrong
        pass
    vpa.connect("mock://", api="key")  # wrong
    vpa.connect(5)  # wrong
    async with vpa.connect("mock://") as db:
        await db.create_collection("docs", dimension="2")  # wrong
        await db.create_collection("docs", dimension=2, metric="cosin")  # wrong
        db.create_collection("docs", dimension=2).upsert([])  # wrong
        print((await db.health())["speed"])  # wrong
        print(db.is_connected())  # wrong
        vpa.sync.check(await db.collection("docs"))  # wrong
    vpa.create_enhanced_rag_system(embeder=None)  # wrong
