"""Ends a call that its caller interrupted, and says what it had written."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Final

from vpa.kit.tally import Tally

# So long the interrupted work may take to end; a write in a worker thread goes on beside that.
_ENDS_S: Final = 5.0


def end_and_say(
    error: BaseException, work: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop, *, tally: Tally
) -> None:
    """Cancel `work`, which runs on `loop`, and wait for its end; then say in a note on `error` what it wrote."""
    ended = False
    try:
        ending = _end(work)
        try:
            waiting = asyncio.run_coroutine_threadsafe(ending, loop)
        except RuntimeError:
            # The loop has ended, and the work with it.
            ending.close()
        else:
            with contextlib.suppress(TimeoutError, asyncio.CancelledError):
                ended = waiting.result(timeout=_ENDS_S)
    finally:
        if tally.began:
            error.add_note(_note(tally.records, ended=ended))


async def _end(work: Coroutine[Any, Any, Any]) -> bool:
    """Whether it ended as if nobody had interrupted it."""
    task = next((one for one in asyncio.all_tasks() if one.get_coro() is work), None)
    if task is None:
        return True
    task.cancel()
    await asyncio.wait([task], timeout=_ENDS_S)
    return task.done() and not task.cancelled() and task.exception() is None


def _note(records: int, *, ended: bool) -> str:
    if ended:
        written = f"; {records:,} records were written" if records else ": what it was to do is done"
        return f"vpa: the call had ended before it could be interrupted{written}"
    if not records:
        return "vpa: no record is known to be written; what was on its way at the interrupt may be done: count() tells"
    return (
        f"vpa: {records:,} records were written before the interrupt; a write that was on its way then may be done as "
        "well: count() tells"
    )
