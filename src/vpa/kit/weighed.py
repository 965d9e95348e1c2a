"""A queue that is bounded by the weight of what waits in it, and hands out what is there at once."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class WeighedQueue(Generic[T]):
    """For one consumer. What weighs more than the bound passes alone."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._items: deque[tuple[T, int]] = deque()
        self._weight = 0
        self._has_ended = False
        self._changed = asyncio.Condition()

    async def put(self, item: T, *, weight: int) -> None:
        """Waits until there is room."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._items or self._weight + weight <= self._bound)
            self._items.append((item, weight))
            self._weight += weight
            self._changed.notify_all()

    async def end(self) -> None:
        """Nothing comes any more."""
        async with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    @property
    def is_over(self) -> bool:
        """Whether nothing waits, and nothing comes any more."""
        return self._has_ended and not self._items

    async def get(self, *, most: int, wait_s: float) -> list[T]:
        """What waits, at most so many; empty where nothing came in time, or nothing comes any more."""
        async with self._changed:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._changed.wait_for(lambda: self._items or self._has_ended)
            taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
            self._weight -= sum(weight for _, weight in taken)
            self._changed.notify_all()
        return [item for item, _ in taken]
