"""The two ends of a copy on the command line: a URL each, its key from the environment."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from vpa.base.providers import VectorDatabaseProvider
from vpa.client.connect import connect
from vpa.client.manager import VectorDatabaseManager
from vpa.config.store_url import parse_url
from vpa.observe.log import configure_logging


@asynccontextmanager
async def place(
    url: str, variable: str, *, timeout_s: float, reads: bool = False
) -> AsyncIterator[VectorDatabaseManager]:
    """A connected manager; the API key or password is in `variable`, else in VPA_VECTOR_DB_API_KEY.

    `reads`: an embedded store is opened beside the process that writes to it.
    """
    fields = parse_url(url)
    follows = reads and fields["provider"] == VectorDatabaseProvider.MOCK and fields["path"] is not None
    key = os.environ.get(variable) or os.environ.get("VPA_VECTOR_DB_API_KEY") or None
    async with connect(url, api_key=key, timeout_seconds=timeout_s, read_only=follows) as manager:
        yield manager


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Any]:
    """Calls `advance(stage, count)`; a line a stage on stderr where that is a terminal."""
    configure_logging(level="WARNING")
    if quiet:
        yield lambda stage, count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,} records"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        tasks: dict[str, Any] = {}

        def advance(stage: str, count: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=None)
            progress.advance(tasks[stage], count)

        yield advance
