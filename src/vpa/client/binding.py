"""What the verbs need to reach one collection: its info, its store, the pipeline, and a counter of writes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from vpa.base.clock import Clock
from vpa.base.records import CollectionInfo
from vpa.client.policy.pipeline import Call, Pipeline
from vpa.client.promise import Promise
from vpa.kit.tally import note_began, one_write
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
    promise: Promise | None = None

    def note_promise(self, *, is_new: bool) -> None:
        """Keep the recall that the collection promises, where its store has an index of its own.

        One that was never measured soon is, unless it was made just now. The embedded engine keeps its promises by
        itself.
        """
        if self.promise is None and self.info.recall is not None and not self.store.capabilities.index_options:
            self.promise = Promise(self, self.info.recall)
            if not is_new and self.info.calibration is None:
                self.promise.begin()

    @property
    def awaits_measure(self) -> bool:
        """Whether the collection promises a recall that its store was not measured for yet: searches are exact till
        then.
        """
        return self.info.awaits_measure and self.store.is_approximate(self.info) and bool(self.store.efforts(self.info))

    @contextmanager
    def writing(self) -> Iterator[Callable[[int], None]]:
        """While records are written; yields what to tell how many they were."""
        with one_write() as tally:
            if self.promise is None:
                yield tally.settle
                return
            with self.promise.writing():
                note = self.promise.note

                def settle(written: int) -> None:
                    tally.settle(written)
                    note(written)

                yield settle

    async def run(self, request: Request, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work`, which answers `request`, through the pipeline."""
        call = Call(request, self.store.provider, self.info.name)
        if not request.writes:
            return await self.pipeline.run(call, work)
        note_began()
        try:
            return await self.pipeline.run(call, work)
        finally:
            self.generation += 1
