"""A queue bounded by weight: producers wait for room, what is too heavy passes alone, the end is told."""

from __future__ import annotations

import asyncio

from vpa.kit.weighed import WeighedQueue


async def test_producers_wait_until_there_is_room() -> None:
    queue: WeighedQueue[int] = WeighedQueue(10)
    await queue.put(1, weight=6)
    waiting = asyncio.create_task(queue.put(2, weight=6))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert await queue.get(most=5, wait_s=1) == [1]
    await waiting
    assert await queue.get(most=5, wait_s=1) == [2]


async def test_what_weighs_more_than_the_bound_passes_alone() -> None:
    queue: WeighedQueue[int] = WeighedQueue(10)
    await asyncio.wait_for(queue.put(1, weight=1000), 1)
    waiting = asyncio.create_task(queue.put(2, weight=1))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert await queue.get(most=1, wait_s=1) == [1]
    await waiting


async def test_nothing_in_time_is_an_empty_answer_and_so_is_the_end() -> None:
    queue: WeighedQueue[int] = WeighedQueue(10)
    assert await queue.get(most=1, wait_s=0.01) == []
    assert not queue.is_over
    await queue.put(1, weight=1)
    await queue.end()
    assert not queue.is_over
    assert await queue.get(most=1, wait_s=1) == [1]
    assert queue.is_over
    assert await asyncio.wait_for(queue.get(most=1, wait_s=60), 1) == []


async def test_at_most_so_many_are_taken_and_in_order() -> None:
    queue: WeighedQueue[int] = WeighedQueue(100)
    for number in range(5):
        await queue.put(number, weight=1)
    assert await queue.get(most=3, wait_s=1) == [0, 1, 2]
    assert await queue.get(most=3, wait_s=1) == [3, 4]
