"""What the verbs need to reach one collection: its info, its store, the pipeline, and a counter of writes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from vpa.base.clock import Clock
from vpa.base.records import CollectionInfo
from vpa.client.policy.pipeline import Call, Pipeline
from vpa.stores.contract import VectorStore
from vpa.stores.requests import Request

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Binding:
    """One per collection and manager. `generation` rises with every write, finished or failed: caches key on it."""

    info: CollectionInfo
    store: VectorStore
    pipeline: Pipeline
    clock: Clock
    generation: int = 0
    gauges: dict[str, float] = field(default_factory=dict)

    async def run(self, request: Request, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work`, which answers `request`, through the pipeline."""
        call = Call(request, self.store.provider, self.info.name)
        if not request.writes:
            return await self.pipeline.run(call, work)
        try:
            return await self.pipeline.run(call, work)
        finally:
            self.generation += 1
