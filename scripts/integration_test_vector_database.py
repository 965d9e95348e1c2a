"""Integration test of a store, end to end: writes vpa_integration_test_report.json and prints a table.

    python scripts/integration_test_vector_database.py [--provider mock] [--url URL] [--report FILE]

Exit status 1 if a step failed. The schema of the report is in docs/reports.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np

import vpa
from vpa import F, Record, Scope
from vpa.base.errors import VectorDatabaseError
from vpa.config.deployment_config import get_config
from vpa.core.enhanced_rag import create_enhanced_rag_system
from vpa.core.vector_database import VectorDatabaseManager, create_vector_database_manager
from vpa.stores.config import provider_name

DIMENSION, COUNT = 32, 500


def check(condition: bool, what: str) -> None:
    """Raise with words if something is not as it must be."""
    if not condition:
        raise AssertionError(what)


class Integration:
    """The steps, in order; each one stands on those before it."""

    def __init__(self, manager: VectorDatabaseManager) -> None:
        self.manager = manager
        self.name = f"it{uuid.uuid4().hex[:10]}"
        rng = np.random.default_rng(0)
        self.vectors = rng.standard_normal((COUNT, DIMENSION)).astype(np.float32)

    def steps(self) -> list[tuple[str, Callable[[], Awaitable[str]]]]:
        """Name and coroutine of each step."""
        return [
            ("connect", self.connect),
            ("create collection", self.create),
            ("upsert", self.upsert),
            ("round trip", self.round_trip),
            ("search", self.search),
            ("filters", self.filters),
            ("update", self.update),
            ("scopes", self.scopes),
            ("bad input", self.bad_input),
            ("delete", self.delete),
            ("documents", self.documents),
            ("drop and close", self.close),
        ]

    async def connect(self) -> str:
        await self.manager.connect()
        health = await self.manager.health()
        check(health["healthy"], f"not healthy: {health}")
        return f"healthy in {health['latency_s'] * 1000:.2f} ms"

    async def create(self) -> str:
        self.docs = await self.manager.create_collection(self.name, dimension=DIMENSION)
        check(self.name in await self.manager.list_collections(), "the new collection is not listed")
        return self.name

    async def upsert(self) -> str:
        records = [
            Record(
                f"r{n:03d}",
                vector=self.vectors[n],
                text=f"text {n}",
                metadata={"n": n, "half": n / 2, "tags": ["a", "bc"[n % 2]]},
            )
            for n in range(COUNT)
        ]
        check(await self.docs.upsert(records) == COUNT, "not all were written")
        check(await self.docs.count() == COUNT, "not all are counted")
        return f"{COUNT} records"

    async def round_trip(self) -> str:
        odd = {
            "text": "t",
            "ключ": "naïve 😀",
            "big": 2**53 + 1,
            "float": 2.0,
            "none": None,
            "empty": [],
            "deep": {"a": {"b": [1]}},
        }
        await self.docs.upsert([Record("odd", vector=self.vectors[0], text="line\nbreak", metadata=odd)])
        [got] = await self.docs.get(["odd"])
        check(repr(dict(got.metadata)) == repr(odd), f"metadata changed: {got.metadata}")
        check(got.text == "line\nbreak", "text changed")
        await self.docs.delete(ids=["odd"])
        return "keys, values and types came back"

    async def search(self) -> str:
        unit = self.vectors / np.linalg.norm(self.vectors, axis=1, keepdims=True)
        for number in range(20):
            found = await self.docs.search(vector=self.vectors[number], top_k=10, exact=True)
            scores = unit @ unit[number]
            best = [f"r{n:03d}" for n in np.argsort(-scores)[:10]]
            check(found.ids == best, f"query {number}: {found.ids} instead of {best}")
            check(abs(found[0].score - 1) < 1e-4, f"score of itself is {found[0].score}")
        return "20 queries agree with NumPy"

    async def filters(self) -> str:
        cases = [
            ((F("n") >= 100) & (F("n") < 110), 10),
            ({"tags": {"$contains": "b"}}, COUNT // 2),
            ({"n": {"$in": [1, 2, 9999]}}, 2),
            ({"none": None}, COUNT),
            ({"half": {"$lte": 1.0}}, 3),
            (~(F("n") > 3), 4),
        ]
        for given, expected in cases:
            check(
                await self.docs.count(filter=given) == expected,
                f"{given}: {await self.docs.count(filter=given)} != {expected}",
            )
            found = await self.docs.search(vector=self.vectors[0], top_k=COUNT, filter=given, exact=True)
            check(len(found) == expected, f"{given}: search finds {len(found)}, not {expected}")
        return f"{len(cases)} filters"

    async def update(self) -> str:
        check(
            await self.docs.update_metadata(filter=F("n") < 5, set={"flag": True}, remove=["half"]) == 5, "update count"
        )
        check(await self.docs.count(filter={"flag": True, "half": None}) == 5, "update not seen")
        return "5 records"

    async def scopes(self) -> str:
        other = Scope("integration", "test")
        await self.docs.upsert([Record("r000", vector=self.vectors[1], metadata={"other": True})], scope=other)
        check(await self.docs.count(scope=other) == 1, "scope holds more than its own")
        check(await self.docs.delete(filter={}, allow_all=True, scope=other) == 1, "delete in a scope")
        check(await self.docs.count() == COUNT, "a delete left its scope")
        return "isolated"

    async def bad_input(self) -> str:
        bad = [
            Record("", vector=self.vectors[0]),
            Record("x", vector=[1.0]),
            Record("x", vector=self.vectors[0], metadata={"$k": 1}),
        ]
        for record in bad:
            try:
                await self.docs.upsert([record])
            except VectorDatabaseError:
                continue
            raise AssertionError(f"accepted: {record}")
        check(await self.docs.count() == COUNT, "bad input changed something")
        return f"{len(bad)} refused"

    async def delete(self) -> str:
        check(await self.docs.delete(ids=["r000", "nope"]) == 1, "delete by id")
        check(await self.docs.delete(filter=F("n") >= 250) == 250, "delete by filter")
        check(len([record async for record in self.docs.scan(batch_size=50)]) == 249, "scan after delete")
        return "by id and by filter"

    async def documents(self) -> str:
        config = get_config()
        config.embedding_model = "hashing"
        shared = VectorDatabaseManager(
            vpa.VectorDatabaseConfig(provider=self.manager.config.provider, index_name=f"{self.name}-rag"),
            store=self.manager._store,
        )
        async with create_enhanced_rag_system(config, manager=shared) as rag:
            await rag.add_document(document_id="d", title="Integration", content="knowledge " * 400, metadata={"k": 1})
            results = await rag.search_knowledge("knowledge", user_id="test", filters={"k": 1})
            check(len(results) > 1, "a long document has several chunks")
            check((await rag.get_document("d")).content == "knowledge " * 400, "the document is not rebuilt")
            check(await rag.delete_document("d"), "the document is not deleted")
            await shared.drop_collection(f"{self.name}-rag")
        return f"{len(results)} results"

    async def close(self) -> str:
        await self.manager.drop_collection(self.name)
        await self.manager.close()
        return "nothing left"


async def run(manager: VectorDatabaseManager) -> list[dict[str, Any]]:
    """Every step; after a failure the rest is skipped."""
    results: list[dict[str, Any]] = []
    failed = False
    for name, step in Integration(manager).steps():
        started = time.perf_counter()
        try:
            status, detail = ("skipped", "a step before it failed") if failed else ("passed", await step())
        except Exception as error:  # noqa: BLE001 (every failure is a row of the report)
            status, detail, failed = "failed", f"{type(error).__name__}: {error}", True
        results.append(
            {"name": name, "status": status, "detail": detail, "seconds": round(time.perf_counter() - started, 6)}
        )
    await manager.close()
    return results


def main() -> int:
    """Run, print, write; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--provider", default="mock", help="which store (default mock: durable, in a temporary directory)"
    )
    parser.add_argument("--url", help="where it is; settings come from VPA_* otherwise")
    parser.add_argument("--report", default="vpa_integration_test_report.json")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        try:
            provider = provider_name(args.provider)
            if args.url:
                manager = vpa.connect(args.url)
            elif provider == "mock":
                manager = vpa.connect(f"embedded://{directory}")
            else:
                config = get_config()
                config.vector_db_provider = provider
                manager = create_vector_database_manager(config)
        except VectorDatabaseError as error:
            sys.exit(f"integration test: {error}")
        results = asyncio.run(run(manager))
    counts = {status: sum(one["status"] == status for one in results) for status in ("passed", "failed", "skipped")}
    report = {
        "format": 1,
        "vpa": vpa.__version__,
        "provider": provider,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **counts,
        "steps": results,
    }
    Path(args.report).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8")
    for one in results:
        print(f"{one['status']:8} {one['name']:18} {one['seconds'] * 1000:9.1f} ms  {one['detail']}")
    print(f"\n{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped; report: {args.report}")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
