"""How far a long command is: a bar on a terminal, elsewhere a line every ten seconds, both on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

# So often a log, or whoever reads it, is told.
_EVERY_S: Final = 10.0


class Advance(Protocol):
    """Told how many are done, of how many where that is known, and perhaps a word beside it."""

    def __call__(self, stage: str, done: int, total: int | None, aside: str = "") -> None:
        """Show it."""


@contextmanager
def shown_progress(unit: str, *, quiet: bool = False) -> Iterator[Advance]:
    """Yields `advance(stage, done, total)`, to be called as often as one likes."""
    if quiet:
        yield lambda stage, done, total, aside="": None
    elif sys.stderr.isatty():
        with _bars(unit) as advance:
            yield advance
    else:
        yield _Lines(unit)


@contextmanager
def _bars(unit: str) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TextColumn("{task.fields[aside]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks: dict[str, Any] = {}

        def advance(stage: str, done: int, total: int | None, aside: str = "") -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total, aside=aside)
            progress.update(tasks[stage], completed=done, total=total, aside=aside)

        yield advance


class _Lines:
    """Lines such as `ingest: 1,200 of 4,000 documents, 35 s`."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._started = self._told = time.monotonic()

    def __call__(self, stage: str, done: int, total: int | None, aside: str = "") -> None:
        now = time.monotonic()
        if now - self._told < _EVERY_S:
            return
        self._told = now
        of = "" if total is None else f" of {total:,}"
        beside = f", {aside}" if aside else ""
        sys.stderr.write(f"{stage}: {done:,}{of} {self._unit}{beside}, {now - self._started:.0f} s\n")
        sys.stderr.flush()
