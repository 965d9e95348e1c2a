"""What users write: both type checkers accept every line."""

from __future__ import annotations

import numpy as np

import vpa
from vpa import F, Record, RecordBatch, Scope, sync


async def asynchronous() -> None:
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=2, metric="dot", index={"quantization": "int4"})
        written: int = await docs.upsert([Record("a", vector=[1, 2], metadata={"n": 1})])
        await docs.upsert(RecordBatch(ids=["b"], vectors=np.ones((1, 2), np.float32)), scope=Scope(tenant="acme"))
        hits = await docs.search(vector=np.asarray([1.0, 1.0]), top_k=1, filter=F("n") >= written)
        first: str = hits[0].id
        score: float = hits[0].score
        print(first, score, hits.ids, [match.metadata for match in hits])
        async for record in docs.scan(scope=vpa.ALL_SCOPES):
            print(record.id, record.vector)
        health = await db.health()
        healthy: bool = health["healthy"]
        explained = await docs.explain({"n": 1})
        complete: bool = explained["complete"]
        verbs = (await db.get_statistics())["verbs"]
        print(healthy, complete, verbs["search"]["p95_s"], health.get("latency_s"))
        report = await vpa.check_recall(docs, sample=10)
        print(report.recall, await docs.distinct("n"), await docs.fields())


async def documents() -> None:
    async with vpa.create_enhanced_rag_system() as rag:
        await rag.add_document(document_id="a", content="some words")
        for result in await rag.search_knowledge("words", top_k=3, group_by="document"):
            print(result.document_id, result.score, result.content)


def embed(texts: list[str]) -> list[list[float]]:
    return [[float(len(text)), 1.0] for text in texts]


def synchronous() -> None:
    with sync.connect("mock://") as db:
        docs: sync.Collection = db.create_collection("docs", dimension=2)
        written: int = docs.upsert(record for record in docs.scan())
        ids: list[str] = docs.search(vector=[1, 1]).ids
        for batch in docs.scan_batches(batch_size=10):
            print(len(batch), written, ids)
        copied: int = sync.migrate(db, db, collection="docs", to_collection="copy").copied
        print(copied, sync.check(docs).ok, sync.verify(docs, docs).ok, db.health()["provider"])
    with sync.create_enhanced_rag_system(embedder=embed) as rag:
        rag.add_documents([{"document_id": "a", "content": "b"}], progress=lambda report: print(report.documents))
        print(rag.manager.count(), [one.title for one in rag.list_documents()])
