"""What the verbs need to reach one collection: its info, its store, the pipeline, and a counter of writes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from vpa.base.clock import Clock
from vpa.base.records import CollectionInfo
from vpa.client.policy.pipeline import Call, Pipeline
from vpa.stores.contract import VectorStore

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

    async def run(self, verb: str, work: Callable[[], Awaitable[T]], *, idempotent: bool = True) -> T:
        """Do `work` through the pipeline."""
        return await self.pipeline.run(Call(verb, self.store.provider, self.info.name, idempotent), work)
