"""The recall that a collection promises on a store with an index of its own: measured when it was loaded, kept with it,
and measured again as it grows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, Protocol, TypeVar

from vpa.base.calibration import EXACT, Calibration
from vpa.base.clock import Clock
from vpa.base.errors import CollectionNotFoundError, VectorDatabaseError
from vpa.base.records import CollectionInfo
from vpa.base.scope import ALL_SCOPES
from vpa.client.calibrating import Calibrating
from vpa.observe.log import get_logger
from vpa.stores.contract import VectorStore
from vpa.stores.requests import Count, Request, SetCalibration

T = TypeVar("T")
_log = get_logger("vpa.client")
# Below so many new records nothing is measured by itself: `optimize()` does.
_LEAST_GROWTH: Final = 1_000
# Measuring waits until nothing was written for so long, but no more than so many times.
_QUIET_S: Final = 2.0
_MOST_WAITS: Final = 60
# How many times as long as it took nothing is measured again.
_REST_TIMES: Final = 20
# Seconds after which what failed is tried again, the first time and at most.
_RETRY_S: Final = 30.0
_LONGEST_RETRY_S: Final = 600.0
# A setting that was measured over a tenth of the records says nothing: searches are exact until it is measured anew.
_OUTGROWN: Final = 10
_ADVICE: Final = (
    "make the collection again with store_options of a finer index (a larger m or ef_construction, another or no "
    "quantization) and copy the records there, promise less, or search with exact=True"
)


class Bound(Protocol):
    """What is needed of a collection's binding."""

    info: CollectionInfo
    store: VectorStore
    clock: Clock

    def doubt(self) -> None:
        """Have the next call ask whether the collection is still there."""
        ...

    async def check_identity(self) -> None:
        """Ask the store whether the collection is still the one that was opened, and take up what others changed."""
        ...

    async def run(self, request: Request, work: Callable[[], Awaitable[T]]) -> T:
        """Through the pipeline."""
        ...


class Promise:
    """Of one collection and manager: at rest, waiting to measure, or measuring, which is one task that `close` ends."""

    def __init__(self, bound: Bound, promised: float) -> None:
        self._bound = bound
        self.promised = promised
        self._written = self._under_way = 0
        self._task: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._error: str | None = None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """While records are written, nothing is measured by itself."""
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    def note(self, written: int) -> None:
        """So many records were written: where the collection has doubled, it is measured once writing pauses."""
        self._written += written
        if self._has_grown:
            self.begin()

    @property
    def _has_grown(self) -> bool:
        known = self._bound.info.calibration
        return self._written >= max(_LEAST_GROWTH, 0 if known is None else known.total)

    @property
    def is_outgrown(self) -> bool:
        """Whether the collection has many times the records over which it was measured."""
        known = self._bound.info.calibration
        if known is None:
            return False
        return self._written >= max(_LEAST_GROWTH, (_OUTGROWN - 1) * known.total)

    def look(self) -> None:
        """Find out how much was written since it was measured, by others and before this manager opened it."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look_and_measure())

    def begin(self) -> None:
        """Measure in a while, unless that is under way."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._measure_later())

    async def _look_and_measure(self) -> None:
        bound = self._bound
        request = Count(scope=ALL_SCOPES)
        # A program that asks one question and ends does not pay for a count.
        await asyncio.sleep(_QUIET_S)
        try:
            count = await bound.run(request, lambda: bound.store.count(bound.info, request))
        except VectorDatabaseError as error:
            _log.warning("growth is not known", collection=bound.info.name, error=str(error))
            return
        known = bound.info.calibration
        if known is not None:
            self._written = max(self._written, count - known.total)
        if known is None or self._has_grown:
            await self._measure_later()

    async def _measure_later(self) -> None:
        retry_s = _RETRY_S
        while True:
            await self._wait_for_quiet()
            started = self._bound.clock.monotonic()
            try:
                await self._bound.store.indexed(self._bound.info)
                async with self._turn:
                    if not self._has_grown and self._bound.info.calibration is not None:
                        return
                    await self._measure()
            except CollectionNotFoundError:
                return
            except Exception as error:  # noqa: BLE001 - no caller waits for it; searches go on as before
                self._error = f"{type(error).__name__}: {error}"
                _log.warning("recall was not measured", collection=self._bound.info.name, error=self._error)
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, _LONGEST_RETRY_S)
                continue
            retry_s = _RETRY_S
            # Where records are written again and again, measuring is a small part of the work.
            await asyncio.sleep(_REST_TIMES * (self._bound.clock.monotonic() - started))

    async def _wait_for_quiet(self) -> None:
        for _ in range(_MOST_WAITS):
            before = self._written
            await asyncio.sleep(_QUIET_S)
            if self._written == before and not self._under_way:
                return

    async def measure(self) -> Calibration:
        """Find the settings that keep the promise, use them, and store them with the collection."""
        async with self._turn:
            return await self._measure()

    async def _measure(self) -> Calibration:
        bound, before = self._bound, self._written
        found = await Calibrating(bound.store, bound.info, promised=self.promised, clock=bound.clock).run()
        # It holds in this process also where the store does not keep it.
        await self._use(replace(bound.info, calibration=found), before)
        self._warn(found)
        request = SetCalibration(bound.info.name, found)
        # Measuring takes long enough for another process to make a collection anew under this name.
        bound.doubt()
        try:
            info = await bound.run(request, lambda: bound.store.set_calibration(request.name, found))
        except VectorDatabaseError as error:
            self._error = f"not stored with the collection: {type(error).__name__}: {error}"
            raise
        if info.is_same_collection(bound.info):
            bound.info = info
        return found

    async def _use(self, info: CollectionInfo, measured: int) -> None:
        """Search by what was measured; records that came meanwhile were not."""
        await self._bound.store.use_effort(info)
        self._bound.info, self._error = info, None
        self._written -= measured

    def _warn(self, calibration: Calibration) -> None:
        facts = {"collection": self._bound.info.name, "promised": self.promised, "measured": dict(calibration.measured)}
        if calibration.missed:
            _log.warning(
                "a promised recall is not reached by any setting of the store",
                **facts,
                missed=calibration.missed,
                advice=_ADVICE,
            )
        elif calibration.effort == EXACT:
            _log.warning(
                "searches are exact: no setting of the index reaches the promised recall", **facts, advice=_ADVICE
            )

    def facts(self) -> dict[str, Any]:
        """What was promised and measured, for statistics; recall under "all" and each share of the records."""
        known = self._bound.info.calibration
        facts: dict[str, Any] = {
            "promised": self.promised,
            "measuring": self._turn.locked(),
            "written_since": self._written,
        }
        if self._error is not None:
            facts["error"] = self._error
        if known is None:
            return {**facts, "kept": None, "measured": {}}
        return {**facts, "kept": not known.missed if known.measured else None, **known.to_json()}

    async def close(self) -> None:
        """End what is under way; what was stored stays."""
        if self._written and self._bound.info.awaits_measure:
            _log.warning(
                "a promised recall was not measured before closing: searches are exact until optimize() measures it, "
                "or a manager that is open for a while",
                collection=self._bound.info.name,
                promised=self.promised,
            )
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
