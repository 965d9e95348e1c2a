"""The words of a collection, counted: on stores that keep no word statistics themselves, which keyword scores need."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from typing import Any, Final

from vpa.analysis.analyser import analyser_of
from vpa.analysis.statistics import WordCensus
from vpa.analysis.wording import worded
from vpa.base.errors import CollectionNotFoundError, VectorDatabaseError
from vpa.base.keywords import WordSnapshot
from vpa.base.records import CollectionInfo, RecordBatch
from vpa.base.scope import ALL_SCOPES, AllScopes, Scope
from vpa.client.promise import Bound
from vpa.observe.log import get_logger
from vpa.stores.requests import Count, Scan, SetWords

_log: Final = get_logger("vpa.client")
# Records that are read, at most, of each scope its share: keys within one are drawn by chance, so these stand for the
# rest.
MOST_READ: Final = 100_000
_SCOPES: Final = 100
# So few records are counted while a question waits; more, behind its back.
_AT_ONCE: Final = 5_000
# Of texts whose words are counted before the event loop gets a turn.
_CHARACTERS: Final = 10_000
# What others write is looked for so often.
_LOOKS_AGAIN_S: Final = 300.0
_PAGE: Final = 1_000
# Below so many new records statistics are as good as new.
_LEAST_GROWTH: Final = 20
# Counting in the background waits until nothing was written for so long, but no more than so many times.
_QUIET_S: Final = 2.0
_MOST_WAITS: Final = 60


class Census:
    """Of one collection and manager: one snapshot is taken at a time, and `close` ends it."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._written = 0
        self._looks_at = -math.inf
        # What could not be kept with the collection.
        self.unsaved: WordSnapshot | None = None

    def note(self, written: int) -> None:
        """So many records were written."""
        self._written += written
        words = self._bound.info.words
        if words is not None and self._written > _AT_ONCE and self._has_grown(words):
            self._begin()

    async def ready(self) -> None:
        """Return when there are statistics to search with; where there is no keyword index there are none."""
        words = self._bound.info.words
        if words is None:
            return
        if words.version == 0:
            await self._take_quietly()
        elif self._has_grown(words):
            if words.total + self._written <= _AT_ONCE:
                await self._take_quietly()
            else:
                self._begin()
        elif self._bound.clock.monotonic() >= self._looks_at and (self._task is None or self._task.done()):
            # What others wrote, and this manager before it was opened, is not known.
            self._task = asyncio.create_task(self._look())

    async def take(self) -> CollectionInfo:
        """Count the words now, and keep what was counted with the collection."""
        before = self._bound.info.words
        async with self._turn:
            if self._bound.info.words is not before:
                # Taken while this waited for its turn.
                return self._bound.info
            return await self._take()

    def _has_grown(self, words: WordSnapshot) -> bool:
        return self._written >= max(_LEAST_GROWTH, words.total)

    def _begin(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._take_later())

    async def _look(self) -> None:
        bound, request = self._bound, Count(scope=ALL_SCOPES)
        # A program that asks one question and ends does not pay for a count.
        await asyncio.sleep(_QUIET_S)
        try:
            count = await bound.run(request, lambda: bound.store.count(bound.info, request))
        except VectorDatabaseError as error:
            _log.warning("growth is not known", collection=bound.info.name, error=str(error))
            return
        self._looks_at = bound.clock.monotonic() + _LOOKS_AGAIN_S
        words = bound.info.words
        if words is not None and count >= words.total + max(_LEAST_GROWTH, words.total):
            await self._take_later()

    async def _take_later(self) -> None:
        for _ in range(_MOST_WAITS):
            before = self._written
            await asyncio.sleep(_QUIET_S)
            if self._written == before:
                break
        try:
            await self._take_quietly()
        except CollectionNotFoundError:
            return
        except Exception as error:  # noqa: BLE001 - nobody waits for it; searches count with what they have
            _log.warning(
                "the words of a collection were not counted", collection=self._bound.info.name, error=str(error)
            )

    async def _take_quietly(self) -> None:
        """Count, and search with it also where it cannot be kept: whoever asks may only read."""
        before = self._bound.info
        try:
            await self.take()
        except CollectionNotFoundError:
            raise
        except VectorDatabaseError as error:
            if self._bound.info.words is before.words:
                raise
            _log.warning(
                "the words of a collection were counted, and that was not kept with it",
                collection=before.name,
                error=str(error),
            )

    async def _take(self) -> CollectionInfo:
        bound = self._bound
        info, written = bound.info, self._written
        assert info.keywords is not None
        census = WordCensus(analyser_of(info.keywords.language))
        total = await bound.store.count(info, Count(scope=ALL_SCOPES))
        if total <= MOST_READ:
            await self._read(census, ALL_SCOPES, most=MOST_READ)
            total = census.read
        else:
            # Keys stand scope by scope: the first ones are those of a few tenants.
            for scope in await bound.store.scopes(info, limit=_SCOPES):
                count = await bound.store.count(info, Count(scope=scope))
                await self._read(census, scope, most=math.ceil(MOST_READ * count / total))
        version = 1 + (0 if info.words is None else info.words.version)
        request = SetWords(info.name, census.snapshot(version=version, total=total))
        # Counting may take long enough for another process to make a collection anew under this name.
        bound.doubt()
        await bound.check_identity()
        if bound.info.keywords != info.keywords or (bound.info.words is None) != (info.words is None):
            # Meanwhile an index was begun anew: whoever does it counts when it is finished.
            return bound.info
        self._written = max(0, self._written - written)
        self.unsaved = request.words
        bound.info = replace(bound.info, words=request.words)
        changed = await bound.run(request, lambda: bound.store.set_words(request.name, request.words))
        self.unsaved = None
        if changed.is_same_collection(bound.info):
            bound.info = changed
        return bound.info

    async def _read(self, census: WordCensus, scope: Scope | AllScopes, *, most: int) -> None:
        """Count the words of at most so many records."""
        read = 0
        scan = Scan(scope=scope, batch_size=min(_PAGE, most) or 1, include_vectors=False)
        async for batch in self._bound.store.scan(self._bound.info, scan):
            await _count(census, batch)
            read += len(batch)
            if read >= most:
                break

    def facts(self) -> dict[str, Any]:
        """What is counted with, for statistics."""
        words = self._bound.info.words
        if words is None:
            return {"finished": False}
        return {"version": words.version, "records": words.records, "total": words.total, "written": self._written}

    async def close(self) -> None:
        """End what is under way; what was stored stays."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _count(census: WordCensus, batch: RecordBatch) -> None:
    texts = batch.texts or [None] * len(batch)
    system = batch.system or [{}] * len(batch)
    length = 0
    for text, fields in zip(texts, system, strict=True):
        census.add([worded(text, fields)])
        length += len(text or "")
        if length >= _CHARACTERS:
            length = 0
            await asyncio.sleep(0)
    await asyncio.sleep(0)
