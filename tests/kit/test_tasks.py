"""What runs together ends together, and fails with the error itself."""

from __future__ import annotations

import asyncio

import pytest

from vpa.kit.tasks import together


async def test_results_come_in_the_order_asked() -> None:
    async def after(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    assert await together(after(seconds) for seconds in (0.02, 0.0, 0.01)) == [0.02, 0.0, 0.01]
    assert await together([]) == []


async def test_the_first_error_is_raised_as_it_is_and_the_others_are_cancelled() -> None:
    ended: list[str] = []

    async def fails() -> None:
        raise KeyError("mine")

    async def waits() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def nested() -> None:
        await together([waits(), fails()])

    with pytest.raises(KeyError, match="mine"):
        await together([waits(), nested()])
    assert ended == ["cancelled", "cancelled"]
