"""Counters and latencies per verb, in process; what `stats` shows and a metrics endpoint will read."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from vpa.base.answers import VerbStatistics

# 50 calls lie above the 95th percentile of 1,024, so a single outlier does not move it; 32 kB per verb.
_WINDOW: Final = 1024


@dataclass(slots=True)
class Series:
    """Calls of one verb: totals, and the latest 1,024 durations for percentiles."""

    calls: int = 0
    errors: int = 0
    total_s: float = 0.0
    recent_s: deque[float] = field(default_factory=lambda: deque(maxlen=_WINDOW))

    def summary(self) -> VerbStatistics:
        """Counts, and latencies in seconds over the recent calls."""
        ordered = sorted(self.recent_s)
        return {
            "calls": self.calls,
            "errors": self.errors,
            "avg_s": self.total_s / self.calls if self.calls else 0.0,
            "p50_s": _quantile(ordered, 0.50),
            "p95_s": _quantile(ordered, 0.95),
        }


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


class Meter:
    """A series per verb; safe to use from several threads."""

    def __init__(self) -> None:
        self._series: dict[str, Series] = {}
        self._lock = threading.Lock()

    def record(self, verb: str, seconds: float, *, failed: bool = False) -> None:
        """Count one call of `verb` that took `seconds`; `failed` also counts an error."""
        with self._lock:
            series = self._series.setdefault(verb, Series())
            series.calls += 1
            series.errors += failed
            series.total_s += seconds
            series.recent_s.append(seconds)

    def summary(self) -> dict[str, VerbStatistics]:
        """What has been counted so far, by verb."""
        with self._lock:
            return {verb: series.summary() for verb, series in sorted(self._series.items())}
