"""Time as an argument: what needs a clock is given one, so that tests can turn its hands."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """A source of time in seconds."""

    def monotonic(self) -> float:
        """Seconds that never run backwards, for durations."""
        ...

    def now(self) -> float:
        """Seconds since the epoch, for timestamps."""
        ...


class SystemClock:
    """The clock of this machine, for everything but tests."""

    def monotonic(self) -> float:
        """Seconds from `time.perf_counter`, whose zero is arbitrary: only differences mean something."""
        return time.perf_counter()

    def now(self) -> float:
        """Seconds since the epoch from `time.time`, which an operator or NTP may set back."""
        return time.time()
