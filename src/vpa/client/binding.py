"""What the verbs need to reach one collection: its info, its store, the pipeline, and a counter of writes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TypeVar

from vpa.base.clock import Clock
from vpa.base.errors import CollectionNotFoundError
from vpa.base.records import CollectionInfo
from vpa.client.census import Census
from vpa.client.policy.pipeline import Call, Pipeline
from vpa.client.promise import Promise
from vpa.client.unknown import Noted
from vpa.embeddings.batched import OpenedModel
from vpa.kit.tally import note_began, one_write
from vpa.stores.contract import LOOKS_EVERY_S, VectorStore
from vpa.stores.requests import DescribeCollection, Request

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
    census: Census | None = None
    described_at: float = -math.inf
    # The collection was dropped by this manager, or another one has taken its name.
    is_over: bool = False
    noted: Noted = field(default_factory=Noted)
    # The one that was opened last, for handles that were given none.
    model: OpenedModel | None = None
    # Held while a model is noted with the collection: of two at once the second finds the first's.
    adopting: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def open(self, info: CollectionInfo, *, is_new: bool) -> None:
        """Take over a description of the same collection that was read, or written, just now."""
        if self.promise is not None and self.promise.promised != info.recall:
            await self.rest()
        if self.census is None and not self.store.words_are_counted:
            self.census = Census(self)
        self.info, self.described_at = info, self.clock.monotonic()
        self.note_promise(is_new=is_new)

    async def succeeded_by(self, info: CollectionInfo) -> Binding:
        """That of a collection which was made under the same name. Handles of the old one keep the old one's.

        It goes on counting, so that no cache serves what was dropped.
        """
        await self.rest()
        self.is_over = True
        self.generation += 1
        return Binding(info, self.store, self.pipeline, self.clock, generation=self.generation)

    def note_words(self, present: CollectionInfo) -> None:
        """Take up a keyword index, and statistics of its words, that another process made."""
        known = self.info
        if not present.is_same_collection(known) or (present.keywords, present.words) == (known.keywords, known.words):
            return
        mine, theirs = known.words, present.words
        # What was counted here, and could not be kept with the collection, stays until somebody counts again.
        is_own = self.census is not None and mine is not None and self.census.unsaved is mine
        is_newer = is_own and mine is not None and theirs is not None and mine.version > theirs.version
        if not is_newer or present.keywords != known.keywords:
            self.info = replace(known, keywords=present.keywords, words=theirs)

    async def rest(self) -> None:
        """End what is measured and counted in the background."""
        promise, self.promise = self.promise, None
        if promise is not None:
            await promise.close()
        census, self.census = self.census, None
        if census is not None:
            await census.close()

    def doubt(self) -> None:
        """Have the next call on a remote store ask whether the collection is still there."""
        self.described_at = -math.inf

    async def check_identity(self) -> None:
        """Ask a remote store now and then whether the collection is still the one that was opened.

        Raises CollectionNotFoundError. Calls that come while one asks do not wait for it: they count on the last
        description a moment longer, so nothing waits in turn where the store is slow.
        """
        now, before = self.clock.monotonic(), self.described_at
        if self.store.is_local or now - before < LOOKS_EVERY_S:
            return
        info, self.described_at = self.info, now
        try:
            call = Call(DescribeCollection(info.name), self.store.provider, info.name)
            present = await self.pipeline.run(call, lambda: self.store.describe_collection(info.name))
            # What was opened again meanwhile is not judged by what was asked before.
            if self.info.is_same_collection(info) and (present is None or not present.is_same_collection(info)):
                raise self._gone(present)
            if present is not None:
                self.note_words(present)
        except BaseException:
            # Asked again with the next call: it must not count on a description that was not read.
            self.described_at = min(self.described_at, before)
            raise

    def _gone(self, present: CollectionInfo | None) -> CollectionNotFoundError:
        name, provider = self.info.name, self.store.provider
        if present is not None:
            error = CollectionNotFoundError.made_anew(name)
        else:
            error = CollectionNotFoundError(f"no collection {name!r}: it was dropped", collection=name)
        error.provider = provider
        return error

    def note_promise(self, *, is_new: bool) -> None:
        """Keep the recall that the collection promises, where its store has an index of its own.

        One that was never measured, or has grown meanwhile, soon is, unless it was made just now. The embedded engine
        keeps its promises by itself.
        """
        if self.promise is None and self.info.recall is not None and not self.store.capabilities.index_options:
            self.promise = Promise(self, self.info.recall)
            # Where searches are exact there is nothing to find out.
            if not is_new and (self.info.calibration is None or self.store.efforts(self.info)):
                self.promise.look()

    @property
    def awaits_measure(self) -> bool:
        """Whether the collection promises a recall that its store was not measured for yet, or when it was a small part
        of what it is: searches are exact till then.
        """
        awaits = self.info.awaits_measure or (self.promise is not None and self.promise.is_outgrown)
        return awaits and self.store.is_approximate(self.info) and bool(self.store.efforts(self.info))

    @contextmanager
    def writing(self, count: int) -> Iterator[Callable[[int], None]]:
        """While `count` records are written; yields what to tell how many were. Of those that failed, some may be."""
        promise = self.promise
        with one_write() as tally, nullcontext() if promise is None else promise.writing():
            try:
                yield tally.settle
            finally:
                if promise is not None:
                    promise.note(count)
                if self.census is not None:
                    self.census.note(count)

    async def run(self, request: Request, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work`, which answers `request`, through the pipeline."""
        await self.check_identity()
        call = Call(request, self.store.provider, self.info.name)
        if not request.writes:
            return await self.pipeline.run(call, work)
        note_began()
        try:
            return await self.pipeline.run(call, work)
        finally:
            self.generation += 1
