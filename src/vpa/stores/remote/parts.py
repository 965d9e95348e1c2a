"""Writing a batch part by part, and saying id by id what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeVar

from vpa.base.errors import (
    CircuitOpenError,
    ConnectionFailedError,
    OperationTimeoutError,
    PartialWriteError,
    VectorDatabaseError,
)
from vpa.kit.tally import note_written

Part = TypeVar("Part")
# After one of these it is unknown whether the store did the work.
_UNKNOWN: Final = (ConnectionFailedError, OperationTimeoutError)


async def write_parts(
    parts: Iterable[Part],
    write: Callable[[Part], Awaitable[Sequence[str]]],
    *,
    ids: Callable[[Part], Sequence[str]],
    at_once: int,
) -> int:
    """Write part by part, `at_once` of them concurrently; returns how many records were written.

    `write` returns the ids it wrote. Raises PartialWriteError, id by id, or the cause where nothing was written.
    """
    outcome = _Outcome()
    waiting = iter(parts)

    async def worker() -> None:
        for part in waiting:
            if outcome.hopeless is not None:
                outcome.failed |= dict.fromkeys(ids(part), f"not sent: {outcome.hopeless}")
                continue
            try:
                written = await write(part)
                outcome.written += written
                note_written(len(written))
            except PartialWriteError as error:
                outcome.add_partial(error)
            except VectorDatabaseError as error:
                outcome.add_failure(error, ids(part))

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(worker())
    return outcome.result()


class _Outcome:
    """What became of each part of a batch."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.failed: dict[str, str] = {}
        self.unknown: list[str] = []
        self.cause: VectorDatabaseError | None = None
        self.hopeless: VectorDatabaseError | None = None

    def add_partial(self, error: PartialWriteError) -> None:
        self.cause = self.cause or error
        self.written += error.written
        self.failed |= error.failed
        self.unknown += error.unknown

    def add_failure(self, error: VectorDatabaseError, ids: Sequence[str]) -> None:
        self.cause = self.cause or error
        if isinstance(error, _UNKNOWN):
            self.unknown += ids
        else:
            self.failed |= dict.fromkeys(ids, error.message)
        if isinstance(error, CircuitOpenError) or not error.retryable:
            self.hopeless = error

    def result(self) -> int:
        if self.cause is None:
            return len(self.written)
        if not self.written and not isinstance(self.cause, PartialWriteError):
            raise self.cause
        raise PartialWriteError(
            f"{len(self.written)} records were written, {len(self.failed)} were not, of {len(self.unknown)} it is "
            "unknown; "
            f"send those again (their ids are in .failed and .unknown); the first cause: {self.cause.message}",
            written=self.written,
            failed=self.failed,
            unknown=self.unknown,
        ) from self.cause
