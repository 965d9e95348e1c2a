"""A promised recall on the real stores: it is kept, by the setting that the store itself was given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from deployments import STORES, WEAVIATE_IS_BUILT, scratch_directory
from vpa import Record
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.config import VectorDatabaseConfig

ROWS, DIMENSION, PROMISED = 3000, 32, 0.95
FORMS = [
    "chromadb server",
    "chromadb in process",
    "qdrant engine",
    "pgvector with hnsw",
    "pgvector",
    "milvus lite over gRPC",
    "pinecone, missing fields match negations",
    *(["weaviate server"] if WEAVIATE_IS_BUILT else []),
]


@pytest.fixture(params=FORMS)
def config(request: pytest.FixtureRequest) -> Iterator[VectorDatabaseConfig]:
    with scratch_directory("vpa-promise-") as directory, STORES[request.param](directory) as made:  # type: ignore[attr-defined]
        yield made


def _vectors() -> Any:
    random = np.random.default_rng(3)
    centres = random.standard_normal((60, DIMENSION))
    return centres[random.integers(0, 60, ROWS)] + 0.5 * random.standard_normal((ROWS, DIMENSION))


async def test_it_is_kept_and_stored_with_the_collection(config: VectorDatabaseConfig) -> None:
    vectors = _vectors()
    records = [Record(f"r{n}", vector=vectors[n], metadata={"half": n % 2, "price": n % 100}) for n in range(ROWS)]
    async with VectorDatabaseManager(config) as db:
        docs = await db.create_collection("promised", dimension=DIMENSION, recall=PROMISED)
        await docs.upsert(records)
        await docs.optimize()
        promise = (await db.get_statistics())["collections"]["promised"]["promise"]
        assert promise["kept"], promise
        assert set(promise["measured"]) == {"all", "half", "fifth", "tenth", "twentieth", "few"}
        assert min(promise["measured"].values()) >= PROMISED
        stored = docs.info.calibration
    async with VectorDatabaseManager(config) as db:
        again = await db.collection("promised")
        assert again.info.calibration == stored
        numbers = np.arange(ROWS)
        chosen: dict[Any, Any] = {(): numbers >= 0, ("half", "$eq", 1): numbers % 2 == 1}
        chosen |= {("price", "$gte", bound): numbers % 100 >= bound for bound in (80, 90, 95, 98, 99)}
        units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        for condition, kept in chosen.items():
            node = {condition[0]: {condition[1]: condition[2]}} if condition else None
            shares = []
            for query in vectors[:40] + 0.01:
                nearest = np.argsort(np.where(kept, -(units @ query), np.inf), kind="stable")[:10]
                usual = await again.search(vector=query, filter=node)
                shares.append(len({f"r{n}" for n in nearest} & set(usual.ids)) / 10)
            assert float(np.mean(shares)) >= PROMISED, condition
