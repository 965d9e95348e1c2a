"""How many records a call has written so far, for whoever interrupts it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Tally:
    """Records that are known to be written.

    A write that goes in parts adds each part as it is done, and is replaced by its own answer when it ends.
    """

    def __init__(self) -> None:
        self._began = False
        self._records = 0
        self._running: set[Tally] = set()

    @property
    def began(self) -> bool:
        """Whether anything was sent that may change a store."""
        return self._began or any(part.began for part in self._running)

    @property
    def records(self) -> int:
        """Those of writes that ended, and the parts of those that go on."""
        return self._records + sum(part.records for part in self._running)

    def begin(self) -> None:
        """Something is sent that may change a store."""
        self._began = True

    def add(self, records: int) -> None:
        """So many more were written."""
        self._records += records

    def settle(self, records: int) -> None:
        """So many were written in all, whatever the parts added up to."""
        self._records = records

    @contextmanager
    def part(self) -> Iterator[Tally]:
        """A tally for one write of this call; it counts here while it goes on and after."""
        part = Tally()
        self._running.add(part)
        try:
            yield part
        finally:
            self._running.discard(part)
            self._began = self._began or part.began
            self.add(part.records)


_tally: ContextVar[Tally | None] = ContextVar("vpa_tally", default=None)


def start_tally() -> Tally:
    """A new tally for this context and all that is begun in it."""
    tally = Tally()
    _tally.set(tally)
    return tally


def note_began() -> None:
    """Something was sent that may change a store."""
    if (tally := _tally.get()) is not None:
        tally.begin()


def note_written(records: int) -> None:
    """A part of a write was done."""
    if (tally := _tally.get()) is not None:
        tally.add(records)


@contextmanager
def one_write() -> Iterator[Tally]:
    """Around one write: its parts are noted in the tally that this yields, `settle` replaces them by its answer."""
    outer = _tally.get()
    with (outer or Tally()).part() as tally:
        token = None if outer is None else _tally.set(tally)
        try:
            yield tally
        finally:
            if token is not None:
                _tally.reset(token)
