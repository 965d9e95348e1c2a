"""One ingest at a time into a collection's scope: records beside the ledger say who is at work, and since when.

Not every store can compare and write in one step. So each run first writes a mark of its own and then reads all marks:
of two that come at once at least one sees the other, and gives way. A mark is only ever deleted by its id, which no
other run has.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vpa.base.clock import Clock
from vpa.base.errors import StorageLockedError, VectorDatabaseError
from vpa.base.ids import new_id
from vpa.base.records import Record
from vpa.filters import F
from vpa.observe.log import get_logger
from vpa.rag.intake.ledger import Ledger

_ID: Final = "running:"
_FIELD: Final = "running"
_BEAT_S: Final = 10.0
# Of a process on another machine that says nothing for so long it is taken that it died.
_SILENT_S: Final = 60.0
_LOOK_S: Final = 2.0
# Runs that began at the same moment give way, and try again at different times.
_TRIES: Final = 6
_GIVE_WAY_S: Final = 0.2
# Runs of this process: another process may have had its number.
_RUNNING: Final[set[str]] = set()
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_NAMES_PIDS: Final = "/proc/self/ns/pid"
_log = get_logger("vpa.rag")


@dataclass(slots=True)
class Hold:
    """The mark of a run that writes. `is_lost`: another one took it over, as this one was silent for too long."""

    is_lost: bool = False

    def check(self) -> None:
        """Raises StorageLockedError where it was lost: two runs would write one ledger."""
        if self.is_lost:
            raise StorageLockedError(
                "another ingest took over this one, which had been silent for too long; what was done before stays"
            )


@dataclass(frozen=True, slots=True)
class _Mark:
    """What a run wrote of itself, under an id of its own."""

    record_id: str
    facts: dict[str, Any]

    @property
    def beat(self) -> tuple[str, Any]:
        """Changes while the run lives."""
        return self.record_id, self.facts.get("beat")


@asynccontextmanager
async def alone(ledger: Ledger, clock: Clock) -> AsyncIterator[Hold]:
    """Raises StorageLockedError while another run writes here. What a dead process left is taken over; of one on
    another machine that is seen in a minute of waiting.
    """
    holder, hold = new_id(), Hold()
    _RUNNING.add(holder)
    try:
        await _take(ledger, holder, clock)
        beating = asyncio.create_task(_beat(ledger, holder, clock, hold))
        try:
            yield hold
        finally:
            beating.cancel()
            with suppress(asyncio.CancelledError):
                await beating
    finally:
        await asyncio.shield(_leave(ledger, holder))
        _RUNNING.discard(holder)


async def _take(ledger: Ledger, holder: str, clock: Clock) -> None:
    silent: set[tuple[str, Any]] = set()
    for _ in range(_TRIES):
        await _put(ledger, holder, clock, is_inside=False)
        others = [mark for mark in await _others(ledger, holder) if mark.beat not in silent and not _is_dead(mark)]
        if not others:
            await _clear(ledger, holder, silent)
            await _put(ledger, holder, clock, is_inside=True)
            await _check_alone(ledger, holder)
            return
        await _leave(ledger, holder)
        if all(_is_doubtful(mark, clock) for mark in others):
            silent |= await _unchanged(ledger, holder, others)
        elif inside := next((mark for mark in others if mark.facts.get("is_inside", True)), None):
            raise _refusal(inside)
        else:
            await asyncio.sleep(random.uniform(0, _GIVE_WAY_S))
    raise StorageLockedError("other ingests began in this collection at the same moment: try again")


def _refusal(other: _Mark) -> StorageLockedError:
    return StorageLockedError(
        f"another ingest or forget is at work in this collection (process {other.facts.get('pid')} on "
        f"{other.facts.get('host')}): wait for its end"
    )


async def _check_alone(ledger: Ledger, holder: str) -> None:
    """One that was taken for dead may have renewed its mark while it was deleted."""
    for mark in await _others(ledger, holder):
        if mark.facts.get("is_inside", True) and not _is_dead(mark):
            raise _refusal(mark)


async def _clear(ledger: Ledger, holder: str, silent: set[tuple[str, Any]]) -> None:
    """Delete the marks of the dead."""
    dead = [mark.record_id for mark in await _others(ledger, holder) if mark.beat in silent or _is_dead(mark)]
    if dead:
        await ledger.collection.delete(ids=dead, scope=ledger.place)


async def _unchanged(ledger: Ledger, holder: str, others: list[_Mark]) -> set[tuple[str, Any]]:
    """The beats that stay as they are for so long that no living run would. Raises StorageLockedError for a change."""
    beats = {mark.beat for mark in others}
    for _ in range(round(_SILENT_S / _LOOK_S)):
        await asyncio.sleep(_LOOK_S)
        for mark in await _others(ledger, holder):
            if mark.beat not in beats and not _is_dead(mark):
                raise _refusal(mark)
    return beats


async def _put(ledger: Ledger, holder: str, clock: Clock, *, is_inside: bool) -> None:
    await ledger.collection.upsert([_record(ledger, holder, clock, is_inside=is_inside)], scope=ledger.place)


def _record(ledger: Ledger, holder: str, clock: Clock, *, is_inside: bool = True) -> Record:
    pid = os.getpid()
    facts = {
        "holder": holder,
        "is_inside": is_inside,
        "host": socket.gethostname(),
        "machine": _machine(),
        "pid": pid,
        "began": _began(pid),
        "beat": clock.now(),
    }
    record_id = f"{_ID}{holder}"
    return Record(record_id, vector=ledger.any_vector(record_id), system={_FIELD: json.dumps(facts)})


async def _others(ledger: Ledger, holder: str) -> list[_Mark]:
    marks = await _marks(ledger)
    return [mark for mark in marks if mark.record_id != f"{_ID}{holder}"]


async def _marks(ledger: Ledger) -> list[_Mark]:
    pages = ledger.collection.scan_batches(filter=F.system(_FIELD).exists(), include_vectors=False, scope=ledger.place)
    return [_Mark(record.id, _facts(record)) async for page in pages for record in page]


def _facts(record: Record) -> dict[str, Any]:
    try:
        facts = json.loads(str(record.system[_FIELD]))
    except (KeyError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _is_dead(mark: _Mark) -> bool:
    """Whether a run has certainly ended without saying so."""
    facts = mark.facts
    if facts.get("machine") != _machine():
        return not isinstance(facts.get("beat"), int | float)
    pid = facts.get("pid")
    if pid == os.getpid() and facts.get("began") == _began(pid):
        return facts.get("holder") not in _RUNNING
    # However long it has said nothing: it may have been stopped.
    return not isinstance(pid, int) or _began(pid) != facts.get("began")


def _is_doubtful(mark: _Mark, clock: Clock) -> bool:
    """Whether a run on another machine seems silent. Its clock may be wrong: only a look at its mark tells."""
    return mark.facts.get("machine") != _machine() and abs(clock.now() - mark.facts["beat"]) > _SILENT_S / 2


def _machine() -> str:
    """What tells machines, their starts, and containers on them apart."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(_BOOT.read_text().strip())
    with suppress(OSError):
        parts.append(os.readlink(_NAMES_PIDS))
    return " ".join(parts)


def _began(pid: int) -> str:
    """When a process began, in the words of the system; "" where it does not run. A number is given again."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        pass
    try:
        os.kill(pid, 0)
    except PermissionError:
        return "runs"
    except (OSError, ValueError, OverflowError):
        return ""
    return "runs"


async def _beat(ledger: Ledger, holder: str, clock: Clock, hold: Hold) -> None:
    while True:
        await asyncio.sleep(_BEAT_S)
        try:
            is_known = any(mark.record_id == f"{_ID}{holder}" for mark in await _marks(ledger))
            if is_known:
                await _put(ledger, holder, clock, is_inside=True)
                # Meanwhile another may have taken this one for dead, and deleted the mark that is written now.
                is_known = not any(mark.facts.get("is_inside", True) for mark in await _others(ledger, holder))
            if not is_known:
                hold.is_lost = True
                await _leave(ledger, holder)
                return
        except VectorDatabaseError as error:
            _log.warning("the mark of a running ingest was not renewed", reason=error.message)


async def _leave(ledger: Ledger, holder: str) -> None:
    with suppress(VectorDatabaseError):
        await ledger.collection.delete(ids=[f"{_ID}{holder}"], scope=ledger.place)
