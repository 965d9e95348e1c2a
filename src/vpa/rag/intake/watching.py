"""Goes on looking at files: waits until they have not changed for a moment, then ingests what did."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Final

from vpa.base.errors import ConfigurationError
from vpa.ingest.finding import Search

# Changes that follow one another so fast are one: an editor writes a file several times.
_DEBOUNCE_MS: Final = 1600
_STEP_MS: Final = 200


async def changes(paths: Sequence[str], search: Search, stop: asyncio.Event) -> AsyncGenerator[list[str], None]:
    """The paths that changed, some at once, until `stop` is set. Raises ConfigurationError where nothing can watch."""
    try:
        from watchfiles import awatch
    except ImportError:
        raise ConfigurationError("watching needs watchfiles: pip install 'vpa[ingest]'") from None
    roots = sorted({os.path.realpath(path) for path in paths})
    for root in roots:
        if not os.path.exists(root):
            raise ConfigurationError(f"{root} does not exist, so it cannot be watched")

    def matters(_: object, path: str) -> bool:
        """What is never read wakes nobody: the store itself may lie in the folder."""
        root = next((root for root in roots if Path(path).is_relative_to(root)), None)
        if root is None:
            return False
        place = root
        for part in Path(path).relative_to(root).parts:
            place = os.path.join(place, part)
            if search.passes_over(place, part):
                return False
        return True

    watching = awatch(*roots, debounce=_DEBOUNCE_MS, step=_STEP_MS, stop_event=stop, watch_filter=matters)
    async for changed in watching:
        yield sorted({path for _, path in changed})
