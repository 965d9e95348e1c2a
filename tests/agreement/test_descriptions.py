"""Two processes that change the description of one collection at once: neither change is lost."""

from __future__ import annotations

import asyncio

import pytest

from deployments import STORES, RunningStores
from vpa.base.calibration import Calibration
from vpa.base.records import EmbeddingIdentity
from vpa.client.manager import VectorDatabaseManager

SERVERS = [name for name in STORES if name not in ("mock", "qdrant local mode") and "in process" not in name]


@pytest.mark.parametrize("form", SERVERS)
async def test_an_embedding_and_a_calibration_that_come_at_once(stores: RunningStores, form: str) -> None:
    config = stores.config(form)
    async with VectorDatabaseManager(config) as first, VectorDatabaseManager(config) as second:
        await first.create_collection("described", dimension=4)
        left, right = first._store, second._store
        assert left is not None
        assert right is not None
        await asyncio.gather(
            left.set_embedding("described", EmbeddingIdentity(name="model-a", dimension=4)),
            right.set_calibration("described", Calibration(effort=200, rows=5, total=5)),
        )
        for store in (left, right):
            found = await store.describe_collection("described")
            assert found is not None
            assert found.embedding is not None
            assert found.calibration is not None
            assert (found.embedding.name, found.calibration.effort) == ("model-a", 200)
        await first.drop_collection("described")
