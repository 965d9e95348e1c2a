"""One ingest at a time into a collection's scope: a record beside the ledger says who is at work, and since when."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vpa.base.clock import Clock
from vpa.base.errors import RecordExistsError, StorageLockedError, VectorDatabaseError
from vpa.base.ids import new_id
from vpa.base.records import Record
from vpa.observe.log import get_logger
from vpa.rag.intake.ledger import Ledger

_ID: Final = "running:"
_BEAT_S: Final = 10.0
# Of a process on another machine that says nothing for so long it is taken that it died.
_SILENT_S: Final = 60.0
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


@asynccontextmanager
async def alone(ledger: Ledger, clock: Clock) -> AsyncIterator[Hold]:
    """Raises StorageLockedError while another run writes here. What a dead process left is taken over."""
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
            await asyncio.shield(_leave(ledger, holder))
    finally:
        _RUNNING.discard(holder)


async def _take(ledger: Ledger, holder: str, clock: Clock) -> None:
    mine = _record(ledger, holder, clock)
    try:
        await ledger.collection.upsert([mine], on_conflict="error", scope=ledger.place)
    except RecordExistsError:
        other = await _holder(ledger)
        if other and not _is_dead(other, clock):
            raise StorageLockedError(
                f"another ingest or forget is at work in this collection (process {other.get('pid')} on "
                f"{other.get('host')}): wait for its end"
            ) from None
        await ledger.collection.upsert([mine], scope=ledger.place)
    # Of two that took over at once, the one that wrote last has it.
    if (await _holder(ledger)).get("holder") != holder:
        raise StorageLockedError(
            "another ingest or forget began in this collection at the same moment: wait for its end"
        )


def _record(ledger: Ledger, holder: str, clock: Clock) -> Record:
    pid = os.getpid()
    facts = {
        "holder": holder,
        "host": socket.gethostname(),
        "machine": _machine(),
        "pid": pid,
        "began": _began(pid),
        "beat": clock.now(),
    }
    return Record(_ID, vector=ledger.any_vector(_ID), system={"running": json.dumps(facts)})


async def _holder(ledger: Ledger) -> dict[str, Any]:
    record = await ledger.collection.get_one(_ID, scope=ledger.place)
    try:
        facts = json.loads(str(record.system["running"])) if record is not None else {}
    except (KeyError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _is_dead(other: dict[str, Any], clock: Clock) -> bool:
    """Whether a run has ended without saying so."""
    if other.get("machine") == _machine():
        pid = other.get("pid")
        if pid == os.getpid() and other.get("began") == _began(pid):
            return other.get("holder") not in _RUNNING
        # However long it has said nothing: it may have been stopped.
        return not isinstance(pid, int) or _began(pid) != other.get("began")
    beat = other.get("beat")
    return not isinstance(beat, int | float) or clock.now() - beat > _SILENT_S


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
            if (await _holder(ledger)).get("holder") != holder:
                hold.is_lost = True
                return
            await ledger.collection.upsert([_record(ledger, holder, clock)], scope=ledger.place)
        except VectorDatabaseError as error:
            _log.warning("the mark of a running ingest was not renewed", reason=error.message)


async def _leave(ledger: Ledger, holder: str) -> None:
    with suppress(VectorDatabaseError):
        if (await _holder(ledger)).get("holder") == holder:
            await ledger.collection.delete(ids=[_ID], scope=ledger.place)
