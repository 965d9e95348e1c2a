"""The two ends of a copy on the command line: a URL each, its key from the environment."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from vpa.base.errors import ConfigurationError
from vpa.base.providers import VectorDatabaseProvider
from vpa.client.connect import connect
from vpa.client.manager import VectorDatabaseManager
from vpa.commands.progress import shown_progress
from vpa.config.store_url import parse_url
from vpa.observe.log import configure_logging


@asynccontextmanager
async def place(
    url: str, variable: str, *, timeout_s: float, reads: bool = False
) -> AsyncIterator[VectorDatabaseManager]:
    """A connected manager; the API key or password is in `variable`, else in VPA_VECTOR_DB_API_KEY.

    `reads`: an embedded store is opened beside the process that writes to it.
    """
    if os.path.isfile(url):
        raise ConfigurationError(f"{url!r} is a file, where the URL or the directory of a store should be")
    fields = parse_url(url)
    follows = reads and fields["provider"] == VectorDatabaseProvider.MOCK and fields["path"] is not None
    key = os.environ.get(variable) or os.environ.get("VPA_VECTOR_DB_API_KEY") or None
    async with connect(url, api_key=key, timeout_seconds=timeout_s, read_only=follows) as manager:
        yield manager


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Any]:
    """Calls `advance(stage, count)`: so many records more are done."""
    configure_logging(level="WARNING")
    with shown_progress("records", quiet=quiet) as show:
        done: Counter[str] = Counter()

        def advance(stage: str, count: int) -> None:
            done[stage] += count
            show(stage, done[stage], None)

        yield advance
