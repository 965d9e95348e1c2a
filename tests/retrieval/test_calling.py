"""Functions of the caller's that hang keep a bounded number of threads."""

from __future__ import annotations

import asyncio
import threading

import pytest

from vpa.base.errors import ServiceUnavailableError
from vpa.retrieval.calling import MOST_RUNNING, called


async def test_calls_that_hang_are_bounded_and_told() -> None:
    may_end = threading.Event()
    try:
        for _ in range(MOST_RUNNING):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.005):
                    await called(may_end.wait)
        with pytest.raises(ServiceUnavailableError, match=f"{MOST_RUNNING} calls of functions"):
            await called(len, "text")
    finally:
        may_end.set()
    for _ in range(100):
        try:
            assert await called(len, "text") == 4
            break
        except ServiceUnavailableError:
            await asyncio.sleep(0.02)
    else:
        pytest.fail("no thread became free")
