"""What the suites share: how a store is made, the corpus, and the expectations that the evaluator computes."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from vpa.base.metadata import canonical_metadata
from vpa.base.records import Metric, Record
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager
from vpa.filters import FilterLike, as_filter, matches
from vpa.testing.plugin import PROPERTY

DIMENSION = 8


def vector(seed: int, dimension: int = DIMENSION) -> list[float]:
    """A vector that depends on `seed` only."""
    return [float(x) for x in np.random.default_rng(seed).standard_normal(dimension).astype(np.float32)]


def records_of(corpus: Sequence[Mapping[str, Any]]) -> list[Record]:
    """A record for each metadata, `r000`, `r001`, …"""
    return [
        Record(f"r{number:03d}", vector=vector(number), text=f"text {number}", metadata=metadata)
        for number, metadata in enumerate(corpus)
    ]


def _is_case(name: str, case: str) -> bool:
    """Whether a test `name[a-b]` is the case `name`, `name[a-b]`, `name[a]` or `name[b]`."""
    base, _, parameters = case.partition("[")
    wanted = parameters.rstrip("]")
    own, _, given = name.partition("[")
    return own == base and (not wanted or f"-{wanted}-" in f"-{given.rstrip(']')}-")


def expected_ids(corpus: Sequence[Mapping[str, Any]], condition: FilterLike) -> set[str]:
    """Which of `records_of(corpus)` the reference evaluator accepts."""
    node = as_filter(condition)
    return {f"r{n:03d}" for n, metadata in enumerate(corpus) if matches(node, canonical_metadata(metadata))}


@pytest.mark.asyncio
class StoreSuite:
    """Base of all suites. Override `make_manager`, and `store_name` if a provider comes in several forms."""

    store_name: str = ""

    def make_manager(self) -> VectorDatabaseManager:
        """A manager for the store under test, not yet connected; called for every case."""
        raise NotImplementedError("a subclass gives the store under test")

    @pytest.fixture
    async def db(self, request: pytest.FixtureRequest) -> AsyncIterator[VectorDatabaseManager]:
        """A connected manager; collections that a case made are dropped afterwards."""
        manager = self.make_manager()
        async with manager as connected:
            before = set(await connected.list_collections())
            self._prepare(request, connected)
            yield connected
            for name in set(await connected.list_collections()) - before:
                await connected.drop_collection(name)

    def _prepare(self, request: pytest.FixtureRequest, manager: VectorDatabaseManager) -> None:
        store = manager._open_store()
        facts = {
            "store": self.store_name or store.provider,
            "client_version": getattr(store, "client_version", None) or f"numpy {np.__version__}",
        }
        request.node.user_properties.append((PROPERTY, facts))
        name = request.node.name
        for gap in store.capabilities.gaps:
            if _is_case(name, gap.case):
                reason = f"{gap.kind}: {gap.reason}"
                request.applymarker(pytest.mark.xfail(strict=True, raises=gap.raises, reason=reason))

    @pytest.fixture
    def name(self) -> str:
        """A collection name that nobody else uses."""
        return f"t{uuid.uuid4().hex[:12]}"

    @pytest.fixture
    async def docs(self, db: VectorDatabaseManager, name: str) -> Collection:
        """An empty cosine collection."""
        return await db.create_collection(name, dimension=DIMENSION, metric=Metric.COSINE)
