"""Mistakes with `vpa.sync`: both type checkers report every marked line, and no other."""

from __future__ import annotations

import vpa
from vpa import sync


async def confused() -> None:
    async with sync.connect("mock://"):  # wrong
        pass
    with sync.connect("mock://") as db:
        await db.list_collections()  # wrong
        docs = db.create_collection("docs", dimension=2)
        await docs.count()  # wrong
        async for record in docs.scan():  # wrong
            print(record)
        await vpa.check(docs)  # wrong
        other: vpa.Collection = docs  # wrong
        print(other)


def called() -> None:
    sync.connect("mock://", dim=2)  # wrong
    db = sync.connect("mock://")
    db.collection("docs", 2)  # wrong
    docs = db.collection("docs")
    docs.search(vector=[1, 2], k=3)  # wrong
    print(docs.count().ids)  # wrong
    names: list[int] = db.list_collections()  # wrong
    sync.migrate(db, "qdrant://localhost", collection="docs")  # wrong
    sync.nothing()  # wrong
    print(names, db.health()["speed"])  # wrong
    with sync.create_enhanced_rag_system() as rag:
        rag.search_knowledge("words", limit=3)  # wrong
        rag.add_documents([], progress=5)  # wrong
        rag.add_document("a", "content")  # wrong
