"""A lock that many share or one has alone."""

from __future__ import annotations

import asyncio

import pytest

from vpa.kit.locks import SharedLock


async def _turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_sharers_are_together_and_the_exclusive_one_waits_for_all() -> None:
    lock, events, leave = SharedLock(), [], asyncio.Event()

    async def share(name: str) -> None:
        async with lock.shared():
            events.append(f"{name} in")
            await leave.wait()
            events.append(f"{name} out")

    async def alone() -> None:
        async with lock.alone():
            events.append("alone")

    sharers = [asyncio.create_task(share(name)) for name in "ab"]
    await _turns()
    exclusive = asyncio.create_task(alone())
    await _turns()
    assert events == ["a in", "b in"]
    late = asyncio.create_task(share("late"))
    await _turns()
    assert "late in" not in events
    leave.set()
    await asyncio.gather(*sharers, exclusive, late)
    assert events[2:4] == ["a out", "b out"]
    assert events.index("alone") < events.index("late in")


@pytest.mark.parametrize("waiting", [True, False])
async def test_an_exclusive_task_that_is_cancelled_leaves_the_lock_free(waiting: bool) -> None:
    lock, leave = SharedLock(), asyncio.Event()

    async def share() -> None:
        async with lock.shared():
            await leave.wait()

    async def alone() -> None:
        async with lock.alone():
            await asyncio.sleep(60)

    sharer = asyncio.create_task(share()) if waiting else None
    await _turns()
    exclusive = asyncio.create_task(alone())
    await _turns()
    exclusive.cancel()
    with pytest.raises(asyncio.CancelledError):
        await exclusive
    async with asyncio.timeout(1), lock.shared():
        pass
    leave.set()
    if sharer is not None:
        await sharer
    async with asyncio.timeout(1), lock.alone():
        pass


async def test_an_error_inside_frees_it() -> None:
    lock = SharedLock()
    for way in (lock.shared, lock.alone):
        with pytest.raises(KeyError):
            async with way():
                raise KeyError
    async with asyncio.timeout(1), lock.alone():
        pass
